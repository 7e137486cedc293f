// One track's sound, in blocks of 10 ms at the moments that the playout clock names.

import Media

/// Reads a track's samples at the sample that is due.
///
/// Small differences are made good by reading up to 0.5 % faster or slower, with a dead band of 2 ms; what outruns that by
/// leaving out, or saying twice, a piece of 5 to 15 ms that is like what follows it; more than 15 ms by a jump that
/// cross-fades.
struct SoundPlayer: ~Copyable {
    static let blockSamples = 480
    /// The decoded past that is kept for jumps back.
    static let history: Int64 = 24_000
    private static let deadBand = 96.0, spliceFrom = 480.0, jumpFrom = 720.0, fastest = 0.005

    private var feed: SoundFeed
    private var position = 0.0
    private var isPlaying = false, isCorrecting = false
    private var scratch = [Float](repeating: 0, count: 2 * SoundPlayer.blockSamples)

    init() throws(OpusError) { feed = try SoundFeed() }

    /// Takes a packet; they may come in any order.
    mutating func insert(_ packet: SoundPacket) { feed.insert(packet) }

    /// Returns what happened since the last call.
    mutating func takeReport() -> SoundReport {
        defer { feed.report = SoundReport() }
        return feed.report
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
            feed.dropPackets(before: Int64(wanted))
            guard let first = feed.packets.first, first.start < Int64(wanted) + Int64(Self.blockSamples) + 4 else {
                return false
            }
            isPlaying = true
            position = wanted
            feed.restart(at: Int64(wanted) - 2)
        }
        let step = correct(wanted)
        let last = position + step * Double(Self.blockSamples)
        feed.provide(through: Int64(last) + 4)
        feed.strip.read(from: position, step: step, into: out)
        position = last
        if Int64(position) - 2 >= feed.silentFrom, feed.isExhausted { isPlaying = false }
        feed.strip.trim(before: Int64(position), keeping: Self.history)
        return true
    }

    /// Returns how many samples to go for each that is put out; jumps where that would take too long.
    private mutating func correct(_ wanted: Double) -> Double {
        let error = wanted - position
        if abs(error) > Self.jumpFrom {
            feed.report.jumps += 1
            isCorrecting = false
            jump(to: wanted)
            return 1
        }
        if abs(error) > Self.spliceFrom {
            feed.report.splices += 1
            splice(by: error)
            return 1
        }
        if abs(error) > Self.deadBand { isCorrecting = true }
        if abs(error) < Self.deadBand / 8 { isCorrecting = false }
        guard isCorrecting else { return 1 }
        // Ten blocks would make it good; more than half a percent would be heard.
        return 1 + min(max(error / (10 * Double(Self.blockSamples)), -Self.fastest), Self.fastest)
    }

    /// Goes on about so many samples further, where it sounds the same.
    private mutating func splice(by error: Double) {
        let from = Int64(position), near = from + Int64(error)
        feed.provide(through: max(from, near) + Int64(Self.blockSamples) + 4)
        let place = SoundMatch.place(like: from, near: near) { feed.strip[$0, 0] + feed.strip[$0, 1] }
        jump(to: position + Double(place - from))
    }

    /// Goes on at another place; where both places are known, what is there now fades into what will be.
    private mutating func jump(to wanted: Double) {
        let old = position, before = Int64(old) - 1
        let start = Int64(wanted) - 2, target = Int64(wanted.rounded(.down))
        position = wanted
        // Too far ahead of everything, or behind all that is kept: begin anew there, with the step spread.
        if start < feed.strip.base || start > feed.strip.end + Self.history {
            let rest = [feed.strip[before, 0], feed.strip[before, 1]]
            feed.restart(at: start)
            feed.strip.append(rest)
            return
        }
        let known = min(Self.blockSamples, max(0, Int(feed.strip.end - Int64(old) - 3)))
        // What is written at whole numbers is read between them, as far behind each as the new place is.
        let shifted = old - (wanted - Double(target))
        for index in 0..<2 * known {
            scratch[index] = feed.strip.interpolate(shifted + Double(index / 2), index & 1)
        }
        let ahead = (0...1).map { feed.strip.interpolate(shifted - 1, $0) }
        feed.provide(through: Int64(wanted) + Int64(Self.blockSamples) + 4)
        guard known >= 48 else {
            for channel in 0...1 {
                feed.strip.lift(
                    from: target, by: feed.strip[before, channel] - feed.strip[target, channel], channel)
            }
            return
        }
        // The place that is read next is written over with the fade; it is in the past of all later reads.
        // Cubic reading looks one sample back, so that one is written too.
        for channel in 0...1 {
            feed.strip[target - 1, channel] = ahead[channel]
            for index in 0..<known {
                let number = target + Int64(index)
                let weight = Float(index + 1) / Float(known + 1)
                let was = scratch[2 * index + channel]
                feed.strip[number, channel] = was + (feed.strip[number, channel] - was) * weight
            }
        }
    }
}
