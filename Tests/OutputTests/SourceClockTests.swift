// A clock that is told, honest and hostile.

import Media
import Testing

@testable import Output

@Suite("The source's clock")
struct SourceClockTests {
    private let wall: Int64 = 1_767_225_600_000
    private let now = MonotonicTime(milliseconds: 5000)

    private func told(_ clock: inout SourceClock, _ milliseconds: Int64, pts: Int64 = 0, after: Int64 = 0) -> Bool {
        clock.told(
            ProgramTime(milliseconds: milliseconds), ptsMilliseconds: pts, at: now.advanced(byMilliseconds: after),
            wallMilliseconds: wall + after)
    }

    @Test("rounding of stamps moves nothing, and arrival in bursts does not step it")
    func mapping() {
        var clock = SourceClock()
        #expect(told(&clock, wall + 10_000, pts: 500))
        #expect(told(&clock, wall + 12_001, pts: 2500))
        #expect(clock.microseconds(ptsMicroseconds: 500_000) == (wall + 10_000) * 1000)
        clock.arrived((wall + 10_000) * 1000, at: MonotonicTime(milliseconds: 100))
        clock.arrived((wall + 10_100) * 1000, at: MonotonicTime(milliseconds: 700))
        #expect(clock.programTime(at: MonotonicTime(milliseconds: 1100))?.milliseconds == wall + 10_999)
        clock.streamEnded()
        #expect(clock.microseconds(ptsMicroseconds: 0) == nil)
        #expect(clock.programTime(at: MonotonicTime(milliseconds: 1100)) != nil)
    }

    @Test("the first clock is taken within an hour of the wall's, and no other")
    func wallBound() {
        for (time, isTaken) in [
            (wall, true), (wall + 3_600_000, true), (wall + 3_600_001, false), (wall - 3_600_001, false), (0, false),
            (Int64.max, false), (0x1F_FFFF_FFFF_FFFF, false),
        ] {
            var clock = SourceClock()
            #expect(told(&clock, time) == isTaken)
            #expect(clock.isTold == isTaken)
            #expect((clock.microseconds(ptsMicroseconds: 1000) == nil) != isTaken)
        }
    }

    @Test("a running clock is followed by one that is near, also after the stream has ended, and never thrown far")
    func runningBound() {
        var clock = SourceClock()
        #expect(told(&clock, wall))
        clock.arrived(wall * 1000, at: now)
        clock.streamEnded()
        #expect(!told(&clock, wall + 3000 + 10_001, after: 3000))
        #expect(!clock.isTold)
        #expect(!told(&clock, wall + 3000 - 10_001, after: 3000))
        #expect(told(&clock, wall + 3000, pts: 100, after: 3000))
        #expect(clock.microseconds(ptsMicroseconds: 100_000) == (wall + 3000) * 1000)
        // A jump in the middle of the stream leaves the mapping as it is.
        #expect(!told(&clock, wall + 600_000, pts: 200, after: 3100))
        #expect(clock.microseconds(ptsMicroseconds: 100_000) == (wall + 3000) * 1000)
        // Rounding is no change.
        #expect(told(&clock, wall + 3101, pts: 200, after: 3100))
        #expect(clock.microseconds(ptsMicroseconds: 100_000) == (wall + 3000) * 1000)
    }

    @Test("stamps that step forwards are seen sooner on a told clock; late ones may have waited")
    func steps() {
        var clock = SourceClock()
        #expect(told(&clock, wall))
        clock.arrived(wall * 1000, at: now)
        #expect(!clock.hasStepped(ptsMicroseconds: 9_000_000, at: now))
        #expect(clock.hasStepped(ptsMicroseconds: 11_000_000, at: now))
        #expect(!clock.hasStepped(ptsMicroseconds: -30_000_000, at: now))
        #expect(clock.hasStepped(ptsMicroseconds: -61_000_000, at: now))
        clock.streamEnded()
        clock.anchor(ProgramTime(milliseconds: wall), ptsMicroseconds: 0)
        #expect(!clock.hasStepped(ptsMicroseconds: 50_000_000, at: now))
        #expect(clock.hasStepped(ptsMicroseconds: 61_000_000, at: now))
    }
}
