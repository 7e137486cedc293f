// A publisher's clock, as sender reports tell it.

import Testing

@testable import SFU

@Suite("The capture clock")
struct CaptureClockTests {
    private let second: Int64 = 1_000_000_000

    @Test("late and repeated reports do not move it by more than a subscriber's crystal differs")
    func stays() throws {
        var clock = CaptureClock()
        clock.note(0, after: nil, at: 900_000_000)
        let first = try #require(clock.offset)
        var last: Int64 = 0, steps: [Int64] = []
        for index in 1...60 {
            let before = try #require(clock.offset)
            // Up to a second old, and for ten of them the same again.
            let theirs =
                (20..<30).contains(index) ? last : Int64(index) * second - Int64(index * 7919 % 1000) * 1_000_000
            clock.note(theirs, after: last, at: Int64(index) * second)
            if theirs == last { #expect(clock.offset == before) }
            last = theirs
            steps.append(try #require(clock.offset) - before)
        }
        #expect(steps.allSatisfy { abs($0) <= CaptureClock.slew })
        #expect(abs(try #require(clock.offset) - first) <= 60 * CaptureClock.slew)
    }

    @Test("how old something is is told by the quickest report, however late the first one came")
    func quickest() throws {
        var clock = CaptureClock(), last: Int64?
        let delays: [Int64] = [900, 300, 700, 40, 41, 800, 45]
        for (index, delay) in delays.enumerated() {
            let theirs = Int64(index) * second
            clock.note(theirs, after: last, at: theirs + delay * 1_000_000)
            last = theirs
        }
        #expect(abs(try #require(clock.quickest) - 40_000_000) <= 3 * CaptureClock.slew)
        #expect(try #require(clock.offset) > 890_000_000, "tracks lie to each other as before")
        // A clock that is set is followed by both.
        for index in 0..<3 {
            let theirs = 1_000_000 * second + Int64(index) * second
            clock.note(theirs, after: last, at: 10 * second + Int64(index) * second)
            last = theirs
        }
        #expect(abs(try #require(clock.quickest) - (10 - 1_000_000) * second) <= CaptureClock.slew * 3)
    }

    @Test("a clock that is 300 ppm fast is followed")
    func drift() throws {
        var clock = CaptureClock()
        for index in 0...7200 {
            let ours = Int64(index) * second
            clock.note(ours + ours / 1_000_000 * 300, after: nil, at: ours)
        }
        #expect(abs(try #require(clock.offset) + 7200 * 300_000) < 1_000_000)
    }

    @Test("a clock that was set is believed when a second report says the same")
    func set() {
        var clock = CaptureClock()
        clock.note(0, after: nil, at: 0)
        clock.note(61 * second, after: 0, at: second)
        #expect(clock.offset == 0)
        clock.note(62 * second, after: 61 * second, at: 2 * second)
        #expect(clock.offset == -60 * second)
        clock.note(Int64.min, after: 0, at: Int64.max)
        #expect(clock.offset == -60 * second)
    }
}
