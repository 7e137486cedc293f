// One track's sound, from Opus packets to blocks of 10 ms at the moments that the playout clock names.

import Media

/// A packet of sound that waits.
struct SoundPacket: Sendable {
    /// Its first sample's number on the track: the RTP timestamp without its wraps.
    var start: Int64
    var payload: ByteBlock
}

/// Decodes when a block is asked for, so that what is missing then is made up by the decoder itself.
///
/// It reads at the sample that is due. Small differences are made good by reading up to 0.5 % faster or slower; larger ones
/// by a jump that cross-fades. What is missing is concealed for 60 ms, dying away, then it is silent; wherever two pieces
/// meet, the step between them is spread over 5 ms.
struct SoundPlayer: ~Copyable {
    static let blockSamples = 480, rate = 48_000.0
    /// Packets that may wait, and the decoded past that is kept for jumps back.
    static let maximumPackets = 100, history = 24_000
    private static let concealedAtMost = 2880, spread = 240, deadBand = 96.0, jumpFrom = 720.0, fastest = 0.005

    private var decoder: OpusDecoder
    private var packets: [SoundPacket] = []
    /// Decoded sound, left and right in turn, from sample `base` on.
    private var samples: [Float] = []
    private var base: Int64 = 0
    private var end: Int64 { base + Int64(samples.count / 2) }
    private var position = 0.0
    private var isPlaying = false, isCorrecting = false
    private var concealed = SoundPlayer.concealedAtMost
    private var scratch = [Float](repeating: 0, count: 2 * SoundPlayer.blockSamples)
    private var packetSamples = 960
    /// The first sample that no block has needed yet.
    private var asked: Int64 = 0
    /// The first sample from which on everything decoded is silence.
    private var silentFrom: Int64 = 0

    /// What happened in the last `read`.
    struct Report: Sendable {
        var late = 0, corrupt = 0, concealed = 0, recovered = 0, silent = 0, jumps = 0, overflow = 0
        /// By how many samples the latest of the late packets came too late.
        var lateBySamples: Int64 = 0
    }
    private(set) var report = Report()

    init() throws(OpusError) { decoder = try OpusDecoder() }

    /// Whether nothing is left to be heard.
    var isDrained: Bool { packets.isEmpty && (!isPlaying || Int64(position) >= silentFrom) }

    /// Takes a packet; they may come in any order.
    mutating func insert(_ packet: SoundPacket) {
        var at = packets.count
        while at > 0, packets[at - 1].start > packet.start { at -= 1 }
        if at > 0, packets[at - 1].start == packet.start { return }
        packets.insert(packet, at: at)
        if packets.count > Self.maximumPackets {
            packets.removeFirst()
            report.overflow += 1
        }
    }

    /// Gives one block.
    ///
    /// - Parameters:
    ///   - wanted: the number of the sample that is due at the block's begin.
    ///   - out: gets 480 samples per channel, left and right in turn.
    /// - Returns: false, with `out` untouched, when the whole block is silent.
    mutating func read(at wanted: Double, into out: UnsafeMutableBufferPointer<Float>) -> Bool {
        guard out.count == 2 * Self.blockSamples, wanted.isFinite, abs(wanted) < 1e15 else { return false }
        if !isPlaying {
            // What lies wholly in the past is of no use; what is not yet due waits.
            while let first = packets.first, first.start + Int64(length(first)) <= Int64(wanted) { drop(first, wanted) }
            guard let first = packets.first, first.start < Int64(wanted) + Int64(Self.blockSamples) + 4 else {
                return false
            }
            isPlaying = true
            position = wanted
            restart(at: Int64(wanted) - 2)
        }
        let step = correct(wanted)
        let last = position + step * Double(Self.blockSamples)
        provide(through: Int64(last) + 4)
        render(from: position, step: step, into: out)
        position = last
        if Int64(position) - 2 >= silentFrom, concealed >= Self.concealedAtMost, packets.isEmpty {
            isPlaying = false
        }
        trim()
        return true
    }

    mutating func takeReport() -> Report {
        defer { report = Report() }
        return report
    }

    // MARK: - Where to read

