// RTCP messages: round trips, known bytes, hostile bytes.

import Media
import Testing

@testable import RTC

@Suite("RTCP")
struct RTCPTests {
    static let block = RTCPReportBlock(
        ssrc: 7, fractionLost: 12, totalLost: -3, highestSequence: 70_000, jitter: 55, lastSenderReport: 0x1234_5678,
        delaySinceLastSenderReport: 65536)
    static let packets: [RTCPPacket] = [
        .senderReport(
            .init(ssrc: 1, ntp: 0xE000_0000_8000_0000, rtpTimestamp: 90, packets: 4, bytes: 5, blocks: [block])),
        .receiverReport(.init(ssrc: 2, blocks: [block, block])),
        .sourceDescription(.init(chunks: [.init(ssrc: 1, cname: "anna"), .init(ssrc: 2, cname: "b")])),
        .goodbye(.init(sources: [1, 2, 3])),
        .nack(.init(sender: 1, media: 2, lost: [65534, 65535, 0, 15, 16, 40])),
        .pictureLoss(.init(sender: 1, media: 2)),
        .fullIntraRequest(.init(sender: 1, entries: [.init(ssrc: 9, sequence: 3)])),
        .bitrateEstimate(.init(sender: 1, bitsPerSecond: 2_500_000 & ~0xF, sources: [4, 5])),
        .bitrateLimit(
            .init(
                sender: 1,
                entries: [
                    .init(ssrc: 4, bitsPerSecond: 0), .init(ssrc: 5, bitsPerSecond: 0x1_FFFF << 47, overhead: 511),
                ])),
        .transportFeedback(
            .init(sender: 1, media: 2, base: 65_535, reference: 77, count: 3, arrivals: [0, 4, .min, 900, 800])),
        .extendedReport(
            .init(
                ssrc: 3, reference: 0xE000_0000_8000_0001,
                delays: [
                    .init(ssrc: 1, reference: 0x1234_5678, delay: 65_536), .init(ssrc: 9, reference: 1, delay: 0),
                ])),
    ]

    @Test("a compound of every message is read as it was written")
    func roundTrip() {
        let bytes = RTCPPacket.write(Self.packets)
        #expect(bytes.count % 4 == 0)
        #expect(bytes.withUnsafeBytes { RTCPPacket.parse($0) } == Self.packets)
    }

