// Addresses that lead to a port, and such that do not: on loopback, all of which is this machine's.

import Media
import Testing

@testable import PacketIO

@Suite("What leads to a port")
struct ReachCheckTests {
    private let here = NetworkAddress(ipv4: 0x7F00_0001, port: 0), beside = NetworkAddress(ipv4: 0x7F00_0002, port: 0)

    @Test("an address that leads to the port is not named, one that leads past it is")
    func found() throws {
        #expect(try ReachCheck.unreached([here], bind: here).isEmpty)
        #expect(try ReachCheck.unreached([beside, here], bind: here, patienceMs: 100) == [beside])
        let wildcard = NetworkAddress(ipv4: 0, port: 0)
        #expect(try ReachCheck.unreached([here, beside], bind: wildcard).isEmpty)
    }

    @Test("an address with a port of somebody else leads to them")
    func strangers() throws {
        let stranger = try UDPSocket(here)
        #expect(try ReachCheck.unreached([stranger.address], bind: here, patienceMs: 100) == [stranger.address])
    }

    @Test("a port that somebody has is an error, and one that was looked at is free again")
    func taken() throws {
        let stranger = try UDPSocket(here)
        #expect(throws: SocketError.self) { try ReachCheck.unreached([here], bind: stranger.address) }
        var free = NetworkAddress(ipv4: 0x7F00_0001, port: 0)
        do { free = try UDPSocket(here).address }
        #expect(try ReachCheck.unreached([free], bind: free).isEmpty)
        #expect(try UDPSocket(free).address == free)
    }
}