    /// Returns how many samples to go for each that is put out; jumps where that would take too long.
    private mutating func correct(_ wanted: Double) -> Double {
        let error = wanted - position
        if abs(error) > Self.jumpFrom {
            report.jumps += 1
            isCorrecting = false
            jump(to: wanted)
            return 1
        }
        if abs(error) > Self.deadBand { isCorrecting = true }
        if abs(error) < Self.deadBand / 8 { isCorrecting = false }
        guard isCorrecting else { return 1 }
        // Ten blocks would make it good; more than half a percent would be heard.
        return 1 + min(max(error / (10 * Double(Self.blockSamples)), -Self.fastest), Self.fastest)
    }

    /// Goes on at another place; where both places are known, what is there now fades into what will be.
    private mutating func jump(to wanted: Double) {
        let old = position
        let start = Int64(wanted) - 2
        // Too far ahead of everything, or behind all that is kept: begin anew there, with the step spread.
        if start < base || start > end + Int64(Self.history) {
            let rest = (sample(Int64(old) - 1, 0), sample(Int64(old) - 1, 1))
            restart(at: start)
            samples.append(contentsOf: [rest.0, rest.1])
            position = wanted
            return
        }
        let known = min(Self.blockSamples, max(0, Int(end - Int64(old) - 3)))
        for index in 0..<2 * known {
            scratch[index] = Self.interpolate(samples, base, old + Double(index / 2), index & 1)
        }
        provide(through: Int64(wanted) + Int64(Self.blockSamples) + 4)
        let target = Int64(wanted.rounded(.down))
        if known >= 48 {
            // The place that is read next is written over with the fade; it is in the past of all later reads.
            // Cubic reading looks one sample back, so that one is written too.
            if target > base {
                for channel in 0...1 {
                    samples[2 * Int(target - 1 - base) + channel] = Self.interpolate(samples, base, old - 1, channel)
                }
            }
            for index in 0..<known {
                let at = Int(target - base) + index
                guard at >= 0, at < samples.count / 2 else { continue }
                let weight = Float(index + 1) / Float(known + 1)
                for channel in 0...1 {
                    let old = scratch[2 * index + channel]
                    samples[2 * at + channel] = old + (samples[2 * at + channel] - old) * weight
                }
            }
        } else {
            let at = Int(target - base)
            for channel in 0...1 {
                let delta = sample(Int64(old) - 1, channel) - sample(target, channel)
                for index in 0..<Self.spread where at + index < samples.count / 2 && at + index >= 0 {
                    samples[2 * (at + index) + channel] += delta * Self.fall(index, Self.spread)
                }
            }
        }
        position = wanted
    }

    private func sample(_ number: Int64, _ channel: Int) -> Float {
        guard number >= base, number < end else { return 0 }
        return samples[Int(number - base) * 2 + channel]
    }

    // MARK: - Samples

    private mutating func restart(at start: Int64) {
        asked = start
        samples.removeAll(keepingCapacity: true)
        base = start
        silentFrom = start
        concealed = Self.concealedAtMost
    }

    private func length(_ packet: SoundPacket) -> Int {
        packet.payload.withBytes { OpusDecoder.sampleCount($0) } ?? packetSamples
    }

    private mutating func drop(_ packet: SoundPacket, _ wanted: Double) {
        report.late += 1
        report.lateBySamples = max(report.lateBySamples, Int64(wanted) - packet.start)
        packets.removeFirst()
    }

    /// Decodes, or makes up, everything before a sample.
    private mutating func provide(through number: Int64) {
        asked = max(asked, number)
        // Bounded by the block's length and by what may lie between two packets that are kept.
        while end < number {
            guard let packet = packets.first else {
                conceal(Int(number - end), next: nil)
                continue
            }
            let count = length(packet)
            if packet.start + Int64(count) <= end {
                drop(packet, Double(end))
                continue
            }
            let gap = packet.start - end
            if gap > 0 {
                // The redundancy in a packet tells of the one before it; what lies further back is concealed.
                if gap <= Int64(count) {
                    conceal(Int(gap), next: packet)
                } else {
                    conceal(Int(min(gap - Int64(count), max(480, number - end))), next: nil)
                }
                continue
            }
            packets.removeFirst()
            append(packet, skipping: Int(-gap))
        }
    }

    private mutating func append(_ packet: SoundPacket, skipping: Int) {
        // What was concealed beyond the need, to a whole piece, is no lateness.
        if skipping > 0 { report.lateBySamples = max(report.lateBySamples, asked - packet.start) }
        let wasWhole = concealed == 0
        let before = end
        let decoded: [Float]
        do throws(OpusError) {
            decoded = try packet.payload.withBytes { bytes throws(OpusError) in try decoder.decode(bytes) { Array($0) }
            }
        } catch {
            report.corrupt += 1
            return
        }
        packetSamples = decoded.count / 2
        guard decoded.count > 2 * skipping else { return }
        samples.append(contentsOf: decoded[(2 * skipping)...])
        concealed = 0
        silentFrom = end
        if !wasWhole || skipping > 0 { join(at: before) }
    }

