// RTP headers, their extensions, and unwrapping.

import Testing

@testable import RTC

@Suite("RTP")
struct RTPTests {
    @Test("a header with contributing sources, extension and padding is taken apart")
    func parse() throws {
        let bytes = hex(
            "B2E0 1234 00000064 AABBCCDD 00000001 00000002 BEDE0001 10420000 010203 000004".replacing(" ", with: ""))
        let header = try #require(bytes.withUnsafeBytes { RTPHeader($0) })
        #expect(header.marker && header.payloadType == 96 && header.sequenceNumber == 0x1234)
        #expect(header.timestamp == 100 && header.ssrc == 0xAABB_CCDD)
        #expect(header.payloadOffset == 28)
        #expect(bytes.withUnsafeBytes { header.payload(in: $0, length: bytes.count) } == 28..<30)
        let range = try #require(bytes.withUnsafeBytes { header.range(ofExtension: 1, in: $0) })
        #expect(Array(bytes[range]) == [0x42])
        #expect(bytes.withUnsafeBytes { header.range(ofExtension: 2, in: $0) } == nil)
    }

    @Test("two-byte extensions are found, an empty one too")
    func twoByteExtensions() throws {
        let bytes = hex("9060 0001 00000000 00000001 10000002 05 00 07 02 AABB 00 00 FF".replacing(" ", with: ""))
        let header = try #require(bytes.withUnsafeBytes { RTPHeader($0) })
        #expect(bytes.withUnsafeBytes { header.range(ofExtension: 5, in: $0) }?.count == 0)
        let range = try #require(bytes.withUnsafeBytes { header.range(ofExtension: 7, in: $0) })
        #expect(Array(bytes[range]) == [0xAA, 0xBB])
    }

    @Test("an element with id 15, or with id 0 and a length, ends the one-byte extensions", arguments: ["F0", "02"])
    func endOfElements(head: String) throws {
        try hex("9060 0001 00000002 00000003 BEDE 0002 10AA \(head)000000 90BB").withUnsafeBytes { bytes in
            let header = try #require(RTPHeader(bytes))
            #expect(header.range(ofExtension: 1, in: bytes).map { Array(bytes[$0]) } == [0xAA])
            #expect(header.range(ofExtension: 9, in: bytes) == nil)
        }
    }

    @Test("what is written is read back")
    func roundTrip() throws {
        var bytes = [UInt8](repeating: 0xEE, count: 64)
        let header = RTPHeader(payloadType: 111, sequenceNumber: 65535, timestamp: .max, ssrc: 7, marker: true)
        let offset: Int? = bytes.withUnsafeMutableBytes { raw in
            _ = header.write(to: raw, hasExtension: true)
            var writer = RTPExtensionWriter(raw, at: 12)
            [UInt8]([1, 2, 3]).withUnsafeBytes { writer.append(id: 4, $0) }
            [UInt8]([9]).withUnsafeBytes { writer.append(id: 5, $0) }
            return writer.finish()
        }
        #expect(offset == 24)
        let read = try #require(bytes.withUnsafeBytes { RTPHeader($0) })
        #expect(read.payloadType == 111 && read.sequenceNumber == 65535 && read.timestamp == .max && read.marker)
        #expect(read.payloadOffset == 24)
        let range = try #require(bytes.withUnsafeBytes { read.range(ofExtension: 4, in: $0) })
        #expect(Array(bytes[range]) == [1, 2, 3])
    }

    @Test("padding longer than the payload is refused")
    func badPadding() throws {
        let bytes = hex("A0600001 00000000 00000001 0105".replacing(" ", with: ""))
        let header = try #require(bytes.withUnsafeBytes { RTPHeader($0) })
        #expect(bytes.withUnsafeBytes { header.payload(in: $0, length: bytes.count) } == nil)
    }

    @Test("sequence numbers and timestamps unwrap over weeks")
    func unwrap() {
        var sequence = SequenceUnwrapper(), time = TimestampUnwrapper()
        var value: Int64 = 65_000, ticks: Int64 = 4_294_000_000
        for _ in 0..<200_000 {
            #expect(sequence.unwrap(UInt16(truncatingIfNeeded: value)) == value)
            #expect(time.unwrap(UInt32(truncatingIfNeeded: ticks)) == ticks)
            value += 7
            ticks += 900_000
        }
        #expect(sequence.unwrap(UInt16(truncatingIfNeeded: value - 100)) == value - 100)
        #expect(sequence.highest == value - 7)
    }

    @Test("hostile headers never trap")
    func hostile() {
        let seeds = [
            hex("B2E0123400000064AABBCCDD0000000100000002BEDE000110420000010203000004"),
            hex("90600001000000000000000110000002050007 02AABB0000FF"),
        ]
        attack(seeds) { bytes in
            bytes.withUnsafeBytes { raw in
                guard let header = RTPHeader(raw) else { return }
                for id in UInt8(0)...16 {
                    if let range = header.range(ofExtension: id, in: raw) { #expect(range.upperBound <= raw.count) }
                }
                if let range = header.payload(in: raw, length: raw.count) { #expect(range.upperBound <= raw.count) }
            }
        }
    }
}
