// Bits per second over a window, beside a list of all that was counted.

import Testing

@testable import RTC

@Suite("Rates over a window")
struct RateMeterTests {
    @Test(
        "what was counted in the last ten slots counts, however times come: close, apart, back, and before zero",
        arguments: [0, -7_000_000_000, 1 << 60], [500, 1000, 2000])
    func model(start: Int64, windowMs: Int64) throws {
        var generator = SeededGenerator(UInt64(windowMs))
        var meter = RateMeter(windowMs: windowMs), counted: [(slot: Int64, bytes: Int)] = []
        let slotNanoseconds = windowMs * 100_000
        var time = start, newest: Int64?, first: Int64?
        for _ in 0..<5000 {
            switch Int.random(in: 0..<100, using: &generator) {
            case 0: time += Int64.random(in: 0..<3_000_000_000, using: &generator)
            case 1: time -= Int64.random(in: 0..<3_000_000_000, using: &generator)
            default: time += Int64.random(in: 0..<20_000_000, using: &generator)
            }
            let bytes = Int.random(in: 1..<1500, using: &generator)
            let (quotient, rest) = time.quotientAndRemainder(dividingBy: slotNanoseconds)
            let here = rest < 0 ? quotient - 1 : quotient
            meter.note(bytes, at: time)
            let latest = max(newest ?? here, here), begin = first ?? here
            (newest, first) = (latest, begin)
            if here > latest - 10 { counted.append((here, bytes)) }
            counted.removeAll { $0.slot <= latest - 10 }
            let seen = min(10, latest - begin + 1)
            let bits = Double(counted.reduce(0) { $0 + $1.bytes }) * 8e9
            let expected = seen < 5 ? nil : Int(bits / Double(seen * slotNanoseconds))
            #expect(meter.bitrate(at: latest * slotNanoseconds) == expected)
        }
    }

    @Test("after a window without anything it is nothing")
    func silence() {
        var meter = RateMeter(windowMs: 1000)
        for time in 0..<100 { meter.note(1000, at: Int64(time) * 10_000_000) }
        #expect(meter.bitrate(at: 990_000_000) == 800_000)
        #expect(meter.bitrate(at: 1_490_000_000) == 400_000)
        #expect(meter.bitrate(at: 2_000_000_000) == 0)
    }
}
