import Media
import Testing

@testable import Compositor

@Suite("The overload ladder of the encoder")
struct EncoderLadderTests {
    /// An encoder in virtual time: 30 pictures a second, each takes what it is told.
    private struct Encoder {
        var ladder: EncoderLadder
        var now = MonotonicTime(nanoseconds: 1_000_000_000)
        var changes = 0

        init(_ preset: X264Settings.Preset = .veryfast) {
            ladder = EncoderLadder(preset: preset, frameRate: FrameRate(30))
        }

        /// Runs for a time; an IDR each two seconds lets a new preset take hold.
        mutating func run(seconds: Int, milliseconds: Int64, waiting: Int = 0) {
            for frame in 0..<(seconds * 30) {
                if frame.isMultiple(of: 60) { ladder.opened() }
                now = now.advanced(byMilliseconds: frame % 3 == 0 ? 34 : 33)
                if ladder.note(nanoseconds: milliseconds * 1_000_000, waiting: waiting, at: now) { changes += 1 }
            }
        }
    }

    @Test("nothing is given up while there is room")
    func room() {
        var encoder = Encoder()
        encoder.run(seconds: 600, milliseconds: 20)
        #expect(encoder.changes == 0)
        #expect(encoder.ladder.rung == .init(preset: .veryfast, isRelieved: false, leavesOut: false))
    }

    @Test("three seconds of too much work cost a preset: at once in part, whole at the next IDR")
    func down() {
        var encoder = Encoder()
        encoder.run(seconds: 2, milliseconds: 26)
        #expect(encoder.ladder.step == 0)
        encoder.run(seconds: 2, milliseconds: 26)
        #expect(encoder.ladder.rung == .init(preset: .superfast, isRelieved: true, leavesOut: false))
        encoder.ladder.opened()
        #expect(encoder.ladder.rung == .init(preset: .superfast, isRelieved: false, leavesOut: false))
    }

    @Test("a pile of pictures is no time to measure in")
    func pile() {
        var encoder = Encoder()
        _ = encoder.ladder.note(nanoseconds: 1_000_000, waiting: 4, at: encoder.now)
        #expect(encoder.ladder.rung == .init(preset: .superfast, isRelieved: true, leavesOut: false))
        // One step is given the time to show.
        encoder.now = encoder.now.advanced(byMilliseconds: 1500)
        _ = encoder.ladder.note(nanoseconds: 1_000_000, waiting: 9, at: encoder.now)
        #expect(encoder.ladder.step == 1)
    }

    @Test("at the end every second picture is left out, and nothing more")
    func end() {
        var encoder = Encoder()
        encoder.run(seconds: 60, milliseconds: 60, waiting: 12)
        #expect(encoder.ladder.rung == .init(preset: .ultrafast, isRelieved: false, leavesOut: true))
        #expect(encoder.changes == 3)
    }

    @Test("after a minute with room it goes up a step, and so on to the top")
    func up() {
        var encoder = Encoder()
        encoder.run(seconds: 60, milliseconds: 60, waiting: 12)
        encoder.run(seconds: 5, milliseconds: 8)
        #expect(encoder.ladder.step == 3)
        // Pictures are left out for as short a time as possible.
        encoder.run(seconds: 6, milliseconds: 8)
        #expect(encoder.ladder.step == 2)
        encoder.run(seconds: 55, milliseconds: 8)
        #expect(encoder.ladder.step == 2)
        encoder.run(seconds: 150, milliseconds: 8)
        #expect(encoder.ladder.step == 0)
        #expect(encoder.ladder.rung == .init(preset: .veryfast, isRelieved: false, leavesOut: false))
    }

    @Test("a step up that was too early makes the next one wait twice as long")
    func patience() {
        var encoder = Encoder()
        var tries: [Int] = []
        encoder.run(seconds: 4, milliseconds: 26)
        for second in 0..<2000 {
            let before = encoder.ladder.step
            // Superfast has room, veryfast has not.
            encoder.run(seconds: 1, milliseconds: encoder.ladder.step == 0 ? 28 : 10)
            if encoder.ladder.step < before { tries.append(second) }
        }
        let waits = zip(tries, tries.dropFirst()).map { $1 - $0 }
        #expect(tries.count >= 4 && tries.count <= 7)
        #expect(zip(waits, waits.dropFirst()).allSatisfy { $1 > $0 + $0 / 2 })
    }

    @Test("however often it was too early, pictures are left out for half a minute at most before the next try")
    func leftOutForShort() {
        var encoder = Encoder(), since = 0, longest = 0
        for _ in 0..<600 {
            let isOut = encoder.ladder.rung.leavesOut
            // Nothing but leaving out helps.
            encoder.run(seconds: 1, milliseconds: isOut ? 10 : 60)
            since = isOut && encoder.ladder.rung.leavesOut ? since + 1 : 0
            longest = max(longest, since)
        }
        #expect((12...30).contains(longest))
    }
}
