// How long pictures are to wait: its 24 bits, and who is offered it.

import Media
import Testing

@testable import RTC

@Suite("Playout delay")
struct PlayoutDelayTests {
    private static let fingerprint = "sha-256 " + Array(repeating: "AB", count: 32).joined(separator: ":")

    @Test("has the least wait in tens of milliseconds, and what a receiver has by itself as the longest")
    func writes() {
        var bytes = [UInt8](repeating: 0xAA, count: 4)
        #expect(bytes.withUnsafeMutableBytes { PlayoutDelay.write(leastMs: 280, to: $0) })
        // 28 and 1000 in 12 bits each.
        #expect(bytes == [0x01, 0xC3, 0xE8, 0xAA])
        #expect(PlayoutDelay.value(leastMs: 0) == 1000 && PlayoutDelay.value(leastMs: -5) == 1000)
        #expect(PlayoutDelay.value(leastMs: 11) >> 12 == 2 && PlayoutDelay.value(leastMs: .max) >> 12 == 1000)
        #expect(!bytes.withUnsafeMutableBytes { PlayoutDelay.write(leastMs: 1, to: .init(rebasing: $0[..<2])) })
        for wait in stride(from: 0, through: 10_000, by: 10) {
            #expect(bytes.withUnsafeMutableBytes { PlayoutDelay.write(leastMs: wait, to: $0) })
            #expect(bytes.withUnsafeBytes { PlayoutDelay.leastMs(.init(rebasing: $0[..<3])) } == wait)
        }
        #expect(bytes.withUnsafeBytes { PlayoutDelay.leastMs($0) } == nil)
    }

    @Test("is offered with pictures, taken from who wants to watch, and not asked of who sends")
    func agreed() throws {
        let local = LocalTransport(
            ufrag: "abcd", password: String(repeating: "p", count: 24),
            fingerprint: try #require(DTLSFingerprint(text: Self.fingerprint)), candidates: [], isLite: true)
        func offer(_ kind: MediaSection.Kind) -> MediaSection {
            .offer(
                kind: kind, mid: "0", transport: local, stream: "s", track: "t", source: .init(ssrc: 1, cname: "c"),
                codecs: MediaSection.offered(kind == .video ? .vp8 : .opus))
        }
        #expect(offer(.video).extensionID(RTPExtensionURI.playoutDelay) == OfferedIDs.playoutDelay)
        #expect(offer(.audio).extensionID(RTPExtensionURI.playoutDelay) == nil)
        #expect(offer(.video).answer(local, receives: true).extensionID(RTPExtensionURI.playoutDelay) == nil)
        var watching = offer(.video)
        watching.direction = .recvonly
        let answer = watching.answer(local, sending: .init(ssrc: 2, cname: "c"), stream: "s", track: "t")
        #expect(answer.extensionID(RTPExtensionURI.playoutDelay) == OfferedIDs.playoutDelay)
    }
}
