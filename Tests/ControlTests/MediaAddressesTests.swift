// Which addresses an SFU may be told to announce, and what is said of those that it may not.

import Media
import Testing

@testable import Control

@Suite("Media addresses")
struct MediaAddressesTests {
    private func read(_ announced: String, media: String = "", bind: String = "0.0.0.0") throws -> MediaAddresses {
        try MediaAddresses(announced: announced, mediaBind: media, publicBind: bind, port: 7882)
    }

    @Test("one address or several, of both families, with ports that a NAT gives")
    func good() throws {
        let one = try read("203.0.113.5")
        #expect(one.announced.map(\.description) == ["203.0.113.5:0"] && one.bind.description == "0.0.0.0:7882")
        let both = try read(" 8.8.8.8:7000 , [2606:4700::1111]:7001,2606:4700::1112 ,[2606:4700::1113]")
        #expect(
            both.announced.map(\.description) == [
                "8.8.8.8:7000", "[2606:4700::1111]:7001", "[2606:4700::1112]:0", "[2606:4700::1113]:0",
            ])
        #expect(both.bind.description == "[::]:7882", "both families are bound where IPv6 is announced")
        #expect(both.warnings.isEmpty)
        #expect(try read("", bind: "127.0.0.1").announced.map(\.ip) == ["127.0.0.1"])
        #expect(try read("::1", media: "::1", bind: "127.0.0.1").bind.description == "[::1]:7882")
        #expect(try read("", media: "::1", bind: "127.0.0.1").announced.map(\.ip) == ["::1"])
    }

    @Test(
        "what is no address, or one that nobody reaches, is refused and named",
        arguments: [
            "studio.example", "300.1.1.1", "8.8.8.8:0", "8.8.8.8:65536", "8.8.8.8:", "[::1", "[2606:4700::1]7",
            "[8.8.8.8]:x",
            "0.0.0.0", "::", "8.8.8.8,", ",", "8.8.8.8,8.8.8.8", "224.0.0.1", "ff02::1", "fe80::1", "169.254.1.1",
            "1.1.1.1,1.1.1.2,1.1.1.3,1.1.1.4,1.1.1.5,1.1.1.6,1.1.1.7,1.1.1.8,1.1.1.9",
        ])
    func bad(text: String) throws {
        let refusal = #expect(throws: MediaAddresses.Refusal.self) { try read(text, media: "::") }
        #expect(refusal?.description.hasPrefix("media-address") == true)
    }

    @Test("a wildcard that would be announced is refused, because it is nobody's address")
    func wildcard() {
        for bind in ["0.0.0.0", "::"] {
            let refusal = #expect(throws: MediaAddresses.Refusal.self) { try read("", bind: bind) }
            #expect(refusal?.description.contains("media-address is needed") == true)
        }
    }

    @Test("a family that is announced and not bound is refused")
    func families() {
        #expect(throws: MediaAddresses.Refusal.self) { try read("2606:4700::1", bind: "192.0.2.1") }
        #expect(throws: MediaAddresses.Refusal.self) { try read("8.8.8.8", media: "2606:4700::1") }
        #expect(throws: MediaAddresses.Refusal.self) { try read("8.8.8.8", media: "not an address") }
        #expect(throws: Never.self) { try read("8.8.8.8", media: "::") }
    }

    @Test("a private address beside a public one, and loopback beside others, are warned of")
    func warnings() throws {
        #expect(try read("8.8.8.8,192.168.1.2").warnings.count == 1)
        #expect(try read("192.168.1.2,10.0.0.1").warnings.isEmpty, "a house of its own")
        #expect(try read("8.8.8.8", bind: "127.0.0.1").warnings.count == 1)
        #expect(try read("127.0.0.1", bind: "0.0.0.0").warnings.count == 1)
    }
}
