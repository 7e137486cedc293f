// What somebody's audio levels of the last second were: pure, in the times that it is told.

import Media

/// The loudness of one microphone's last second, in frames of 20 ms.
///
/// Loudness goes from 0, which is silence, to 127, which is as loud as it gets: 127 minus the level of RFC 6464.
struct SpeechActivity: Sendable {
    static let frameMs: Int64 = 20
    static let frames = 50, framesOfMedium = 5
    /// A packet speaks for the time since the one before, up to so long; longer than that nothing was said.
    static let holdMs: Int64 = 120
    /// Loudness in one of 13 steps, each of so many dB.
    static let step = 10
    /// A frame above this step is loud, and of a tenth of a second more than so many frames must be.
    static let loudStep: UInt8 = 7, loudFrames = 4
    /// After so many frames the floor follows the quietest of them.
    static let floorFrames = 750

    private var ring = [UInt8](repeating: 0, count: frames)
    /// The place of the newest frame.
    private var newest = frames - 1
    /// Until when the ring tells.
    private var until: MonotonicTime?
    /// A noise that is always there is silence.
    private var floor: UInt8 = 0, quietest: UInt8 = 127, noted = 0

    /// Forgets everything but the floor.
    mutating func reset() {
        for index in ring.indices { ring[index] = 0 }
        until = nil
    }

    /// Takes note of a packet.
    mutating func note(loudness: UInt8, now: MonotonicTime) {
        let value = step(of: min(loudness, 127))
        guard let until else {
            self.until = now
            return push(value)
        }
        let lag = now.milliseconds(since: until)
        // Packets in a bunch speak for one frame.
        guard lag >= Self.frameMs / 2 else {
            ring[newest] = max(ring[newest], value)
            return
        }
        guard lag <= Self.holdMs else {
            silence(lag - Self.frameMs)
            self.until = now
            return push(value)
        }
        let count = max(1, (lag + Self.frameMs / 2) / Self.frameMs)
        for _ in 0..<count { push(value) }
        self.until = until.advanced(byMilliseconds: count * Self.frameMs)
    }

    /// Lets time pass for somebody who sends nothing.
    mutating func settle(now: MonotonicTime) {
        guard let until else { return }
        let lag = now.milliseconds(since: until)
        guard lag > Self.holdMs else { return }
        silence(lag)
        self.until = now
    }

    /// The scores of now.
    func scores() -> SpeechScores {
        var loud = 0, longs = 0, medium = 0
        for age in 0..<Self.frames {
            let place = newest - age
            if ring[place < 0 ? place + Self.frames : place] > Self.loudStep { loud += 1 }
            guard (age + 1) % Self.framesOfMedium == 0 else { continue }
            if age < Self.framesOfMedium { medium = loud }
            if loud > Self.loudFrames { longs += 1 }
            loud = 0
        }
        return SpeechScores(
            immediate: SpeechScore.immediate[Int(ring[newest])], medium: SpeechScore.medium[medium],
            long: SpeechScore.long[longs])
    }

    private mutating func push(_ value: UInt8) {
        newest = newest + 1 == Self.frames ? 0 : newest + 1
        ring[newest] = value
    }

    private mutating func silence(_ milliseconds: Int64) {
        for _ in 0..<min(Int64(Self.frames), milliseconds / Self.frameMs) { push(0) }
    }

    private mutating func step(of loudness: UInt8) -> UInt8 {
        quietest = min(quietest, loudness)
        noted += 1
        if noted == Self.floorFrames {
            floor = UInt8((Int(floor) + Int(quietest)) / 2)
            quietest = 127
            noted = 0
        }
        guard Int(loudness) > Int(floor) + Self.step else { return 0 }
        return UInt8(Int(loudness) / Self.step)
    }
}
