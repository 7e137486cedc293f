import Media
import Testing

@Suite("Network addresses")
struct NetworkAddressTests {
    @Test(
        "limits count an IPv4 address by itself, however it is written, and the addresses of an IPv6 host together",
        arguments: [
            ("192.0.2.7", "192.0.2.7"), ("::ffff:192.0.2.7", "192.0.2.7"), ("127.0.0.1", "127.0.0.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"), ("2001:db8:1:2::", "2001:db8:1:2::/64"),
            ("2001:db8:1:3::6", "2001:db8:1:3::/64"), ("::1", "::/64"), ("fe80::1%eth0", "fe80::/64"),
            ("local", "local"), ("", ""), ("300.1.1.1", "300.1.1.1"),
        ])
    func networks(ip: String, network: String) {
        #expect(NetworkAddress.network(of: ip) == network)
    }

    @Test("the unit of a limit has no port, and is not the address where that is longer")
    func units() throws {
        let one = try #require(NetworkAddress(ip: "2001:db8::1", port: 5)), other = NetworkAddress(ipv4: 9, port: 6)
        #expect(one.network != one && one.network == NetworkAddress(ip: "2001:db8::2", port: 7)?.network)
        #expect(other.network == NetworkAddress(ipv4: 9, port: 8).network)
        #expect(other.network != NetworkAddress(ipv4: 10, port: 6).network)
    }
}