    /// Makes up for samples that are not there: by the decoder for 60 ms, dying away, then silence.
    private mutating func conceal(_ count: Int, next: SoundPacket?) {
        let before = end
        if concealed < Self.concealedAtMost || next != nil {
            // Redundancy comes in pieces of 2.5 ms; made up from nothing, pieces of another length than 10 ms don't join.
            let wanted =
                next == nil
                ? min((count + 479) / 480 * 480, Self.concealedAtMost - concealed)
                : min((count + 119) / 120 * 120, OpusDecoder.maximumSamples)
            let made = makeUp(wanted, next: next, keeping: next == nil ? wanted : count)
            if made > 0 {
                if next == nil { report.concealed += made } else { report.recovered += made }
                let from = concealed
                concealed = min(Self.concealedAtMost, concealed + made)
                let hasData = next != nil
                if !hasData {
                    for index in 0..<made {
                        let gain = Self.fall(from + index, Self.concealedAtMost)
                        samples[samples.count - 2 * (made - index)] *= gain
                        samples[samples.count - 2 * (made - index) + 1] *= gain
                    }
                }
                silentFrom = end
                join(at: before)
                return
            }
            concealed = Self.concealedAtMost
        }
        report.silent += count
        samples.append(contentsOf: repeatElement(0, count: 2 * count))
        join(at: before)
    }

    private mutating func makeUp(_ count: Int, next: SoundPacket?, keeping: Int) -> Int {
        let decoded: [Float]
        do throws(OpusError) {
            if let next {
                decoded = try next.payload.withBytes { bytes throws(OpusError) in
                    try decoder.conceal(samples: count, next: bytes) { Array($0) }
                }
            } else {
                decoded = try decoder.conceal(samples: count, next: nil) { Array($0) }
            }
        } catch {
            return 0
        }
        let kept = min(keeping, decoded.count / 2)
        samples.append(contentsOf: decoded[(decoded.count - 2 * kept)...])
        return kept
    }

    /// Spreads the step between a sample and the one before it over 5 ms.
    private mutating func join(at number: Int64) {
        let at = Int(number - base)
        guard at >= 0, at < samples.count / 2 else { return }
        for channel in 0...1 {
            let before = at > 0 ? samples[2 * (at - 1) + channel] : 0
            let delta = before - samples[2 * at + channel]
            guard abs(delta) > 1e-6 else { continue }
            for index in 0..<min(Self.spread, samples.count / 2 - at) {
                samples[2 * (at + index) + channel] += delta * Self.fall(index, Self.spread)
            }
        }
    }

    /// From 1 to 0 without a corner.
    private static func fall(_ index: Int, _ count: Int) -> Float {
        guard index < count else { return 0 }
        let rest = 1 - Float(index) / Float(count)
        return rest * rest * (3 - 2 * rest)
    }

    private mutating func trim() {
        let keep = Int64(position) - Int64(Self.history)
        // In steps, so that the rest is moved seldom.
        guard keep - base > Int64(Self.history) else { return }
        let first = min(keep, end)
        samples.removeFirst(2 * Int(first - base))
        base = first
    }

    private func render(from start: Double, step: Double, into out: UnsafeMutableBufferPointer<Float>) {
        let isWhole = step == 1 && start == start.rounded(.down)
        for index in 0..<Self.blockSamples {
            let at = start + step * Double(index)
            for channel in 0...1 {
                out[2 * index + channel] =
                    isWhole ? sample(Int64(at), channel) : Self.interpolate(samples, base, at, channel)
            }
        }
    }

    /// Reads between samples by Catmull and Rom's cubic.
    private static func interpolate(_ samples: [Float], _ base: Int64, _ at: Double, _ channel: Int) -> Float {
        let whole = at.rounded(.down), t = Float(at - whole)
        let index = Int(Int64(whole) - base), count = samples.count / 2
        func value(_ offset: Int) -> Float {
            let number = index + offset
            return number >= 0 && number < count ? samples[2 * number + channel] : 0
        }
        let a = value(-1), b = value(0), c = value(1), d = value(2)
        return b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    }
}
