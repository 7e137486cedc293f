// Session descriptions: a browser's, our own, hostile ones.

import Media
import Testing

@testable import RTC

@Suite("SDP")
struct SDPTests {
    static let fingerprint = "sha-256 " + Array(repeating: "AB", count: 32).joined(separator: ":")
    static let browserOffer =
        [
            "v=0", "o=- 4611731400430051336 2 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0 1",
            "a=extmap-allow-mixed",
            "a=msid-semantic: WMS stream", "m=audio 9 UDP/TLS/RTP/SAVPF 111 63 0", "c=IN IP4 0.0.0.0",
            "a=rtcp:9 IN IP4 0.0.0.0",
            "a=ice-ufrag:4ZcD", "a=ice-pwd:2/1muCWoOi3uLifh0NuRHlFN", "a=ice-options:trickle",
            "a=fingerprint:\(fingerprint)",
            "a=setup:actpass", "a=mid:0", "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
            "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid", "a=sendonly", "a=msid:stream microphone", "a=rtcp-mux",
            "a=rtpmap:111 opus/48000/2", "a=rtcp-fb:111 transport-cc", "a=fmtp:111 minptime=10;useinbandfec=1",
            "a=rtpmap:63 red/48000/2", "a=ssrc:3735928559 cname:anna", "m=video 9 UDP/TLS/RTP/SAVPF 102 103 96 97",
            "c=IN IP4 0.0.0.0", "a=ice-ufrag:4ZcD", "a=ice-pwd:2/1muCWoOi3uLifh0NuRHlFN",
            "a=fingerprint:\(fingerprint)",
            "a=setup:actpass", "a=mid:1", "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid", "a=sendonly",
            "a=msid:stream camera",
            "a=rtcp-mux", "a=rtcp-rsize", "a=rtpmap:102 H264/90000", "a=rtpmap:103 rtx/90000", "a=fmtp:103 apt=102",
            "a=rtpmap:96 VP8/90000", "a=rtcp-fb:96 goog-remb", "a=rtcp-fb:96 transport-cc", "a=rtcp-fb:96 ccm fir",
            "a=rtcp-fb:96 nack", "a=rtcp-fb:96 nack pli", "a=rtpmap:97 rtx/90000", "a=fmtp:97 apt=96",
            "a=ssrc-group:FID 1001 1002", "a=ssrc:1001 cname:anna", "a=ssrc:1002 cname:anna",
            "a=candidate:1 1 udp 2122260223 192.0.2.7 50000 typ host generation 0",
            "a=candidate:2 1 udp 2122260222 abc.local 50001 typ host",
        ].joined(separator: "\r\n") + "\r\n"

    @Test("a browser's offer is understood")
    func browserOffer() throws {
        let offer = try SessionDescription(parsing: Self.browserOffer)
        #expect(offer.bundle == ["0", "1"] && offer.media.count == 2)
        let audio = offer.media[0], video = offer.media[1]
        #expect(audio.codec("OPUS", clockRate: 48000)?.channels == 2)
        #expect(audio.track == "microphone" && video.track == "camera")
        #expect(video.rtx(for: 96)?.payloadType == 97)
        #expect(video.sources == [.init(ssrc: 1001, rtx: 1002, cname: "anna")])
        #expect(video.candidates.map(\.address.description) == ["192.0.2.7:50000"])
        let remote = try offer.remoteTransport()
        #expect(remote.ufrag == "4ZcD" && remote.setup == .actpass && remote.fingerprint.bytes.count == 32)
    }

    @Test("the answer keeps the offer's payload types, takes VP8 with RTX and Opus, and turns the direction")
    func answer() throws {
        let offer = try SessionDescription(parsing: Self.browserOffer)
        let transport = LocalTransport(
            ufrag: "abcdefgh", password: "abcdefghijklmnopqrstuvwx",
            fingerprint: try #require(DTLSFingerprint(text: Self.fingerprint)),
            candidates: [ICECandidate(host: NetworkAddress(ipv4: 0x7F00_0001, port: 7882))], isLite: true)
        var answer = SessionDescription()
        answer.isLite = true
        answer.bundle = offer.bundle
        answer.media = offer.media.map { $0.answer(transport, receives: true) }
        let read = try SessionDescription(parsing: answer.text())
        #expect(read.isLite && read.media.map(\.mid) == ["0", "1"])
        #expect(read.media[1].codecs.map(\.payloadType) == [96, 97])
        #expect(read.media[1].codecs[0].feedback == ["nack", "nack pli", "ccm fir", "goog-remb", "transport-cc"])
        #expect(read.media.allSatisfy { $0.direction == .recvonly && $0.setup == .passive && $0.hasRTCPMux })
        #expect(read.media[0].extensionID(RTPExtensionURI.audioLevel) == 1)
        #expect(read.media[0].candidates.first?.address.port == 7882)
    }