    @Test("a picture loss indication has the bytes of RFC 4585")
    func pictureLossBytes() {
        #expect(
            RTCPPacket.write([.pictureLoss(.init(sender: 0x1122_3344, media: 0x5566_7788))])
                == hex("81CE0002 11223344 55667788"))
    }

    @Test("a NACK packs 17 numbers into one word")
    func nackWords() {
        let bytes = RTCPPacket.write([.nack(.init(sender: 1, media: 2, lost: (100...116).map { UInt16($0) }))])
        #expect(bytes == hex("81CD0003 00000001 00000002 0064FFFF"))
    }

    @Test("a reference time and its answer have the bytes of RFC 3611, and blocks of other kinds are stepped over")
    func extendedReportBytes() {
        #expect(
            RTCPPacket.write([.extendedReport(.init(ssrc: 0x1122_3344, reference: 0xE001_0203_8005_0607))])
                == hex("80CF0004 11223344 04000002 E0010203 80050607"))
        let answer = hex("80CF0007 55667788 07000001 AABBCCDD 05000003 11223344 02038005 00010000")
        let read = answer.withUnsafeBytes { RTCPPacket.parse($0) }
        #expect(
            read == [
                .extendedReport(
                    .init(
                        ssrc: 0x5566_7788, delays: [.init(ssrc: 0x1122_3344, reference: 0x0203_8005, delay: 65_536)]))
            ])
        for damaged in [
            "80CF0002 55667788 05000003", "80CF0003 55667788 04000001 E0010203", "80CF0001 55667788",
            "80CF0002 55667788 05000000",
        ] { #expect(hex(damaged).withUnsafeBytes { RTCPPacket.parse($0) }.isEmpty, "\(damaged)") }
    }

    @Test("a bound of a bit rate has the bytes of RFC 5104, and one that is no number is left out")
    func bitrateLimitBytes() {
        let message = RTCPPacket.bitrateLimit(
            .init(sender: 0x1122_3344, entries: [.init(ssrc: 0x5566_7788, bitsPerSecond: 600_000)]))
        // 600000 is 75000 shifted by 3; then 40 bytes of overhead.
        let bytes = hex("83CD0004 11223344 00000000 55667788 0E49F028")
        #expect(RTCPPacket.write([message]) == bytes)
        #expect(bytes.withUnsafeBytes { RTCPPacket.parse($0) } == [message])
        let tooLarge = hex("83CD0006 00000001 00000000 00000002 C3FFFE00 00000003 FC000000")
        #expect(
            tooLarge.withUnsafeBytes { RTCPPacket.parse($0) } == [
                .bitrateLimit(.init(sender: 1, entries: [.init(ssrc: 3, bitsPerSecond: 0, overhead: 0)]))
            ])
    }

    @Test("a full intra request has the bytes of RFC 5104, and what is reserved in it says nothing")
    func fullIntraRequestBytes() {
        let message = RTCPPacket.fullIntraRequest(
            .init(sender: 0x1122_3344, entries: [.init(ssrc: 0x5566_7788, sequence: 7)]))
        #expect(RTCPPacket.write([message]) == hex("84CE0004 11223344 00000000 55667788 07000000"))
        #expect(
            hex("84CE0004 11223344 99999999 55667788 07ABCDEF").withUnsafeBytes { RTCPPacket.parse($0) } == [message])
    }

    @Test("feedback of several sources is read up to 32 of them, half of one is none", arguments: ["83CD", "84CE"])
    func severalSources(kind: String) {
        func read(_ words: Int) -> [UInt32]? {
            let body = (0..<words).map { $0 == 1 ? 0 : UInt32($0) << 16 }
            let message = hex(kind) + [UInt8(words >> 8), UInt8(words & 0xFF)]
            let bytes =
                message + body.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> (24 - 8 * $0)) } }
            return bytes.withUnsafeBytes { RTCPPacket.parse($0) }.first.map { packet in
                switch packet {
                case .bitrateLimit(let limit): limit.entries.map(\.ssrc)
                case .fullIntraRequest(let request): request.entries.map(\.ssrc)
                default: []
                }
            }
        }
        let sources = (0..<32).map { UInt32(2 + 2 * $0) << 16 }
        #expect(read(1) == nil && read(2) == [] && read(3) == [])
        #expect(read(2 + 2 * 2) == Array(sources.prefix(2)) && read(2 + 2 * 2 + 1) == Array(sources.prefix(2)))
        #expect(read(2 + 2 * 32) == sources && read(2 + 2 * 40) == sources)
    }

    @Test("unknown and damaged messages are stepped over, a wrong length ends the packet")
    func damaged() {
        let good = RTCPPacket.write([.pictureLoss(.init(sender: 1, media: 2))])
        let unknown = hex("80D10001 00000001"), short = hex("81C80001 00000001"), tooLong = hex("81CE00FF 00000001")
        #expect((unknown + short + good).withUnsafeBytes { RTCPPacket.parse($0) }.count == 1)
        #expect((good + tooLong + good).withUnsafeBytes { RTCPPacket.parse($0) }.count == 1)
    }

    @Test("hostile compounds never trap")
    func hostile() {
        var seen = 0
        attack(Self.packets.map { RTCPPacket.write([$0]) } + [RTCPPacket.write(Self.packets)]) { bytes in
            seen += bytes.withUnsafeBytes { RTCPPacket.parse($0) }.count
        }
        #expect(seen > 1000)
    }

    @Test("NTP time and Unix time agree")
    func ntp() {
        let moment: Int64 = 1_795_224_615_250_000_000
        let back = NTPTime.unixNanoseconds(NTPTime.from(unixNanoseconds: moment))
        #expect(abs(back - moment) <= 1)
        #expect(NTPTime.from(unixNanoseconds: 0) == 2_208_988_800 << 32)
    }

    @Test("statistics report loss over the interval and the delay since the sender report")
    func statistics() throws {
        var statistics = ReceiveStatistics(clockRate: 90_000)
        for sequence in Int64(100)..<200 where sequence % 4 != 0 {
            statistics.note(
                sequence: sequence, timestamp: UInt32(sequence * 3000), now: MonotonicTime(milliseconds: sequence * 33))
        }
        statistics.note(senderReport: 0x0001_2345_6789_0000, now: MonotonicTime(milliseconds: 7000))
        let firstReport = statistics.report(ssrc: 5, now: MonotonicTime(milliseconds: 7500))
        let first = try #require(firstReport)
        #expect(first.totalLost == 24 && (60...64).contains(first.fractionLost))
        #expect(first.highestSequence == 199 && first.lastSenderReport == 0x2345_6789)
        #expect(first.delaySinceLastSenderReport == 32768)
        #expect(first.jitter < 90)
        let secondReport = statistics.report(ssrc: 5, now: MonotonicTime(milliseconds: 8000))
        let second = try #require(secondReport)
        #expect(second.fractionLost == 0)
    }

    @Test("missing packets are asked for at once, every round trip, then less and less often, and given up after 3 s")
    func nackGenerator() {
        var generator = NackGenerator()
        var now = MonotonicTime(milliseconds: 0)
        #expect(generator.note(65_534, now: now) == true)
        #expect(generator.note(65_538, now: now) == true)
        #expect(generator.due(now: now, roundTripMs: 20) == [65535, 0, 1])
        #expect(generator.due(now: now.advanced(byMilliseconds: 39), roundTripMs: 20) == [])
        #expect(generator.note(65_536, now: now) == true)
        #expect(generator.recovered == 1)
        var asked: [Int64] = []
        while generator.missingCount > 0, now.milliseconds < 10_000 {
            now = now.advanced(byMilliseconds: 5)
            let lost = generator.due(now: now, roundTripMs: 20)
            if !lost.isEmpty { asked.append(now.milliseconds) }
            #expect(lost.isEmpty || lost == [65535, 1])
        }
        #expect(asked == (1...10).map { $0 * 40 } + [600, 900, 1350, 2025])
        #expect(now.milliseconds == 3040 && generator.abandoned == 2)
        #expect(generator.note(80_000, now: now) == false)
    }

    @Test("of a way of 300 ms a packet is asked for ten times, and not when the repeat would come after 3 s")
    func nackGeneratorFarAway() {
        var generator = NackGenerator(), asked: [Int64] = []
        _ = generator.note(1, now: MonotonicTime(milliseconds: 0))
        _ = generator.note(3, now: MonotonicTime(milliseconds: 0))
        for time in 0...5000 where !generator.due(now: .init(milliseconds: Int64(time)), roundTripMs: 300).isEmpty {
            asked.append(Int64(time))
        }
        #expect(asked == (0..<10).map { $0 * 300 } && generator.missingCount == 0 && generator.abandoned == 1)
        // However long the way, each is asked for once.
        _ = generator.note(5, now: MonotonicTime(milliseconds: 6000))
        #expect(generator.due(now: MonotonicTime(milliseconds: 6000), roundTripMs: 9000) == [4])
        #expect(generator.due(now: MonotonicTime(milliseconds: 15_000), roundTripMs: 9000) == [])
        #expect(generator.missingCount == 0)
    }

    @Test("what a key frame makes needless is not asked for, nor what nobody keeps any more")
    func nackGeneratorForgets() {
        var generator = NackGenerator()
        let now = MonotonicTime(milliseconds: 0)
        for sequence in [10, 12, 14, 16] as [Int64] { _ = generator.note(sequence, now: now) }
        generator.forget(before: 14)
        #expect(generator.due(now: now, roundTripMs: 20) == [15] && generator.abandoned == 2)
        for sequence in 17...1015 as ClosedRange<Int64> { _ = generator.note(sequence, now: now) }
        let later = now.advanced(byMilliseconds: 40)
        #expect(generator.due(now: later, roundTripMs: 20) == [15])
        _ = generator.note(1016, now: now)
        #expect(generator.due(now: later.advanced(byMilliseconds: 40), roundTripMs: 20) == [])
        #expect(generator.missingCount == 0 && generator.abandoned == 3)
    }
}
