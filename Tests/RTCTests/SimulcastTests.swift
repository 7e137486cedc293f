// Simulcast in descriptions, and the numbers of VP8 descriptors that go on from layer to layer.

import Media
import Testing

@testable import RTC

@Suite("Simulcast")
struct SimulcastTests {
    private static let fingerprint = "sha-256 " + Array(repeating: "AB", count: 32).joined(separator: ":")

    /// The video section of a browser's offer, with these lines in it.
    private func offer(_ lines: [String], codec: String = "VP8", ids: Bool = true) -> String {
        let extensions =
            ids
            ? [
                "a=extmap:9 \(RTPExtensionURI.mid)", "a=extmap:10 \(RTPExtensionURI.rid)",
                "a=extmap:11 \(RTPExtensionURI.repairedRid)",
            ] : []
        let head = [
            "v=0", "o=- 1 2 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0",
            "m=video 9 UDP/TLS/RTP/SAVPF 96 97", "c=IN IP4 0.0.0.0", "a=ice-ufrag:4ZcD",
            "a=ice-pwd:2/1muCWoOi3uLifh0NuRHlFN", "a=fingerprint:\(Self.fingerprint)", "a=setup:actpass", "a=mid:0",
        ]
        let tail = [
            "a=sendonly", "a=rtcp-mux", "a=rtpmap:96 \(codec)/90000", "a=rtpmap:97 rtx/90000", "a=fmtp:97 apt=96",
        ]
        return (head + extensions + tail + lines).joined(separator: "\r\n") + "\r\n"
    }

