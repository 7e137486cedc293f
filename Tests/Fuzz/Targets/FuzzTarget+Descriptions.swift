// Session descriptions, and what becomes of them: a transport, and an answer.

import Media
import RTC

extension FuzzTarget {
    private static let fingerprint = "sha-256 " + Array(repeating: "AB", count: 32).joined(separator: ":")

    private static let offer =
        [
            "v=0", "o=- 4611731400430051336 2 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0 1", "a=ice-lite",
            "m=audio 9 UDP/TLS/RTP/SAVPF 111", "a=ice-ufrag:4ZcD", "a=ice-pwd:2/1muCWoOi3uLifh0NuRHlFN",
            "a=fingerprint:\(fingerprint)", "a=setup:actpass", "a=mid:0", "a=sendonly", "a=msid:s t", "a=rtcp-mux",
            "a=extmap:1/sendonly urn:ietf:params:rtp-hdrext:ssrc-audio-level", "a=rtpmap:111 opus/48000/2",
            "a=fmtp:111 minptime=10;useinbandfec=1", "a=ssrc:3735928559 cname:anna",
            "m=video 0 UDP/TLS/RTP/SAVPF 96 97 102 98", "a=bundle-only", "a=ice-ufrag:4ZcD",
            "a=ice-pwd:2/1muCWoOi3uLifh0NuRHlFN", "a=fingerprint:\(fingerprint)", "a=setup:actpass", "a=mid:1",
            "a=sendonly", "a=rtcp-mux", "a=rtpmap:96 VP8/90000", "a=rtcp-fb:* nack pli", "a=rtpmap:97 rtx/90000",
            "a=fmtp:97 apt=96", "a=rtpmap:102 H264/90000",
            "a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
            "a=rtpmap:98 VP9/90000", "a=fmtp:98 profile-id=0", "a=rid:h send pt=96", "a=rid:f send",
            "a=simulcast:send h;~f", "a=ssrc-group:FID 1001 1002", "a=ssrc:1001 cname:anna", "a=ssrc:1002 cname:anna",
            "a=candidate:1 1 udp 2122260223 192.0.2.7 50000 typ host generation 0",
            "a=candidate:2 1 tcp 2122260222 2001:db8::7 9 typ host tcptype active",
        ].joined(separator: "\r\n") + "\r\n"

    static let sdp = FuzzTarget("sdp") {
        [
            Array(offer.utf8), Array(offer.prefix(600).utf8),
            Array("v=0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n".utf8),
        ]
    } run: { bytes in
        guard let description = try? SessionDescription(parsing: String(decoding: bytes, as: UTF8.self)) else { return }
        guard let remote = try? description.remoteTransport() else { return }
        let local = LocalTransport(
            ufrag: "abcdefgh", password: "abcdefghijklmnopqrstuvwx", fingerprint: remote.fingerprint, candidates: [],
            isLite: true)
        var answer = SessionDescription()
        answer.media = description.media.map { $0.answer(local, receives: true) }
        answer.bundle = answer.media.filter { !$0.isRejected }.map(\.mid)
        // Whatever was offered, our answer is one that we would read.
        let again = try? SessionDescription(parsing: answer.text())
        never(again == nil, "an answer that can't be read")
        never(again?.media.map(\.isRejected) != answer.media.map(\.isRejected), "other sections are refused")
        _ = description.answerReceiving(local, from: remote, version: 2).text()
    }
}
