import Dispatch
import Foundation
import Media
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import Control

@Suite("Where outputs may go")
struct OutputAddressTests {
    @Test("an address is a scheme, a host, a port and an application")
    func addresses() throws {
        let usual = try RTMPAddress("rtmps://studio.example:8445/live")
        #expect(usual.host == "studio.example" && usual.port == 8445 && usual.app == "live" && usual.isSecure)
        #expect(usual.serverName == "studio.example" && usual.url == "rtmps://studio.example:8445/live")
        #expect(usual.replacingApp("ingest/camera") == "rtmps://studio.example:8445/ingest/camera")
        #expect(try RTMPAddress("rtmps://example.org/live").port == 443)
        let plain = try RTMPAddress("RTMP://example.org/a/b/")
        #expect(plain.port == 1935 && plain.app == "a/b" && !plain.isSecure && plain.hasUsualPort)
        #expect(try RTMPAddress("rtmps://127.0.0.1:1/live").serverName == nil)
        #expect(try !RTMPAddress("rtmps://127.0.0.1:25/live").hasUsualPort)
        #expect(try RTMPAddress("rtmps://127.0.0.1.example:1/live").serverName == "127.0.0.1.example")
        #expect(try RTMPAddress("rtmps://[::1]:1/live").host == "::1")
    }

    @Test(
        "anything else is refused with a sentence that does not repeat it",
        arguments: [
            "", "live-key-9", "https://a/live-key-9", "rtmps:///live-key-9", "rtmps://a", "rtmps://a/",
            "rtmps://u:p@a/live-key-9", "rtmps://u@a/live-key-9", "rtmps://a/live-key-9?x=1", "rtmps://a:0/live-key-9",
            "rtmps://a:70000/live-key-9", "rtmps://a/live-key-9#x", "file:///etc/passwd", "rtmps://a\n/live-key-9",
        ])
    func refused(text: String) throws {
        do throws(RTMPAddress.Failure) {
            let address = try RTMPAddress(text)
            Issue.record("\(address)")
        } catch { #expect(!error.description.isEmpty && !error.description.contains("key-9")) }
    }

    @Test(
        "only addresses of the public internet are public",
        arguments: [
            ("8.8.8.8", true), ("1.1.1.1", true), ("172.15.0.1", true), ("172.32.0.1", true), ("100.63.0.1", true),
            ("192.169.0.1", true), ("223.255.255.1", true), ("0.0.0.0", false), ("10.1.2.3", false),
            ("100.64.0.1", false), ("100.127.255.255", false), ("127.0.0.1", false), ("127.9.9.9", false),
            ("169.254.169.254", false), ("172.16.0.1", false), ("172.31.255.255", false), ("192.168.1.1", false),
            ("192.0.2.1", false), ("198.18.0.1", false), ("224.0.0.1", false), ("240.0.0.1", false),
            ("255.255.255.255", false), ("2606:4700::1111", true), ("2a00:1450::1", true), ("::", false),
            ("::1", false), ("::ffff:10.0.0.1", false), ("::ffff:127.0.0.1", false), ("::10.0.0.1", false),
            ("64:ff9b::a00:1", false), ("fc00::1", false), ("fd12::1", false), ("fe80::1", false),
            ("ff02::1", false), ("2001::1", false), ("2001:db8::1", false), ("2002:a00:1::1", false),
        ])
    func isPublic(ip: String, expected: Bool) throws {
        #expect(try #require(NetworkAddress(ip: ip, port: 1)).isPublic == expected)
    }

    @Test("every form of an address is looked up to the same one")
    func lookup() async throws {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        for form in ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "::ffff:127.0.0.1"] {
            let found = try await HostLookup.addresses(of: form, port: 9, kind: .foreign, on: loop).get()
            #expect(found.map(\.ip) == ["127.0.0.1"] && found.allSatisfy { !$0.isPublic && $0.port == 9 }, "\(form)")
        }
    }

    /// What a lookup has brought.
    private final class Found: Sendable {
        private let box = Mutex<[NetworkAddress]?>(nil)
        var addresses: [NetworkAddress]? { box.withLock { $0 } }
        func put(_ addresses: [NetworkAddress]) { box.withLock { $0 = addresses } }
    }

    @Test(
        "an address waits for no other lookup",
        arguments: [
            ("127.0.0.1", "127.0.0.1:9"), ("127.1", "127.0.0.1:9"), ("192.0.2.7", "192.0.2.7:9"), ("::1", "[::1]:9"),
            ("2001:db8::7", "[2001:db8::7]:9"), ("::ffff:127.0.0.1", "127.0.0.1:9"),
        ])
    func literal(host: String, expected: String) async throws {
        let loop = MultiThreadedEventLoopGroup.singleton.next(), found = Found()
        // What another thread finds could come to this one only after the body has returned.
        let atOnce = try await loop.submit {
            HostLookup.addresses(of: host, port: 9, kind: .foreign, on: loop).whenSuccess { found.put($0) }
            return found.addresses
        }.get()
        #expect(atOnce?.map(\.description) == [expected])
    }

    @Test("this machine's own name, and hosts of the installation, wait for no name that nobody answers")
    func own() async throws {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let gate = DispatchSemaphore(value: 0)
        // Six lookups that last until the test has what it wants: more than there are threads for them.
        let hanging = (0..<6).map { number in
            HostLookup.addresses(of: "slow-\(number).example", port: 9, kind: .foreign, on: loop) { _ in
                gate.wait()
                return []
            }
        }
        for (host, kind) in [
            ("localhost", HostLookup.Kind.foreign), ("LOCALHOST.", .foreign), ("rtmp.localhost", .foreign),
            ("output-1", .own),
        ] {
            let found = try await HostLookup.addresses(of: host, port: 9, kind: kind, on: loop) { _ in
                [NetworkAddress(ipv4: 0x7F00_0001, port: 9)]
            }.get()
            #expect(found.map(\.ip) == ["127.0.0.1"], "\(host)")
        }
        for _ in hanging { gate.signal() }
        for lookup in hanging { #expect(try await lookup.get().isEmpty) }
    }

    @Test("a secret is described by nothing, and is taken out of what others say")
    func secret() throws {
        let secret = SecretText("abcd-efgh")
        var dumped = ""
        dump([secret], to: &dumped)
        for text in ["\(secret)", String(reflecting: [secret]), dumped] { #expect(!text.contains("efgh")) }
        #expect(secret.redacted(from: "no abcd-efgh, abcd-efgh!\u{7}") == "no (secret), (secret)!?")
        let data = try JSONEncoder().encode([secret])
        #expect(String(decoding: data, as: UTF8.self) == #"["abcd-efgh"]"#)
        #expect(try JSONDecoder().decode([SecretText].self, from: data) == [secret])
    }
}
