// The capture time of packets: its two lengths, its offset, and what is no such thing.

import Testing

@testable import RTC

@Suite("Capture time")
struct CaptureTimeTests {
    private func read(_ bytes: [UInt8]) -> CaptureTime? { bytes.withUnsafeBytes { CaptureTime($0) } }

    @Test("has a moment of the capturer's clock, and an offset to the sender's where that is known")
    func reads() throws {
        // 2026-11-22 08:00:00.5 UTC, and a quarter of a second before.
        let moment: [UInt8] = [0xEE, 0xAD, 0x1F, 0x80, 0x80, 0, 0, 0]
        let short = try #require(read(moment))
        #expect(short.offset == nil && short.ntp == 0xEEAD_1F80_8000_0000)
        #expect(short.unixNanoseconds == (0xEEAD_1F80 - 2_208_988_800) * 1_000_000_000 + 500_000_000)
        let long = try #require(read(moment + [0xFF, 0xFF, 0xFF, 0xFF, 0xC0, 0, 0, 0]))
        #expect(long.offset == -(1 << 30))
        #expect(long.unixNanoseconds == short.unixNanoseconds - 250_000_000)
    }

    @Test("the time of sending has 18 bits below a second and six above, and wraps")
    func sendTime() {
        #expect(SendTime.value(nanoseconds: 0) == 0 && SendTime.value(nanoseconds: 1_000_000_000) == 1 << 18)
        #expect(SendTime.value(nanoseconds: 63_500_000_000) == 63 << 18 | 1 << 17)
        #expect(SendTime.value(nanoseconds: 64_000_000_000) == 0)
        #expect(SendTime.value(nanoseconds: .max) <= 0xFF_FFFF && SendTime.value(nanoseconds: -1) <= 0xFF_FFFF)
        var bytes = [UInt8](repeating: 0xAA, count: 4)
        #expect(bytes.withUnsafeMutableBytes { SendTime.write(nanoseconds: 1_500_000_000, to: $0) })
        #expect(bytes == [0x06, 0x00, 0x00, 0xAA])
        #expect(!bytes.withUnsafeMutableBytes { SendTime.write(nanoseconds: 1, to: .init(rebasing: $0[..<2])) })
    }

    @Test("of another length is none")
    func lengths() {
        for count in 0...20 where count != 8 && count != 16 { #expect(read(Array(repeating: 1, count: count)) == nil) }
    }

    @Test("is written as our own: with an offset of zero, and to the nanosecond or so")
    func writes() throws {
        var bytes = [UInt8](repeating: 0xAA, count: 16)
        for moment: Int64 in [0, 1, -1, 1_795_334_400_123_456_789, .max / 2] {
            let isWritten = bytes.withUnsafeMutableBytes { CaptureTime.write(unixNanoseconds: moment, to: $0) }
            #expect(isWritten)
            let again = try #require(read(bytes))
            #expect(again.offset == 0)
            if moment < 2_000_000_000_000_000_000 { #expect(abs(again.unixNanoseconds - moment) <= 1) }
        }
        var few = [UInt8](repeating: 0, count: 15)
        let isWritten = few.withUnsafeMutableBytes { CaptureTime.write(unixNanoseconds: 0, to: $0) }
        #expect(!isWritten)
    }
}
