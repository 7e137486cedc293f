// Pion's tables of RTCP: what each message says, by their tests.

import RTC
import Testing

@Suite("Outside Pion RTCP")
struct OutsidePionRTCPTests {
    private static func parse(_ bytes: [UInt8]) -> [RTCPPacket] { bytes.withUnsafeBytes { RTCPPacket.parse($0) } }

    private static func blocks(_ list: OutsideValue) -> [RTCPReportBlock] {
        list.list.map {
            RTCPReportBlock(
                ssrc: UInt32($0["SSRC"].number), fractionLost: UInt8($0["FractionLost"].number),
                totalLost: Int32($0["TotalLost"].number), highestSequence: UInt32($0["LastSequenceNumber"].number),
                jitter: UInt32($0["Jitter"].number), lastSenderReport: UInt32($0["LastSenderReport"].number),
                delaySinceLastSenderReport: UInt32($0["Delay"].number))
        }
    }

    /// What one of Pion's messages is with us.
    private static func message(_ kind: String, _ want: OutsideValue) -> RTCPPacket? {
        let ssrc = UInt32(want["SSRC"].number), sender = UInt32(want["SenderSSRC"].number)
        let media = UInt32(want["MediaSSRC"].number)
        switch kind {
        case "sender_report":
            return .senderReport(
                RTCPSenderReport(
                    ssrc: ssrc, ntp: want["NTPTime"].number, rtpTimestamp: UInt32(want["RTPTime"].number),
                    packets: UInt32(want["PacketCount"].number), bytes: UInt32(want["OctetCount"].number),
                    blocks: blocks(want["Reports"])))
        case "receiver_report":
            return .receiverReport(RTCPReceiverReport(ssrc: ssrc, blocks: blocks(want["Reports"])))
        case "goodbye":
            return .goodbye(RTCPGoodbye(sources: want["Sources"].list.map { UInt32($0.number) }))
        case "picture_loss_indication": return .pictureLoss(RTCPPictureLoss(sender: sender, media: media))
        case "full_intra_request":
            let entries = want["FIR"].list.map {
                RTCPKeyframeRequest(ssrc: UInt32($0["SSRC"].number), sequence: UInt8($0["SequenceNumber"].number))
            }
            return .fullIntraRequest(RTCPFullIntraRequest(sender: sender, entries: entries))
        case "transport_layer_nack":
            let lost = want["Nacks"].list.flatMap { pair in
                let first = UInt16(pair.list[0].number), mask = UInt16(pair.list[1].number)
                return [first] + (UInt16(0)..<16).filter { mask >> $0 & 1 == 1 }.map { first &+ $0 &+ 1 }
            }
            return .nack(RTCPNACK(sender: sender, media: media, lost: lost))
        case "source_description":
            let chunks = want["Chunks"].list.map { chunk in
                let name = chunk["Items"].list.first { $0["Type"].text == "SDESCNAME" }?["Text"].text
                return RTCPSourceDescription.Chunk(ssrc: UInt32(chunk["Source"].number), cname: name ?? "")
            }
            return .sourceDescription(RTCPSourceDescription(chunks: chunks))
        default: return nil
        }
    }

    /// The table a message belongs to.
    private static func kind(_ packet: RTCPPacket) -> String {
        switch packet {
        case .senderReport: "sender_report"
        case .receiverReport: "receiver_report"
        case .goodbye: "goodbye"
        case .pictureLoss: "picture_loss_indication"
        case .fullIntraRequest: "full_intra_request"
        case .nack: "transport_layer_nack"
        case .sourceDescription: "source_description"
        default: ""
        }
    }

    @Test("messages that Pion reads say the same to us, and what it refuses is no such message")
    func tables() throws {
        let kinds = [
            "sender_report", "receiver_report", "goodbye", "picture_loss_indication", "full_intra_request",
            "transport_layer_nack", "source_description",
        ]
        var read = 0, refused = 0
        for table in try OutsideCase.all("pion-rtcp")
        where kinds.contains(table.file) && table.test.hasSuffix("Unmarshal") && table.name.isEmpty {
            for one in table.value.list {
                let name: Comment = "\(table.file): \(one["Name"].text ?? "")"
                guard var data = one["Data"].bytes, data.count >= 4 else {
                    #expect(one["WantError"].text != nil, name)
                    continue
                }
                // Their readers of one message don't look at its length, and the tables say it in bytes.
                if data.count % 4 == 0 { data[3] = UInt8(data.count / 4 - 1) }
                let found = Self.parse(data)
                // We don't read why somebody leaves.
                if one["WantError"].isNothing || one["Name"].text == "invalid octet count" {
                    #expect(found.map(Self.kind) == [table.file], name)
                    guard !one["Want"].isNothing else { continue }
                    #expect(found.first == Self.message(table.file, one["Want"]), name)
                    #expect(Self.parse(RTCPPacket.write(found)) == found, name)
                    read += 1
                } else {
                    #expect(!found.map(Self.kind).contains(table.file), name)
                    refused += 1
                }
            }
        }
        #expect(read == 15 && refused == 25, "\(read) read, \(refused) refused")
    }

