// Pion's tests and their data: STUN of browsers, RTP and its payloads, candidates.

import Foundation
import Media
import RTC
import Testing

@Suite("Outside Pion")
struct OutsidePionTests {
    @Test("binding requests of Chrome and Firefox are read, and no changed bit of a fingerprinted one")
    func browsers() throws {
        let file = try #require(try OutsideCorpusTests.files("pion-stun", "frombrowsers.csv").first)
        let rows = String(decoding: file.bytes, as: UTF8.self).split(whereSeparator: \.isNewline).dropFirst()
        #expect(rows.count == 14)
        for row in rows {
            let columns = row.split(separator: ",")
            let bytes = Array(try #require(Data(base64Encoded: String(columns[1]))))
            let message = try STUNMessage(bytes)
            #expect(message.kind == .request && message.unknownRequired.isEmpty && !message.hasIntegrity)
            #expect(message.hasFingerprint == (columns[3] == "Firefox"), "\(row)")
            guard message.hasFingerprint else { continue }
            for bit in 0..<bytes.count * 8 {
                var changed = bytes
                changed[bit / 8] ^= 1 << UInt8(bit % 8)
                #expect((try? STUNMessage(changed))?.hasFingerprint != true, "bit \(bit) of \(row)")
            }
        }
        let chrome = try #require(try OutsideCorpusTests.files("pion-stun", "ex1_chrome.stun").first)
        #expect(try STUNMessage(chrome.bytes).kind == .request)
    }

    @Test("RFC 5769: the samples in Pion's tests are read and authentic")
    func samples() throws {
        let messages = try OutsideCase.all("pion-stun", "rfc5769", "TestRFC5769", "m").compactMap { $0["Raw"].bytes }
        try #require(messages.count == 4)
        let password = "VOkJxbRl1RmTxUk/WvJxBt"
        let read = try messages.map { try STUNMessage($0) }
        for index in [0, 2, 3] {
            #expect(read[index].hasFingerprint)
            #expect(messages[index].withUnsafeBytes { read[index].isAuthentic($0, password: password) })
            #expect(!messages[index].withUnsafeBytes { read[index].isAuthentic($0, password: "TheMatrIX") })
        }
        #expect(read[0].username == Array("evtj:h6vY".utf8) && read[0].priority == 0x6E00_01FF)
        #expect(read[2].mappedAddress == NetworkAddress(ip: "192.0.2.1", port: 32853))
        #expect(read[3].mappedAddress == NetworkAddress(ip: "2001:db8:1234:5678:11:2233:4455:6677", port: 32853))
        // Long-term credentials are for TURN, which is not ours: its key is no password.
        #expect(read[1].username == Array("マトリックス".utf8) && read[1].hasIntegrity)
        #expect(!messages[1].withUnsafeBytes { read[1].isAuthentic($0, password: "TheMatrIX") })
    }

    @Test("RTP packets of Pion's tests have the fields, extensions and padding that they should")
    func packets() throws {
        var headers = 0, elements = 0
        var raw: [UInt8] = [], test = ""
        for one in try OutsideCase.all("pion-rtp") where one.file == "packet" {
            if one.test != test { (test, raw) = (one.test, []) }
            if one.name == "rawPkt" { raw = one.value.bytes ?? [] }
            guard !raw.isEmpty else { continue }
            // One is of a version that there is not, which Pion does not look at.
            guard raw[0] >> 6 == 2 else {
                #expect(raw.withUnsafeBytes { RTPHeader($0) } == nil)
                continue
            }
            let header = try #require(raw.withUnsafeBytes { RTPHeader($0) }, "\(test)")
            func element(_ id: UInt8) -> [UInt8]? {
                raw.withUnsafeBytes { bytes in header.range(ofExtension: id, in: bytes).map { Array(bytes[$0]) } }
            }
            if let id = UInt8(one.name.dropFirst(3).prefix(1)), one.name.hasSuffix("Expect") {
                #expect(element(id) == one.value.bytes, "\(test): \(id)")
                elements += 1
            }
            let said = one.value["Header"]
            guard ["parsedPacket", "p"].contains(one.name), said["SSRC"].number > 0 else { continue }
            #expect(header.payloadType == 96 && header.marker == said["Marker"].isTrue, "\(test)")
            #expect(UInt64(header.sequenceNumber) == said["SequenceNumber"].number, "\(test)")
            #expect(UInt64(header.timestamp) == said["Timestamp"].number, "\(test)")
            #expect(UInt64(header.ssrc) == said["SSRC"].number, "\(test)")
            #expect(UInt64(header.extensionProfile) == said["ExtensionProfile"].number, "\(test)")
            for pair in said["Extensions"].list where pair.list[0].number > 0 {
                #expect(element(UInt8(pair.list[0].number)) == pair.list[1].bytes, "\(test)")
                elements += 1
            }
            headers += 1
        }
        #expect(headers >= 10 && elements >= 16, "\(headers) headers, \(elements) elements")
        // More padding than there is payload is no padding; a reserved id ends the elements; an extension must fit.
        let padded = try OutsideCase.all("pion-rtp", "packet", "TestBasic", "rawPkt").compactMap(\.bytes)
        let lengths: [Int?] = padded.map { bytes in
            bytes.withUnsafeBytes { RTPHeader($0)?.payload(in: $0, length: $0.count)?.count }
        }
        #expect(lengths == [5, 1, 0, nil, 1, 0, 0])
        let reserved = try OutsideCase.bytes(
            "pion-rtp", "packet", "TestRFC8285OneByteExtensionTermianteProcessingWhenReservedIDEncountered",
            "reservedIDPkt")
        reserved.withUnsafeBytes { bytes in
            for id in UInt8(1)...15 { #expect(RTPHeader(bytes)?.range(ofExtension: id, in: bytes) == nil) }
        }
        for name in ["missingExtensionPkt", "invalidExtensionLengthPkt"] {
            let bytes = try OutsideCase.bytes("pion-rtp", "packet", "TestExtension", name)
            #expect(bytes.withUnsafeBytes { RTPHeader($0) } == nil, "\(name)")
        }
    }

    @Test("VP9 descriptors of Pion's table say what they should, or are refused")
    func vp9() throws {
        let table = try #require(
            try OutsideCase.all("pion-rtp", "vp9_packet", "TestVP9Packet_Unmarshal", "cases").first)
        #expect(table.fields.count == 19)
        for (name, one) in table.fields {
            let said = one["pkt"], bytes = one["b"].bytes ?? []
            guard let found = bytes.withUnsafeBytes({ VP9Descriptor($0) }) else {
                // A descriptor with nothing behind it is of no use.
                #expect(one["err"].text != nil || said["Payload"].bytes == [], "\(name)")
                continue
            }
            #expect(one["err"].isNothing, "\(name)")
            #expect(found.isPredicted == said["P"].isTrue && found.isFlexible == said["F"].isTrue, "\(name)")
            #expect(found.startsLayerFrame == said["B"].isTrue && found.endsLayerFrame == said["E"].isTrue, "\(name)")
            #expect(found.pictureID.map(UInt64.init) == (said["I"].isTrue ? said["PictureID"].number : nil), "\(name)")
            #expect(found.temporalLayer.map(UInt64.init) == (said["L"].isTrue ? said["TID"].number : nil), "\(name)")
            #expect(found.spatialLayer.map(UInt64.init) == (said["L"].isTrue ? said["SID"].number : nil), "\(name)")
            #expect(found.isInterLayerPredicted == said["D"].isTrue, "\(name)")
            #expect(found.referenceCount == said["PDiff"].bytes?.count ?? 0, "\(name)")
            if !found.isFlexible {
                #expect(UInt64(found.tl0PictureIndex ?? 0) == said["TL0PICIDX"].number, "\(name)")
            }
            #expect(Array(bytes[found.length...]) == said["Payload"].bytes, "\(name)")
        }
        // What has no payload there has a structure that counts when something follows it.
        let bytes = try #require(table["ScalabilityStructureResolutionsNoPayload"]["b"].bytes) + [0]
        let structure = try #require(bytes.withUnsafeBytes { VP9Descriptor($0) }).structure
        #expect(structure.count == 2 && structure.size(0) == PictureSize(width: 640, height: 360))
        #expect(structure.size(1) == PictureSize(width: 1280, height: 720))
    }

    @Test("VP8 that Pion packs begins where it should, and carries its picture ids")
    func vp8() throws {
        let table = try #require(
            try OutsideCase.all("pion-rtp", "vp8_packet", "TestVP8Payloader_Payload", "testCases").first)
        #expect(table.fields.count == 3)
        for (name, one) in table.fields {
            for (picture, packets) in one["expected"].list.enumerated() {
                var content: [UInt8] = []
                for (index, packet) in packets.list.enumerated() {
                    let bytes = try #require(packet.bytes)
                    let found = try #require(bytes.withUnsafeBytes { VP8Descriptor($0) }, "\(name)")
                    #expect(found.startsFrame == (index == 0), "\(name)")
                    let first = one["payloader"]["pictureID"].number
                    #expect(found.pictureID == (first > 0 ? UInt16(first) + UInt16(picture) : nil), "\(name)")
                    content += bytes[found.length...]
                }
                #expect(content == one["payload"].list[picture].bytes, "\(name)")
            }
        }
        let others = try OutsideCase.all("pion-rtp", "vp8_packet", "TestVP8Packet_Unmarshal", "err")
            .compactMap(\.bytes)
        let lengths: [Int?] = others.map { bytes in bytes.withUnsafeBytes { VP8Descriptor($0)?.length } }
        #expect(lengths == [1, 1, 2, 3, nil, 3, 3, 3, nil])
    }

