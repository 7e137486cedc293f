// Fragments of descriptions, as clients of WHIP send them and as strangers could.

import Media
import Testing

@testable import RTC

@Suite("Fragments of session descriptions")
struct ICEFragmentTests {
    private static let password = "2/1muCWoOi3uLifh0NuRHlFN"
    private static let browser = """
        a=group:BUNDLE 0 1\r
        m=audio 9 UDP/TLS/RTP/SAVPF 111\r
        a=mid:0\r
        a=ice-ufrag:4ZcD\r
        a=ice-pwd:\(password)\r
        a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw network-id 1\r
        a=candidate:3471623853 1 udp 2122194687 198.51.100.2 61765 typ host generation 0 ufrag EsAw network-id 2\r
        a=candidate:473322822 1 tcp 1518280447 192.0.2.1 9 typ host tcptype active generation 0\r
        a=candidate:1 1 udp 2122194687 0d5a6cf6-2fd5-4d49-a1b6-5f2e5f5d6a0e.local 61766 typ host\r
        a=end-of-candidates\r

        """

    @Test("name their generation, their candidates and their end; what we can't reach is stepped over")
    func reads() throws {
        let fragment = try ICEFragment(parsing: Self.browser)
        #expect(fragment.credentials == ICECredentials(ufrag: "4ZcD", password: Self.password))
        #expect(fragment.kind == .audio && fragment.mid == "0" && fragment.isComplete)
        #expect(fragment.candidates.map(\.address.port) == [61764, 61765, 9])
    }

    @Test("may stand without a section or a name, as an end alone does")
    func bare() throws {
        let end = try ICEFragment(parsing: "a=end-of-candidates\n")
        #expect(end.isComplete && end.credentials == nil && end.candidates.isEmpty)
        let session = try ICEFragment(parsing: "a=ice-ufrag:4ZcD\na=ice-pwd:\(Self.password)\nm=video 9 X 0\na=mid:v")
        #expect(session.credentials?.ufrag == "4ZcD" && session.kind == .video && session.mid == "v")
    }

    @Test("are written so that they read the same")
    func writes() throws {
        var fragment = try ICEFragment(parsing: Self.browser)
        fragment.candidates = fragment.candidates.map { .init(host: $0.address) }
        let again = try ICEFragment(parsing: fragment.text())
        #expect(again == fragment)
        #expect(fragment.text().hasSuffix("a=end-of-candidates\r\n"))
    }

    @Test("name a candidate once, whatever stands behind it")
    func repeated() throws {
        let line = "a=candidate:9 1 udp 1 192.0.2.1 1 typ relay"
        let fragment = try ICEFragment(parsing: "\(line)\n\(line) raddr 0.0.0.0 rport 0\n\(line) generation 1\n\(line)")
        #expect(fragment.candidates.count == 1)
        #expect(try ICEFragment(parsing: fragment.text()).candidates == fragment.candidates)
    }

    @Test("that are damaged or too large are refused with the line")
    func refusals() {
        func error(_ text: String) -> SDPError? { #expect(throws: SDPError.self) { try ICEFragment(parsing: text) } }
        #expect(error("") == .missing("a line"))
        #expect(error("hello") == .badLine(line: 1, expected: "a=name:value or m=kind port transport formats"))
        #expect(error("a=ice-ufrag:4ZcD") == .missing("a=ice-pwd beside its a=ice-ufrag"))
        #expect(
            error("a=mid:0\na=ice-ufrag:abc")
                == .badLine(line: 2, expected: "a user name fragment of 4 to 256 characters"))
        #expect(error("a=ice-pwd:short") == .badLine(line: 1, expected: "a password of 22 to 256 characters"))
        #expect(error("m=hologram 9 X 0") == .badLine(line: 1, expected: "m=kind port transport formats"))
        let two = "a=ice-ufrag:4ZcD\na=ice-pwd:\(Self.password)\n"
        #expect(
            error(two + "a=ice-ufrag:other\n") == .unsupported("sections with transports of their own"))
        let many = (0..<21).map { "a=candidate:1 1 udp 1 192.0.2.1 \(1000 + $0) typ host" }.joined(separator: "\n")
        #expect(error(many) == .badLine(line: 21, expected: "at most 20 candidates"))
        #expect(error(String(repeating: "a=x\n", count: 2001)) == .tooManyLines)
        #expect(error(String(repeating: "a", count: 70_000)) == .tooLarge)
        #expect(error(String(repeating: "m=audio 9 X 0\n", count: 129)) == .tooManySections)
    }

    @Test("never trap, whatever they hold")
    func hostile() {
        var taken = 0
        attack([Array(Self.browser.utf8), Array("a=ice-ufrag:4ZcD\r\na=ice-pwd:".utf8)]) { bytes in
            if let fragment = try? ICEFragment(parsing: String(decoding: bytes, as: UTF8.self)) {
                taken += 1
                #expect(fragment.candidates.count <= SessionDescription.maximumCandidates)
            }
        }
        #expect(taken > 0)
    }
}