    @Test("whoever offers to send and to receive is only received from, and RTCP without a port stays so")
    func bothWays() throws {
        let text = Self.browserOffer.replacing("a=sendonly", with: "a=sendrecv")
            .replacing("a=rtcp-mux\r\n", with: "a=rtcp-mux\r\na=rtcp-mux-only\r\n")
        let transport = LocalTransport(
            ufrag: "abcdefgh", password: "abcdefghijklmnopqrstuvwx",
            fingerprint: try #require(DTLSFingerprint(text: Self.fingerprint)), candidates: [], isLite: true)
        let offers = try [Self.browserOffer, text].map { try SessionDescription(parsing: $0) }
        let answers = offers.map { $0.media.map { $0.answer(transport, receives: true) } }
        #expect(answers.allSatisfy { $0.map(\.direction) == [.recvonly, .recvonly] })
        #expect(answers.map { $0.map(\.isRTCPMuxOnly) } == [[false, false], [true, true]])
        var written = SessionDescription()
        (written.isLite, written.media) = (true, answers[1])
        let read = try SessionDescription(parsing: written.text())
        #expect(read.media.allSatisfy { $0.isRTCPMuxOnly && $0.hasRTCPMux && $0.direction == .recvonly })
        // What is said of ICE when it begins anew is the same (RFC 9725 section 4.3.3).
        func ice(_ text: String) -> [String] {
            text.split(separator: "\r\n").filter { $0.hasPrefix("a=ice-lite") || $0.hasPrefix("a=ice-options") }
                .map(String.init)
        }
        #expect(ice(written.text()) == ["a=ice-lite", "a=ice-options:trickle"])
        #expect(ice(ICEFragment().text()) == ice(written.text()))
    }

    private func answered(_ rtpmaps: [String], all: Bool = false) throws -> [MediaSection.Codec] {
        let head = Self.browserOffer.components(before: "m=video")
        let types = rtpmaps.compactMap { $0.split(separator: " ").first.map(String.init) }
        let lines = rtpmaps.map { line -> String in
            let parts = line.split(separator: " ", maxSplits: 2).map(String.init)
            return "a=rtpmap:\(parts[0]) \(parts[1])/90000\r\n"
                + (parts.count > 2 ? "a=fmtp:\(parts[0]) \(parts[2])\r\n" : "") + "a=rtcp-fb:\(parts[0]) nack pli\r\n"
        }
        let text = head + "m=video 9 UDP/TLS/RTP/SAVPF \(types.joined(separator: " "))\r\n" + lines.joined()
        let offer = try SessionDescription(parsing: text)
        return try #require(offer.media.last).acceptedCodecs(all: all)
    }

    @Test("of what a publisher offers the first is taken that we carry, with its RTX and nothing else")
    func codecs() throws {
        let offered = [
            "45 AV1", "46 rtx apt=45", "98 VP9 profile-id=2", "99 rtx apt=98", "100 VP9 profile-id=0",
            "101 rtx apt=100",
            "96 VP8", "97 rtx apt=96",
        ]
        #expect(try answered(offered).map(\.payloadType) == [100, 101])
        #expect(try answered(offered)[0].parameters == "profile-id=0")
        #expect(try answered(offered)[0].feedback == ["nack pli"])
        #expect(try answered(offered, all: true).map(\.payloadType) == [100, 101, 96, 97])
        let h264 = [
            "102 H264 level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f",
            "104 H264 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=64001f",
            "106 H264 level-asymmetry-allowed=1; packetization-mode=1; profile-level-id=42E02A", "107 rtx apt=106",
        ]
        let taken = try answered(h264)
        #expect(taken.map(\.payloadType) == [106, 107] && taken[0].carried == .h264)
        #expect(taken[0].parameters == "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42E02A")
        #expect(try answered(["102 H264", "104 AV1"]).isEmpty, "mode 0 is the default")
        #expect(try answered(["102 H264 packetization-mode=1"])[0].h264Profile == .baseline)
        #expect(try answered(["98 VP9"])[0].carried == .vp9)
    }

    @Test("a subscriber takes a track by its codec, in H.264 by its profile first, and keeps VP8 without it")
    func subscriberCodecs() throws {
        func section(_ codecs: [MediaSection.Codec]) -> MediaSection {
            var section = MediaSection(kind: .video, mid: "0")
            section.codecs = codecs
            return section
        }
        let all = MediaSection.offered(carrying: .h264)
        #expect(all.map(\.payloadType) == [102, 103, 104, 105, 96, 97])
        #expect(all.compactMap(\.carried) == [.h264, .h264, .vp8])
        let constrained = all[0], baseline = all[2], vp8 = all[4]
        #expect(section(all).codec(for: constrained)?.payloadType == 102)
        #expect(section(all).codec(for: baseline)?.payloadType == 104)
        #expect(section([vp8, constrained]).codec(for: baseline)?.payloadType == 102)
        #expect(section([vp8]).codec(for: constrained) == nil)
        #expect(MediaSection.offered(carrying: .vp8).map(\.payloadType) == [96, 97])
        #expect(MediaSection.offered(carrying: .vp9).map(\.payloadType) == [98, 99, 96, 97])
        #expect(MediaSection.offered(carrying: .opus).map(\.payloadType) == [111])
    }

    @Test("a section without a codec of ours is refused, and keeps its place")
    func refusedSection() throws {
        let text = Self.browserOffer.replacing("VP8/90000", with: "AV1/90000")
        let offer = try SessionDescription(parsing: text)
        let transport = LocalTransport(
            ufrag: "a", password: "b", fingerprint: try #require(DTLSFingerprint(text: Self.fingerprint)),
            candidates: [],
            isLite: true)
        let answer = offer.media[1].answer(transport, receives: true)
        #expect(answer.isRejected && answer.mid == "1")
    }

    @Test(
        "what can't be used is refused with the reason",
        arguments: [
            ("", "line 1"), ("hello", "Line 1"), ("v=0\r\n", "media section"),
            ("v=0\r\nm=video x UDP/TLS/RTP/SAVPF 96\r\n", "Line 2"), ("v=0\r\nm=text 9 RTP/AVP 0\r\n", "m=text"),
            ("v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 200\r\n", "below 128"),
        ])
    func refused(text: String, reason: String) {
        let error = #expect(throws: SDPError.self) { _ = try SessionDescription(parsing: text) }
        #expect(error?.description.lowercased().contains(reason.lowercased()) == true)
    }

    @Test("a candidate that every section of a bundle repeats is one candidate")
    func repeatedCandidates() throws {
        let transport = LocalTransport(
            ufrag: "abcd", password: String(repeating: "p", count: 24),
            fingerprint: try #require(DTLSFingerprint(text: Self.fingerprint)),
            candidates: [ICECandidate(host: NetworkAddress(ipv4: 0x7F00_0001, port: 7882))], isLite: true)
        var offer = SessionDescription()
        offer.media = (0..<65).map { index in
            MediaSection.offer(
                kind: .audio, mid: "\(index)", transport: transport, stream: "s", track: "t\(index)",
                source: .init(ssrc: UInt32(index + 1), rtx: nil, cname: "s"), codecs: MediaSection.offered(.opus))
        }
        offer.bundle = offer.media.map(\.mid)
        let read = try SessionDescription(parsing: offer.text())
        #expect(read.media.count == 65)
        #expect(try read.remoteTransport().candidates.map(\.address.port) == [7882])
    }

    @Test("of more candidates than are kept the first are taken, and the offer with them")
    func manyCandidates() throws {
        let lines = (1...60).map { "a=candidate:\($0) 1 udp 1 192.0.2.\($0) 9 typ host\r\n" }.joined()
        let offer = try SessionDescription(parsing: Self.browserOffer + lines)
        // Two of the offer's own came first, one of them with a name that is not looked up.
        #expect(offer.media[1].candidates.count == 19)
        #expect(offer.media[1].candidates.first?.address.description == "192.0.2.7:50000")
    }

    @Test("a section with port 0 is refused, unless it is there for the bundle alone")
    func bundleOnly() throws {
        let port = Self.browserOffer.replacing("m=video 9 ", with: "m=video 0 ")
        #expect(try SessionDescription(parsing: port).media.map(\.isRejected) == [false, true])
        let offer = try SessionDescription(parsing: port.replacing("a=mid:1\r\n", with: "a=mid:1\r\na=bundle-only\r\n"))
        #expect(offer.media.map(\.isRejected) == [false, false])
        let remote = try offer.remoteTransport()
        #expect(remote.ufrag == "4ZcD")
        let transport = LocalTransport(
            ufrag: "abcd", password: String(repeating: "p", count: 24), fingerprint: remote.fingerprint, candidates: [],
            isLite: true)
        let answer = offer.media[1].answer(transport, receives: true)
        #expect(!answer.isRejected && answer.direction == .recvonly)
        // Outside the bundle there is no transport for it.
        let alone = try SessionDescription(
            parsing: port.replacing("a=mid:1\r\n", with: "a=mid:1\r\na=bundle-only\r\n").replacing(
                "BUNDLE 0 1", with: "BUNDLE 0"))
        #expect(throws: SDPError.self) { _ = try alone.remoteTransport() }
    }

    @Test("sizes are bounded")
    func bounds() {
        let head = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"
        #expect(throws: SDPError.tooLarge) {
            _ = try SessionDescription(parsing: head + String(repeating: "a", count: SessionDescription.maximumBytes))
        }
        #expect(throws: SDPError.tooManyLines) {
            _ = try SessionDescription(parsing: head + String(repeating: "a=x\r\n", count: 8001))
        }
        #expect(throws: SDPError.tooManySections) {
            _ = try SessionDescription(parsing: "v=0\r\n" + String(repeating: "m=audio 9 X 111\r\n", count: 129))
        }
    }

    @Test("a transport needs its credentials, a fingerprint and a bundle")
    func missingParts() throws {
        for line in [
            "a=ice-ufrag:4ZcD\r\n", "a=fingerprint:\(Self.fingerprint)\r\n", "a=rtcp-mux\r\n", "a=group:BUNDLE 0 1\r\n",
        ] {
            let offer = try SessionDescription(parsing: Self.browserOffer.replacing(line, with: ""))
            #expect(throws: SDPError.self, "\(line)") { _ = try offer.remoteTransport() }
        }
    }

    @Test("hostile descriptions never trap")
    func hostile() {
        var random = SeededGenerator(5), parsed = 0
        let lines = Self.browserOffer.split(separator: "\r\n").map(String.init)
        for _ in 0..<3000 {
            var changed = lines
            for _ in 0..<Int.random(in: 1...5, using: &random) {
                let index = Int.random(in: 0..<changed.count, using: &random)
                switch random.next() % 4 {
                case 0: changed.remove(at: index)
                case 1: changed.insert(lines.randomElement(using: &random) ?? "", at: index)
                case 2: changed[index] = String(changed[index].prefix(Int.random(in: 0...12, using: &random)))
                default:
                    var bytes = Array(changed[index].utf8)
                    if !bytes.isEmpty {
                        bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(
                            in: 1...255, using: &random)
                    }
                    changed[index] = String(decoding: bytes, as: UTF8.self)
                }
                if changed.isEmpty { break }
            }
            if let offer = try? SessionDescription(parsing: changed.joined(separator: "\r\n")) {
                parsed += 1
                _ = try? offer.remoteTransport()
                _ = offer.media.map { $0.acceptedCodecs() }
            }
        }
        #expect(parsed > 500)
    }
}

extension String {
    /// What lies before a mark.
    fileprivate func components(before mark: String) -> String {
        guard let range = firstRange(of: mark) else { return self }
        return String(self[..<range.lowerBound])
    }
}