    @Test("H.264 that Pion aggregates has its sets; cut short it is refused")
    func h264() throws {
        func payload(_ name: String) throws -> H264Payload? {
            try OutsideCase.bytes("pion-rtp", "h264_packet", "TestH264Packet_Unmarshal", name).withUnsafeBytes {
                H264Payload($0)
            }
        }
        let whole = try #require(try payload("singlePayloadMultiNALU"))
        #expect(whole.kind == .aggregate && whole.hasParameterSet && !whole.startsIDR)
        #expect(try payload("incompleteSinglePayloadMultiNALU") == nil)
        // A forbidden bit that is set (RFC 6184 section 1.3), where Pion does not look.
        #expect(try payload("singlePayload") == nil)
    }

    @Test("candidates of Pion's table that can be met are read and said again")
    func candidates() throws {
        let table = try #require(try OutsideCase.all("pion-ice", "candidate", "TestCandidateMarshal").first?.list)
        let texts = table.compactMap { $0.list[1].text }
        #expect(table.count == 19 && texts.count == 19)
        let read = texts.map { ICECandidate(text: $0) }
        // Not the active one by TCP, which has no port, the name in .local, the one without a foundation.
        #expect(read.prefix(7).map { $0?.kind } == ["host", "host", "srflx", "relay", nil, nil, nil])
        for (candidate, text) in zip(read.prefix(4), texts) {
            let said = try #require(candidate).text
            #expect(text.hasPrefix(said), "\(said)")
        }
        // A wrong component, priority, port or transport is none; what stands behind the type does not matter.
        #expect(read.dropFirst(7).compactMap(\.self).map(\.kind) == ["srflx", "srflx", "INVALID"])
    }
}