    private func answer(_ offer: String) throws -> MediaSection {
        let transport = LocalTransport(
            ufrag: "abcdefgh", password: "abcdefghijklmnopqrstuvwx",
            fingerprint: try #require(DTLSFingerprint(text: Self.fingerprint)), candidates: [], isLite: true)
        var answer = SessionDescription()
        answer.media = try SessionDescription(parsing: offer).media.map { $0.answer(transport, receives: true) }
        return try #require(SessionDescription(parsing: answer.text()).media.first)
    }

    private static let three = ["a=rid:q send", "a=rid:h send", "a=rid:f send", "a=simulcast:send q;h;f"]

    @Test("three layers are taken by their names, in their order, with the extensions that carry the names")
    func threeLayers() throws {
        let answer = try answer(offer(Self.three))
        #expect(answer.simulcast == Simulcast(receives: ["q", "h", "f"]))
        #expect(answer.extensionID(RTPExtensionURI.rid) == 10)
        #expect(answer.extensionID(RTPExtensionURI.repairedRid) == 11)
        #expect(answer.direction == .recvonly)
    }

    @Test(
        "what is listed and named counts; restrictions, alternatives, pauses and names given twice do no harm",
        arguments: [
            (["a=rid:q send max-width=320;pt=96", "a=rid:h send", "a=simulcast:send q;h"], ["q", "h"]),
            (["a=rid:q send", "a=rid:h send", "a=rid:x send", "a=simulcast:send ~q;h,x"], ["q", "h"]),
            (["a=rid:q send", "a=rid:q send", "a=rid:h send", "a=simulcast:send q;h;q;h"], ["q", "h"]),
            (["a=rid:q send", "a=rid:h send", "a=simulcast:send q;h;unnamed"], ["q", "h"]),
            (["a=rid:r recv", "a=rid:q send", "a=rid:h send", "a=simulcast:recv r send q;h"], ["q", "h"]),
            (
                ["a=rid:a send", "a=rid:b send", "a=rid:c send", "a=rid:d send", "a=simulcast:send a;b;c;d"],
                ["a", "b", "c"]
            ),
            (["a=rid:q send"], []), (["a=rid:q send", "a=simulcast:send q"], []), (["a=simulcast:send q;h"], []),
        ])
    func lists(lines: [String], layers: [String]) throws {
        #expect(try answer(offer(lines)).simulcast.receives == layers)
        #expect(try SessionDescription(parsing: offer(lines)).media[0].acceptedLayers == layers)
    }

    @Test("layers without names in their packets are not taken, nor those of VP9")
    func unknowable() throws {
        #expect(try answer(offer(Self.three, ids: false)).simulcast.isEmpty)
        #expect(try answer(offer(Self.three, codec: "VP9")).simulcast.isEmpty)
    }

    @Test(
        "damaged lines are refused with their number",
        arguments: [
            ["a=rid:"], ["a=rid:q"], ["a=rid:q sends"], ["a=rid:ä send"], ["a=rid:seventeenletters0 send"],
            (0..<17).map { "a=rid:r\($0) send" }, ["a=simulcast:"], ["a=simulcast:send"], ["a=simulcast:send ;"],
            ["a=simulcast:give q"], ["a=simulcast:send q send h"], ["a=simulcast:send q", "a=simulcast:send q"],
            ["a=simulcast: send rid=q;h recv"],
            ["a=simulcast:send " + Array(repeating: "q", count: 17).joined(separator: ";")],
        ])
    func damaged(lines: [String]) {
        let error = #expect(throws: SDPError.self) { _ = try SessionDescription(parsing: offer(lines)) }
        #expect(error?.description.hasPrefix("Line ") == true)
    }

    @Test("our own offer of layers is read as it was meant")
    func ownOffer() throws {
        let transport = LocalTransport(
            ufrag: "abcdefgh", password: "abcdefghijklmnopqrstuvwx",
            fingerprint: try #require(DTLSFingerprint(text: Self.fingerprint)), candidates: [], isLite: false)
        var section = MediaSection.offer(
            kind: .video, mid: "0", transport: transport, stream: "s", track: "camera",
            source: .init(ssrc: 1, rtx: 2, cname: "s"), codecs: MediaSection.offered(.vp8))
        section.send(layers: ["q", "h", "f"])
        var offer = SessionDescription()
        offer.media = [section]
        let read = try SessionDescription(parsing: offer.text())
        #expect(read.media[0].acceptedLayers == ["q", "h", "f"] && read.media[0].sources.isEmpty)
    }

    private func payload(_ text: String) -> [UInt8] {
        stride(from: 0, to: text.count, by: 2).map { index in
            let start = text.index(text.startIndex, offsetBy: index)
            return UInt8(text[start...text.index(after: start)], radix: 16) ?? 0
        }
    }

    private func read(_ bytes: [UInt8]) -> VP8Indices {
        bytes.withUnsafeBytes { VideoPayload($0, codec: .vp8)?.indices ?? VP8Indices() }
    }

    @Test(
        "a descriptor's numbers move on around their wraps, and nothing else of it changes",
        arguments: [
            // Long picture id, TL0PICIDX, temporal layer with the sync bit, KEYIDX.
            ("90F0FFFEFF7F11aa", "90F080018062" + "11aa", UInt16(3), UInt8(129), UInt8(3)),
            // Short picture id alone.
            ("80807F0111", "8080020111", 3, 9, 9),
            // TL0PICIDX without a picture id; the temporal layer without KEYIDX stays.
            ("8060FE8055", "8060018055", 7, 3, 5),
            // KEYIDX alone.
            ("80101E55", "80100155", 7, 3, 3),
        ])
    func moved(before: String, after: String, picture: UInt16, tl0: UInt8, key: UInt8) {
        let bytes = payload(before)
        var shift = VP8Shift()
        (shift.pictureID, shift.tl0PictureIndex, shift.keyIndex) = (picture, tl0, key)
        let indices = read(bytes).moved(by: shift)
        var out = [UInt8](repeating: 0, count: 8)
        let count = bytes.withUnsafeBytes { source in
            out.withUnsafeMutableBytes { indices.write(over: source, to: $0) }
        }
        #expect(count > 0)
        #expect(Array(out[..<count]) + bytes[count...] == payload(after))
    }

    @Test("a stream goes on right behind another one")
    func behind() {
        let last = read(payload("90F0FFFFFF7F11aa")), next = read(payload("90F0812305600100"))
        let moved = next.moved(by: VP8Shift(from: next, behind: last))
        #expect(moved.pictureID == 0 && moved.tl0PictureIndex == 0 && moved.keyIndex == 0)
        #expect(
            VP8Shift(from: read(payload("100011")), behind: last).isZero, "without numbers there is nothing to move")
        #expect(VP8Shift(from: next, behind: VP8Indices()).isZero)
    }

    @Test("hostile descriptors are written within their bytes or not at all")
    func hostile() {
        var random = SeededGenerator(7)
        for _ in 0..<20_000 {
            let bytes = (0..<Int.random(in: 0...10, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            var shift = VP8Shift()
            shift.pictureID = UInt16.random(in: 0...0xFFFF, using: &random)
            shift.keyIndex = UInt8.random(in: 0...255, using: &random)
            let indices = read(bytes).moved(by: shift)
            var out = [UInt8](repeating: 0, count: 6)
            let count = bytes.withUnsafeBytes { source in
                out.withUnsafeMutableBytes { indices.write(over: source, to: $0) }
            }
            #expect(count <= bytes.count && (count == 0 || count == Int(read(bytes).length)))
        }
    }

    @Test("the size of a picture is found in a key frame of VP8 and in the parameter set of H.264")
    func sizes() {
        func size(_ bytes: [UInt8], _ codec: Codec) -> PictureSize? {
            bytes.withUnsafeBytes { VideoPayload($0, codec: codec)?.size }
        }
        #expect(size(payload("10" + "0000009D012A80026801"), .vp8) == PictureSize(width: 640, height: 360))
        #expect(size(payload("10" + "0100009D012A80026801"), .vp8) == nil)
        let set = payload("6742c01eda0280bfe540")
        #expect(size(set, .h264) == size([0x78, 0, UInt8(set.count)] + set + [0, 2, 0x68, 0xCE], .h264))
        #expect(size(set, .h264) == PictureSize(width: 640, height: 360))
        #expect(size(payload("67"), .h264) == nil)
    }
}