    /// The arrivals that Pion's chunks and deltas tell of; nil where a symbol is one that the draft reserves.
    private static func arrivals(_ want: OutsideValue) -> [Int32]? {
        var symbols: [String] = []
        for chunk in want["PacketChunks"].list {
            if let symbol = chunk["PacketStatusSymbol"].text {
                symbols += Array(repeating: symbol, count: Int(chunk["RunLength"].number))
            }
            symbols += chunk["SymbolList"].list.compactMap(\.text)
        }
        symbols = Array(symbols.prefix(Int(want["PacketStatusCount"].number)))
        guard !symbols.contains("TypeTCCPacketReceivedWithoutDelta") else { return nil }
        // Pion's are microseconds.
        var deltas = want["RecvDeltas"].list.map { Int32($0["Delta"].number / 250) }.makeIterator(), ticks: Int32 = 0
        return symbols.map { symbol in
            guard symbol != "TypeTCCPacketNotReceived" else { return RTCPTransportFeedback.missing }
            ticks += deltas.next() ?? 0
            return ticks
        }
    }

    @Test("transport-wide feedback that Pion reads and writes tells us of the same packets at the same times")
    func feedback() throws {
        var cases: [(name: String, bytes: OutsideValue, said: OutsideValue)] = []
        for (test, bytes, said) in [("Unmarshal", "Data", "Want"), ("Marshal", "Want", "Data")] {
            let tables = try OutsideCase.all("pion-rtcp", "transport_layer_cc", "TestTransportLayerCC_" + test)
            for one in try #require(tables.first).list {
                cases.append(("\(test): \(one["Name"].text ?? "")", one[bytes], one[said]))
            }
        }
        #expect(cases.count == 13)
        // A chunk behind the last packet, in what Pion writes there, is none that anybody reads.
        cases.removeAll { $0.name == "Marshal: example2" }
        var read = 0
        for (name, bytes, said) in cases {
            let data = try #require(bytes.bytes), found = Self.parse(data)
            // The fourth symbol is reserved, nothing is told of no packets, and padding has a length (RFC 3550 section 6.4.1).
            // That of one message would take the last packet's delta with it.
            let isPadded = data[0] & 0x20 == 0 || data.last != 0 && name != "Unmarshal: example5"
            guard isPadded, let arrivals = Self.arrivals(said), !arrivals.isEmpty else {
                #expect(found.isEmpty, "\(name)")
                continue
            }
            let reference = Int32(bitPattern: UInt32(said["ReferenceTime"].number) << 8) >> 8
            let expected = RTCPTransportFeedback(
                sender: UInt32(said["SenderSSRC"].number), media: UInt32(said["MediaSSRC"].number),
                base: UInt16(said["BaseSequenceNumber"].number), reference: reference,
                count: UInt8(said["FbPktCount"].number), arrivals: arrivals)
            #expect(found == [.transportFeedback(expected)], "\(name)")
            #expect(Self.parse(RTCPPacket.write(found)) == found, "\(name)")
            read += 1
        }
        #expect(read == 7)
    }

    @Test("a packet of a real call has the messages that Pion finds, but for the one that we don't act on")
    func realPacket() throws {
        let bytes = try OutsideCase.bytes("pion-rtcp", "packet", "realPacket", "")
        let expected = try #require(try OutsideCase.all("pion-rtcp", "packet", "TestUnmarshal", "expected").first?.list)
        let found = Self.parse(bytes), source = UInt32(expected[2]["Sources"].list[0].number)
        #expect(
            found == [
                .receiverReport(RTCPReceiverReport(ssrc: source, blocks: Self.blocks(expected[0]["Reports"]))),
                .sourceDescription(
                    RTCPSourceDescription(chunks: [
                        RTCPSourceDescription.Chunk(ssrc: source, cname: "{9c00eb92-1afb-9d49-a47d-91f64eee69f5}")
                    ])),
                .goodbye(RTCPGoodbye(sources: [source])),
                .pictureLoss(RTCPPictureLoss(sender: source, media: source)),
            ])
        #expect(RTCPPacket.write(found) == Array(bytes.prefix(104)))
    }

    @Test("estimates of Chrome and extended reports say to us what they say to Pion")
    func estimates() throws {
        let estimate = try OutsideCase.bytes(
            "pion-rtcp", "receiver_estimated_maximum_bitrate", "TestReceiverEstimatedMaximumBitrateUnmarshal", "input")
        let said = RTCPBitrateEstimate(sender: 1, bitsPerSecond: 8_927_168, sources: [1_215_622_422])
        #expect(Self.parse(estimate) == [.bitrateEstimate(said)])
        #expect(RTCPPacket.write([.bitrateEstimate(said)]) == estimate)
        let blocks = try #require(
            try OutsideCase.all("pion-rtcp", "extended_report", "testPacket", "Reports").first?.list)
        let report = try OutsideCase.bytes("pion-rtcp", "extended_report", "encodedPacket", "")
        let delays = blocks[4]["Reports"].list.map {
            RTCPExtendedReport.Delay(
                ssrc: UInt32($0["SSRC"].number), reference: UInt32($0["LastRR"].number),
                delay: UInt32($0["DLRR"].number))
        }
        let expected = RTCPExtendedReport(
            ssrc: 0x0102_0304, reference: blocks[3]["NTPTimestamp"].number, delays: delays)
        #expect(delays.count == 3)
        #expect(Self.parse(report) == [.extendedReport(expected)])
    }
}
