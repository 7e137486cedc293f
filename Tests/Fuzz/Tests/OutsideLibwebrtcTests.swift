// libwebrtc's unit tests: the messages that Chromium and Safari are held to.

import Media
import RTC
import Testing

@Suite("Outside libwebrtc")
struct OutsideLibwebrtcTests {
    private static let ours: UInt32 = 0x1234_5678, theirs: UInt32 = 0x2345_6789

    private static func bytes(_ file: String, _ name: String, test: String = "") throws -> [UInt8] {
        try OutsideCase.bytes("libwebrtc", file, test, name)
    }

    private static func parse(_ bytes: [UInt8]) -> [RTCPPacket] { bytes.withUnsafeBytes { RTCPPacket.parse($0) } }

    @Test("STUN messages say what they should")
    func stun() throws {
        func message(_ name: String) throws -> STUNMessage { try STUNMessage(try Self.bytes("stun", name)) }
        let password = "VOkJxbRl1RmTxUk/WvJxBt"
        for name in ["kRfc5769SampleRequest", "kRfc5769SampleResponse", "kRfc5769SampleResponseIPv6"] {
            let bytes = try Self.bytes("stun", name)
            #expect(try bytes.withUnsafeBytes { try STUNMessage(bytes).isAuthentic($0, password: password) }, "\(name)")
        }
        #expect(try !message("kRfc5769SampleRequestWithoutMI").hasIntegrity)
        #expect(
            try message("kStunMessageWithIPv4XorMappedAddress").mappedAddress
                == NetworkAddress(ip: "172.23.68.230", port: 56743))
        #expect(
            try message("kStunMessageWithIPv6XorMappedAddress").mappedAddress
                == NetworkAddress(ip: "2401:fa00:4:1000:be30:5bff:fee5:c3", port: 59977))
        // An address that is not masked is one of RFC 3489, and none of ICE.
        #expect(try message("kStunMessageWithIPv4MappedAddress").mappedAddress == nil)
        #expect(try message("kStunMessageWithByteStringAttribute").username == Array("abcdefgh".utf8))
        #expect(try message("kStunMessageWithPaddedByteStringAttribute").username == Array("abc".utf8))
        #expect(try message("kStunMessageWithErrorAttribute").errorCode == 401)
        #expect(try message("kStunMessageWithUnknownAttribute").unknownRequired == [0xAA])
        for name in ["ZeroLength", "ExcessLength", "SmallLength", "BadHmacAtEnd"] {
            #expect(throws: STUNError.self, "\(name)") { try message("kStunMessageWith" + name) }
        }
        #expect(throws: STUNError.notSTUN) { try message("kRtcpPacket") }
    }

    @Test("RTCP messages are read and written byte for byte")
    func rtcp() throws {
        let block = RTCPReportBlock(
            ssrc: Self.theirs, fractionLost: 55, totalLost: 0x11_1213, highestSequence: 0x2223_2425,
            jitter: 0x3334_3536, lastSenderReport: 0x4445_4647, delaySinceLastSenderReport: 0x5556_5758)
        func numbers(_ name: String) throws -> [UInt16] {
            let list = try #require(try OutsideCase.all("libwebrtc", "nack", "", name).first?.list)
            return list.map { UInt16($0.number) }
        }
        let expected: [(file: String, name: String, RTCPPacket)] = [
            ("nack", "kPacket", .nack(RTCPNACK(sender: Self.ours, media: Self.theirs, lost: try numbers("kList")))),
            (
                "nack", "kWrapPacket",
                .nack(RTCPNACK(sender: Self.ours, media: Self.theirs, lost: try numbers("kWrapList")))
            ),
            ("pli", "kPacket", .pictureLoss(RTCPPictureLoss(sender: Self.ours, media: Self.theirs))),
            (
                "fir", "kPacket",
                .fullIntraRequest(
                    RTCPFullIntraRequest(
                        sender: Self.ours, entries: [RTCPKeyframeRequest(ssrc: Self.theirs, sequence: 13)]))
            ),
            (
                "remb", "kPacket",
                .bitrateEstimate(
                    RTCPBitrateEstimate(
                        sender: Self.ours, bitsPerSecond: 0x3_FB93 * 2, sources: [0, 1, 2].map { Self.theirs + $0 }))
            ),
            (
                "tmmbr", "kPacket",
                .bitrateLimit(
                    RTCPBitrateLimit(
                        sender: Self.ours,
                        entries: [RTCPBitrateBound(ssrc: Self.theirs, bitsPerSecond: 312_000, overhead: 510)]))
            ),
            ("receiver_report", "kPacket", .receiverReport(RTCPReceiverReport(ssrc: Self.ours, blocks: [block]))),
            (
                "sender_report", "kPacket",
                .senderReport(
                    RTCPSenderReport(
                        ssrc: Self.ours, ntp: 0x1112_1418_2224_2628, rtpTimestamp: 0x3334_3536, packets: 0x4445_4647,
                        bytes: 0x5556_5758))
            ),
            ("bye", "kEmptyPacket", .goodbye(RTCPGoodbye(sources: []))),
        ]
        for (file, name, message) in expected {
            let bytes = try Self.bytes(file, name, test: file == "bye" ? "ParseEmptyPacket" : "")
            #expect(Self.parse(bytes) == [message], "\(file) \(name)")
            #expect(RTCPPacket.write([message]) == bytes, "\(file) \(name)")
        }
        // Of an extended report's blocks, as they stand behind a header.
        let header = try Self.bytes("extended_reports", "kEmptyPacket")
        let blocks = try Self.bytes("rrtr", "kBlock") + Self.bytes("dlrr", "kBlock")
        let report = RTCPExtendedReport(
            ssrc: Self.ours, reference: 0x1234_5678_2345_6789,
            delays: [RTCPExtendedReport.Delay(ssrc: 0x1234_5678, reference: 0x2334_4556, delay: 0x3334_3536)])
        var whole = header + blocks
        whole[3] = UInt8(whole.count / 4 - 1)
        #expect(Self.parse(header).isEmpty)
        #expect(Self.parse(whole) == [.extendedReport(report)])
        #expect(RTCPPacket.write([.extendedReport(report)]) == whole)
    }

    @Test("RTCP that libwebrtc refuses asks us for nothing")
    func refusedRTCP() throws {
        let refused = [
            ("pli", "ParseFailsOnTooSmallPacket", "kTooSmallPacket"), ("nack", "", "kTooSmallPacket"),
            ("fir", "ParseFailsOnZeroFciEntries", "kPacketWithoutFci"),
            ("tmmbr", "ParseFailsWithoutItems", "kZeroItemsPacket"),
        ]
        for (file, test, name) in refused {
            for packet in Self.parse(try Self.bytes(file, name, test: test)) {
                let asked: Int? =
                    switch packet {
                    case .nack(let message): message.lost.count
                    case .fullIntraRequest(let message): message.entries.count
                    case .bitrateLimit(let message): message.entries.count
                    default: nil
                    }
                #expect(asked == 0, "\(file) \(name): \(packet)")
            }
        }
    }

    @Test("header extensions are found in both forms, up to what ends them")
    func extensions() throws {
        let offset: [UInt8] = [0, 0x56, 0xCE], level: [UInt8] = [0xDA], delay: [UInt8] = [0, 0x30, 0x22]
        let expected: [(String, [UInt8: [UInt8]])] = [
            ("kMinimumPacket", [:]), ("kPacketWithTO", [1: offset]), ("kPacketWithTOAndAL", [1: offset, 9: level]),
            ("kPacketWithTwoByteExtensionIdLast", [1: offset, 9: level, 0xF0: delay]),
            ("kPacketWithTwoByteExtensionIdFirst", [1: offset, 9: level, 0xF0: delay]),
            ("kPacketWithTOAndALInvalidPadding", [1: offset]), ("kPacketWithTOAndALReservedExtensionId", [1: offset]),
            ("kPacketWithRsid", [10: Array("streamid".utf8)]), ("kPacketWithMid", [11: Array("mid".utf8)]),
            ("kPacketWithTwoByteHeaderExtension", [0xF0: offset]),
            (
                "kPacketWithLongTwoByteHeaderExtension",
                [0xF0: Array("extra-long string to test two-byte header".utf8)]
            ),
            ("kPacketWithTwoByteHeaderExtensionWithPadding", [0xF0: offset, 9: level]),
            ("kPacket", [1: offset]),
        ]
        for (name, elements) in expected {
            try Self.bytes("rtp_packet", name).withUnsafeBytes { bytes in
                let header = try #require(RTPHeader(bytes), "\(name)")
                #expect(header.payloadType == 100 && header.sequenceNumber == 0x1234 && header.ssrc == 0x1234_5678)
                for id in UInt8(1)...255 {
                    let found = header.range(ofExtension: id, in: bytes).map { Array(bytes[$0]) }
                    #expect(found == elements[id], "\(name): \(id)")
                }
            }
        }
        try Self.bytes("rtp_packet", "bad_packet", test: "ParseWithOverSizedExtension").withUnsafeBytes { bytes in
            let header = try #require(RTPHeader(bytes))
            #expect(header.range(ofExtension: 1, in: bytes) == nil)
        }
    }

    @Test("payload and padding are told apart")
    func padding() throws {
        try Self.bytes("rtp_packet", "kPacket").withUnsafeBytes { bytes in
            let header = try #require(RTPHeader(bytes))
            let payload = try #require(header.payload(in: bytes, length: bytes.count))
            #expect(Array(bytes[payload]) == Array("payload".utf8))
            #expect(header.hasPadding && payload.upperBound + 8 == bytes.count)
        }
        try Self.bytes("rtp_packet", "kPaddingHeader", test: "ParsePaddingOnlyPacket").withUnsafeBytes { bytes in
            let header = try #require(RTPHeader(bytes))
            #expect(header.payload(in: bytes, length: bytes.count)?.isEmpty == true)
        }
    }
}
