// Two DTLS endpoints in memory, in virtual time, over a line that loses and shuffles.

import Media
import Testing

@testable import RTC

@Suite("DTLS")
struct DTLSTests {
    /// Runs a handshake; `deliver` decides what happens to each datagram on its way.
    private func run(
        _ client: DTLSEndpoint, _ server: DTLSEndpoint, limitMs: Int64 = 60_000,
        deliver: (_ toServer: Bool, _ datagrams: [[UInt8]]) -> [[UInt8]]
    ) -> Int64 {
        var now = MonotonicTime(milliseconds: 1000)
        client.start(now: now)
        while now.milliseconds < limitMs {
            for datagram in deliver(true, client.takeOutgoing()) {
                datagram.withUnsafeBytes { server.receive($0, now: now) }
            }
            for datagram in deliver(false, server.takeOutgoing()) {
                datagram.withUnsafeBytes { client.receive($0, now: now) }
            }
            if client.state != .handshaking, server.state != .handshaking { break }
            now = now.advanced(byMilliseconds: 10)
            client.handleTimeout(now: now)
            server.handleTimeout(now: now)
        }
        return now.milliseconds - 1000
    }

    private func pair() throws -> (client: DTLSEndpoint, server: DTLSEndpoint) {
        let one = try #require(DTLSIdentity()), two = try #require(DTLSIdentity())
        return (
            DTLSEndpoint(identity: one, role: .client, remoteFingerprint: two.fingerprint),
            DTLSEndpoint(identity: two, role: .server, remoteFingerprint: one.fingerprint)
        )
    }

    @Test("both sides agree on GCM and on the same keys")
    func handshake() throws {
        let (client, server) = try pair()
        let took = run(client, server) { $1 }
        #expect(client.state == .connected && server.state == .connected)
        #expect(took < 50)
        #expect(client.localKeys?.profile == .aeadAES128GCM)
        #expect(client.localKeys?.key == server.remoteKeys?.key && client.localKeys?.salt == server.remoteKeys?.salt)
        #expect(client.remoteKeys?.key == server.localKeys?.key)
        #expect(client.localKeys?.key != client.remoteKeys?.key)
        #expect(client.deadline == nil && server.deadline == nil)
    }

    @Test("loss and disorder delay the handshake, and no more", arguments: 1...20)
    func lossyLine(seed: Int) throws {
        let (client, server) = try pair()
        var random = SeededGenerator(UInt64(seed))
        let took = run(client, server) { _, datagrams in
            datagrams.filter { _ in Int.random(in: 0..<100, using: &random) >= 30 }.shuffled(using: &random)
        }
        #expect(client.state == .connected && server.state == .connected)
        #expect(took < 30_000)
        #expect(client.localKeys?.key == server.remoteKeys?.key)
    }

    @Test("a silent peer is called at 100 ms, doubling, until OpenSSL gives up")
    func backoff() throws {
        let (client, _) = try pair()
        var now = MonotonicTime(milliseconds: 0), sent: [Int64] = []
        client.start(now: now)
        while client.state == .handshaking, now.milliseconds < 100_000 {
            if !client.takeOutgoing().isEmpty { sent.append(now.milliseconds) }
            now = now.advanced(byMilliseconds: 10)
            client.handleTimeout(now: now)
        }
        #expect(sent.prefix(7) == [0, 100, 300, 700, 1500, 3100, 6300])
        #expect(client.state == .failed)
    }

    @Test("a ClientHello in fragments is put together, in either order", arguments: [false, true])
    func fragmentedClientHello(reversed: Bool) throws {
        let (client, server) = try pair()
        var isFirst = true
        _ = run(client, server) { toServer, datagrams in
            guard toServer, isFirst, let hello = datagrams.first else { return datagrams }
            isFirst = false
            let pieces = split(hello)
            #expect(pieces.count == 3)
            return reversed ? pieces.reversed() : pieces
        }
        #expect(server.state == .connected && client.state == .connected)
    }

    @Test("a certificate that the description does not name is refused")
    func wrongFingerprint() throws {
        let one = try #require(DTLSIdentity()), two = try #require(DTLSIdentity()), other = try #require(DTLSIdentity())
        let client = DTLSEndpoint(identity: one, role: .client, remoteFingerprint: other.fingerprint)
        let server = DTLSEndpoint(identity: two, role: .server, remoteFingerprint: one.fingerprint)
        _ = run(client, server) { $1 }
        #expect(client.state == .failed)
        #expect(client.localKeys == nil)
        #expect(client.failure.contains("certificate"))
    }

    @Test("close reaches the peer")
    func close() throws {
        let (client, server) = try pair()
        _ = run(client, server) { $1 }
        client.close()
        for datagram in client.takeOutgoing() {
            datagram.withUnsafeBytes { server.receive($0, now: MonotonicTime(milliseconds: 9000)) }
        }
        #expect(server.state == .closed)
    }

    @Test("noise before, in and after the handshake changes nothing")
    func noise() throws {
        let (client, server) = try pair()
        var random = SeededGenerator(3)
        _ = run(client, server) { _, datagrams in
            datagrams.flatMap { datagram -> [[UInt8]] in
                var changed = datagram
                changed[Int.random(in: 13..<datagram.count, using: &random)] ^= 0x55
                let junk = [22, 254, 253] + (0..<60).map { _ in UInt8.random(in: 0...255, using: &random) }
                // Encrypted records are changed; the plain ones of the first flights can't be told from real ones.
                return datagram.count > 4 && datagram[3] == 0 && datagram[4] == 1
                    ? [junk, changed, datagram] : [junk, datagram]
            }
        }
        #expect(client.state == .connected && server.state == .connected)
    }

    @Test("a fingerprint is read from a description and written back")
    func fingerprintText() throws {
        let identity = try #require(DTLSIdentity())
        let text = identity.fingerprint.text
        #expect(DTLSFingerprint(text: text) == identity.fingerprint)
        #expect(DTLSFingerprint(text: text.lowercased()) == identity.fingerprint)
        for bad in ["", "sha-256", "sha-1 AA:BB", "sha-256 AA", text + ":00", text.replacing(":", with: ";")] {
            #expect(DTLSFingerprint(text: bad) == nil)
        }
    }

    /// Splits the single handshake message of a record into three fragments with their own records.
    private func split(_ datagram: [UInt8]) -> [[UInt8]] {
        guard datagram.count > 60, datagram[0] == 22 else { return [datagram] }
        let message = Array(datagram[13...]), body = Array(message[12...])
        let cuts = [0, body.count / 3, body.count * 2 / 3, body.count]
        return (0..<3).map { part in
            let piece = Array(body[cuts[part]..<cuts[part + 1]])
            var handshake = ByteWriter()
            handshake.append(message[0..<6])
            handshake.u24(UInt32(cuts[part]))
            handshake.u24(UInt32(piece.count))
            handshake.append(piece)
            var record = ByteWriter()
            record.append(datagram[0..<10])
            record.u8(UInt8(part))
            record.u16(UInt16(handshake.count))
            record.append(handshake.bytes)
            return record.bytes
        }
    }
}
