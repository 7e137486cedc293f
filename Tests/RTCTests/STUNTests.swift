// STUN against the vectors of RFC 5769, and against hostile bytes.

import Media
import Testing

@testable import RTC

@Suite("STUN")
struct STUNTests {
    static let password = "VOkJxbRl1RmTxUk/WvJxBt"
    static let request = hex(
        """
        00010058 2112a442 b7e7a701bc34d686fa87dfae 80220010 5354554e207465737420636c69656e74
        00240004 6e0001ff 80290008 932ff9b151263b36 00060009 6576746a3a68367659202020
        00080014 9aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2 80280004 e57a3bcf
        """)
    static let response4 = hex(
        """
        0101003c 2112a442 b7e7a701bc34d686fa87dfae 8022000b 7465737420766563746f7220 00200008 0001a147e112a643
        00080014 2b91f599fd9e90c38c7489f92af9ba53f06be7d7 80280004 c07d4c96
        """)
    static let response6 = hex(
        """
        01010048 2112a442 b7e7a701bc34d686fa87dfae 8022000b 7465737420766563746f7220
        00200014 0002a1470113a9faa5d3f179bc25f4b5bed2b9d9
        00080014 a382954e4be67bf11784c97c8292c275bfe3ed41 80280004 c8fb0b4c
        """)

    @Test("the sample request of RFC 5769 is read and authenticated")
    func sampleRequest() throws {
        let message = try STUNMessage(Self.request)
        #expect(message.kind == .request)
        #expect(message.username.map { String(decoding: $0, as: UTF8.self) } == "evtj:h6vY")
        #expect(message.priority == 0x6E00_01FF)
        #expect(message.controlled == 0x932F_F9B1_5126_3B36)
        #expect(message.hasFingerprint)
        #expect(Self.request.withUnsafeBytes { message.isAuthentic($0, password: Self.password) })
        #expect(!Self.request.withUnsafeBytes { message.isAuthentic($0, password: "VOkJxbRl1RmTxUk/WvJxBs") })
    }

    @Test("the sample responses of RFC 5769 give their mapped addresses")
    func sampleResponses() throws {
        let four = try STUNMessage(Self.response4)
        #expect(four.mappedAddress == NetworkAddress(ip: "192.0.2.1", port: 32853))
        #expect(Self.response4.withUnsafeBytes { four.isAuthentic($0, password: Self.password) })
        let six = try STUNMessage(Self.response6)
        #expect(six.mappedAddress == NetworkAddress(ip: "2001:db8:1234:5678:11:2233:4455:6677", port: 32853))
        #expect(Self.response6.withUnsafeBytes { six.isAuthentic($0, password: Self.password) })
    }

    @Test("what the builder writes, the parser reads", arguments: ["198.51.100.7", "2001:db8::9"])
    func roundTrip(ip: String) throws {
        let address = try #require(NetworkAddress(ip: ip, port: 4711))
        let id = STUNTransaction.random()
        var builder = STUNBuilder(.request, transaction: id)
        builder.username("server:client")
        builder.priority(77)
        builder.useCandidate()
        builder.role(isControlling: true, tieBreaker: 99)
        builder.mappedAddress(address)
        let bytes = builder.finish(password: "secret")
        let message = try STUNMessage(bytes)
        #expect(message.transaction == id)
        #expect(message.useCandidate && message.hasFingerprint)
        #expect(message.controlling == 99 && message.priority == 77)
        #expect(message.mappedAddress == address)
        #expect(bytes.withUnsafeBytes { message.isAuthentic($0, password: "secret") })
    }

    @Test("every changed bit breaks the fingerprint or the integrity")
    func changedBits() throws {
        for bit in 0..<Self.request.count * 8 {
            var bytes = Self.request
            bytes[bit / 8] ^= 1 << UInt8(bit % 8)
            let isTaken =
                (try? STUNMessage(bytes)).map { message in
                    message.hasFingerprint && bytes.withUnsafeBytes { message.isAuthentic($0, password: Self.password) }
                } ?? false
            #expect(!isTaken, "bit \(bit)")
        }
    }

    @Test("hostile bytes never trap")
    func hostile() {
        var parsed = 0
        attack([Self.request, Self.response4, Self.response6]) { bytes in
            guard let message = try? STUNMessage(bytes) else { return }
            parsed += 1
            _ = bytes.withUnsafeBytes { message.isAuthentic($0, password: "x") }
        }
        #expect(parsed > 0)
    }
}
