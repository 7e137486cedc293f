// From Opus packets in any order to samples without a hole: decoded, recovered, made up, or silent.

import Media

/// A packet of sound that waits.
struct SoundPacket: Sendable {
    /// Its first sample's number on the track: the RTP timestamp without its wraps.
    var start: Int64
    var payload: ByteBlock
}

/// What happened to a track's sound.
struct SoundReport: Sendable {
    var late = 0, corrupt = 0, concealed = 0, recovered = 0, comfort = 0, silent = 0, jumps = 0, splices = 0,
        overflow = 0
    /// By how many samples the latest of the late packets came too late.
    var lateBySamples: Int64 = 0
}

/// Decodes when samples are asked for, so that what is missing then is made up by the decoder itself.
///
/// A lost packet is taken from the redundancy in the next one, when that is there and has any; otherwise the decoder conceals
/// it for 60 ms, dying away, then it is silent. A sender that pauses by discontinuous transmission (RFC 6716 §2.1.9) has lost
/// nothing: the decoder's comfort noise goes on for as long as such a pause lasts. Wherever two pieces meet, the step
/// between them is spread over 5 ms.
struct SoundFeed: ~Copyable {
    /// Packets that may wait.
    static let maximumPackets = 100
    /// How long is concealed, and how long comfort noise may last: encoders send a packet every 400 ms of it.
    static let concealedAtMost = 2880, comfortAtMost = 24_000

    private var decoder: OpusDecoder
    private(set) var packets: [SoundPacket] = []
    private var packetSamples = 960
    /// How much was made up since the last packet.
    private var made = SoundFeed.concealedAtMost
    private var isPausing = false, wasRecovered = false
    /// The first sample that no block has needed yet.
    private var asked: Int64 = 0
    private var budget: Int { isPausing ? Self.comfortAtMost : Self.concealedAtMost }

    var strip = SoundStrip()
    var report = SoundReport()
    /// The first sample from which on everything decoded is silence.
    private(set) var silentFrom: Int64 = 0

    init() throws(OpusError) { decoder = try OpusDecoder() }

    /// Whether nothing but silence follows what is decoded.
    var isExhausted: Bool { made >= budget && packets.isEmpty }

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

    /// Lets go of packets that lie wholly before a sample.
    mutating func dropPackets(before number: Int64) {
        while let first = packets.first, first.start + Int64(length(first)) <= number { drop(first, number) }
    }

    /// Goes on from another sample, from silence.
    mutating func restart(at start: Int64) {
        asked = start
        strip.restart(at: start)
        silentFrom = start
        made = Self.concealedAtMost
        isPausing = false
    }

    /// Decodes, or makes up, everything before a sample.
    mutating func provide(through number: Int64) {
        asked = max(asked, number)
        // Bounded by the block's length and by what may lie between two packets that are kept.
        while strip.end < number {
            guard let packet = packets.first else {
                conceal(Int(number - strip.end))
                continue
            }
            let count = length(packet)
            if packet.start + Int64(count) <= strip.end {
                drop(packet, strip.end)
                continue
            }
            let gap = packet.start - strip.end
            if gap <= 0 {
                packets.removeFirst()
                append(packet, skipping: Int(-gap))
            } else if gap > Int64(count) {
                // The redundancy in a packet tells of the one before it; what lies further back is concealed.
                conceal(Int(min(gap - Int64(count), max(480, number - strip.end))))
            } else if !recover(Int(gap), from: packet, count) {
                conceal(Int(gap))
            }
        }
    }

    private func length(_ packet: SoundPacket) -> Int {
        packet.payload.withBytes { OpusDecoder.sampleCount($0) } ?? packetSamples
    }

    private mutating func drop(_ packet: SoundPacket, _ wanted: Int64) {
        report.late += 1
        report.lateBySamples = max(report.lateBySamples, wanted - packet.start)
        packets.removeFirst()
    }

    private mutating func append(_ packet: SoundPacket, skipping: Int) {
        // What was concealed beyond the need, to a whole piece, is no lateness.
        if skipping > 0 { report.lateBySamples = max(report.lateBySamples, asked - packet.start) }
        let isWhole = made == 0 && skipping == 0 && !wasRecovered, before = strip.end
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
        isPausing = packet.payload.count <= OpusDecoder.pauseBytes
        strip.append(decoded[(2 * skipping)...])
        made = 0
        wasRecovered = false
        silentFrom = strip.end
        if !isWhole { strip.join(at: before) }
    }

    /// Takes the end of what was lost from the redundancy in the packet after it.
    private mutating func recover(_ count: Int, from next: SoundPacket, _ length: Int) -> Bool {
        guard next.payload.withBytes({ OpusDecoder.hasRedundancy($0) }) else { return false }
        let before = strip.end
        let decoded: [Float]
        do throws(OpusError) {
            // Redundancy is decoded in whole packets; of one whose begin was concealed the end is taken.
            decoded = try next.payload.withBytes { bytes throws(OpusError) in
                try decoder.conceal(samples: length, next: bytes) { Array($0) }
            }
        } catch {
            return false
        }
        guard decoded.count >= 2 * count else { return false }
        strip.append(decoded[(decoded.count - 2 * count)...])
        report.recovered += count
        silentFrom = strip.end
        made = 0
        wasRecovered = true
        isPausing = false
        strip.join(at: before)
        return true
    }

    /// Makes up for samples of which nothing is known.
    private mutating func conceal(_ count: Int) {
        let before = strip.end
        // Pieces of another length than 10 ms don't join.
        let wanted = min((count + 479) / 480 * 480, budget - made)
        if wanted > 0, let decoded = try? decoder.conceal(samples: wanted, next: nil, { Array($0) }), !decoded.isEmpty {
            strip.append(decoded)
            let new = decoded.count / 2
            if isPausing {
                report.comfort += new
            } else {
                report.concealed += new
                strip.fade(last: new, from: made, of: Self.concealedAtMost)
            }
            made += new
            silentFrom = strip.end
        } else {
            made = budget
            report.silent += count
            strip.appendSilence(count)
        }
        strip.join(at: before)
    }
}
