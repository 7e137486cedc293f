// ICE-lite: who is answered, who is not, and where media goes.

import Media
import Testing

@testable import RTC

@Suite("ICE")
struct ICETests {
    private let local = ICECredentials(ufrag: "server12", password: "passwordpasswordpasswor")
    private let near = NetworkAddress(ipv4: 0x0A00_0001, port: 1), far = NetworkAddress(ipv4: 0x0A00_0002, port: 2)
    private let now = MonotonicTime(milliseconds: 10)

    private func check(
        user: String = "server12:peer", password: String? = "passwordpasswordpasswor", nominates: Bool = false,
        isControlling: Bool = true
    ) -> [UInt8] {
        var builder = STUNBuilder(.request, transaction: .random())
        if !user.isEmpty { builder.username(user) }
        builder.role(isControlling: isControlling, tieBreaker: 1)
        if nominates { builder.useCandidate() }
        return builder.finish(password: password)
    }

    private func run(
        _ agent: inout ICEServerAgent, _ bytes: [UInt8], from source: NetworkAddress
    ) throws -> (ICEInput, STUNMessage?) {
        var reply: [UInt8]?
        let message = try STUNMessage(bytes)
        let result = bytes.withUnsafeBytes { agent.receive($0, message, from: source, now: now, reply: &reply) }
        return (result, try reply.map { try STUNMessage($0) })
    }

    @Test("a check with the right credential gets its address back and becomes valid")
    func goodCheck() throws {
        var agent = ICEServerAgent(local: local)
        let (result, reply) = try run(&agent, check(), from: near)
        #expect(result == .accepted && reply?.kind == .success && reply?.mappedAddress == near)
        #expect(agent.paths.isValidated(near) && !agent.paths.isValidated(far))
    }

    @Test("checks without or with wrong credentials get 400 and 401 and change nothing")
    func badChecks() throws {
        var agent = ICEServerAgent(local: local)
        #expect(try run(&agent, check(user: ""), from: near).1?.errorCode == 400)
        #expect(try run(&agent, check(password: nil), from: near).1?.errorCode == 400)
        #expect(try run(&agent, check(password: "wrong"), from: near).1?.errorCode == 401)
        #expect(try run(&agent, check(user: "other:peer"), from: near).1?.errorCode == 401)
        #expect(!agent.paths.isValidated(near) && agent.selected == nil && agent.paths.addresses.isEmpty)
    }

    @Test("a peer that thinks it is controlled gets 487")
    func roleConflict() throws {
        var agent = ICEServerAgent(local: local)
        #expect(try run(&agent, check(isControlling: false), from: near).1?.errorCode == 487)
    }

    @Test("the nominated address wins, then the one that authentic media comes from")
    func nomination() throws {
        var agent = ICEServerAgent(local: local)
        _ = try run(&agent, check(), from: near)
        _ = try run(&agent, check(nominates: true), from: far)
        #expect(agent.selected == far)
        agent.noteMedia(from: near, now: now)
        #expect(agent.selected == near)
        agent.noteMedia(from: far, now: now.advanced(byMilliseconds: 10))
        #expect(agent.selected == near, "at most one move a second")
        agent.noteMedia(from: NetworkAddress(ipv4: 9, port: 9), now: now.advanced(byMilliseconds: 5000))
        #expect(agent.selected == near, "an address without a check is never followed")
    }

    @Test("consent ends 30 s after the last check; addresses are bounded")
    func bounds() throws {
        var agent = ICEServerAgent(local: local)
        for port in UInt16(1)...50 { _ = try run(&agent, check(), from: NetworkAddress(ipv4: 7, port: port)) }
        #expect((UInt16(1)...50).filter { agent.paths.isValidated(NetworkAddress(ipv4: 7, port: $0)) }.count == 8)
        #expect(agent.paths.isValidated(NetworkAddress(ipv4: 7, port: 1)), "the selected one stays")
        agent.expire(now: now.advanced(byMilliseconds: 29_999))
        #expect(agent.selected != nil)
        agent.expire(now: now.advanced(byMilliseconds: 30_000))
        #expect(agent.selected == nil && agent.paths.addresses.isEmpty)
    }
}

@Suite("ICE candidates")
struct ICECandidateTests {
    @Test("candidates by UDP and TCP are read and written; what can't be used is left alone")
    func text() throws {
        let passive = "3 1 tcp 1518280447 192.0.2.1 7882 typ host tcptype passive"
        let read = try #require(ICECandidate(text: passive))
        #expect(read.tcpType == .passive && read.isReachable && read.text == passive)
        #expect(read.address == NetworkAddress(ip: "192.0.2.1", port: 7882, transport: .tcp))
        let active = try #require(
            ICECandidate(text: "9 1 TCP 1518280447 2001:db8::7 9 typ host tcptype active generation 0"))
        #expect(active.tcpType == .active && !active.isReachable)
        let plain = "1 1 udp 2130706431 192.0.2.1 7882 typ host"
        #expect(try #require(ICECandidate(text: plain)).text == plain)
        for bad in [
            "3 1 tcp 1 192.0.2.1 7882 typ host", "3 1 tcp 1 192.0.2.1 7882 typ host tcptype",
            "3 1 tcp 1 192.0.2.1 7882 typ host tcptype upside-down",
            "3 1 sctp 1 192.0.2.1 7882 typ host tcptype passive",
            "3 2 tcp 1 192.0.2.1 7882 typ host tcptype passive", "3 1 tcp 1 192.0.2.1 0 typ host tcptype passive",
            "3 1 tcp 1 name.local 7882 typ host tcptype passive",
        ] { #expect(ICECandidate(text: bad) == nil, "\(bad)") }
    }

    @Test("any address by UDP goes before any by TCP")
    func priorities() {
        let place = NetworkAddress(ipv4: 1, port: 1)
        let last = ICECandidate(host: place, localPreference: 0), first = ICECandidate(host: place.by(.tcp))
        #expect(last.priority > first.priority && last.foundation != first.foundation)
    }

    /// The addresses to which a client has sent checks until a moment.
    private func checked(_ candidates: [ICECandidate], milliseconds: Int64) -> [NetworkAddress] {
        var agent = ICEClientAgent(local: .random(), remote: .random(), candidates: candidates)
        agent.start(now: MonotonicTime(milliseconds: 0))
        for moment in stride(from: Int64(0), through: milliseconds, by: 20) {
            agent.handleTimeout(now: MonotonicTime(milliseconds: moment))
        }
        return agent.takeOutgoing().map(\.0)
    }

    @Test("a client tries TCP when UDP has had a second, or when there is nothing else")
    func order() {
        let place = NetworkAddress(ipv4: 1, port: 1)
        let both = [ICECandidate(host: place.by(.tcp)), ICECandidate(host: place)]
        #expect(Set(checked(both, milliseconds: 900)) == [place])
        #expect(Set(checked(both, milliseconds: 2000)) == [place, place.by(.tcp)])
        #expect(Set(checked([both[0]], milliseconds: 100)) == [place.by(.tcp)])
    }
}

/// Two transports and the line between them, in virtual time.
final class PeerPair {
    let client: PeerTransport, server: PeerTransport
    var clientAddress = NetworkAddress(ipv4: 0x0A00_0001, port: 1000)
    let serverAddress = NetworkAddress(ipv4: 0x0A00_0002, port: 7882)
    var now = MonotonicTime(milliseconds: 0)
    var received: [PeerInput] = [], payloads: [[UInt8]] = []
    var random: SeededGenerator, lossPercent: Int

    init(seed: UInt64 = 1, lossPercent: Int = 0, serverRole: DTLSEndpoint.Role = .server) throws {
        let one = try #require(DTLSIdentity()), two = try #require(DTLSIdentity())
        client = PeerTransport(identity: one, isServer: false)
        server = PeerTransport(identity: two, isServer: true)
        random = SeededGenerator(seed)
        self.lossPercent = lossPercent
        func remote(_ local: LocalTransport, _ setup: MediaSection.Setup) -> RemoteTransport {
            RemoteTransport(
                ufrag: local.ufrag, password: local.password, fingerprint: local.fingerprint, setup: setup,
                candidates: local.candidates)
        }
        server.connect(remote(client.local(candidates: []), .active), role: serverRole, now: now)
        client.connect(
            remote(server.local(candidates: [ICECandidate(host: serverAddress)]), .passive),
            role: serverRole == .server ? .client : .server, now: now)
    }

    func step(_ milliseconds: Int64 = 10) {
        deliver(client.takeOutgoing().map(\.1), to: server, from: clientAddress)
        deliver(server.takeOutgoing().map(\.1), to: client, from: serverAddress)
        now = now.advanced(byMilliseconds: milliseconds)
        client.handleTimeout(now: now)
        server.handleTimeout(now: now)
    }

    func deliver(_ datagrams: [[UInt8]], to peer: PeerTransport, from source: NetworkAddress) {
        for var datagram in datagrams where Int.random(in: 0..<100, using: &random) >= lossPercent {
            let input = datagram.withUnsafeMutableBytes { peer.receive($0, from: source, now: now) }
            if case .handled = input { continue }
            received.append(input)
            if case .rtp(let header, let length, _) = input {
                payloads.append(Array(datagram[header.payloadOffset..<length]))
            }
        }
    }
}

@Suite("Peer transport")
struct PeerTransportTests {
    @Test("client and server connect over ICE and DTLS, whoever begins DTLS", arguments: [true, false])
    func connect(serverWaits: Bool) throws {
        let pair = try PeerPair(serverRole: serverWaits ? .server : .client)
        while pair.now.milliseconds < 5000, pair.client.state != .connected || pair.server.state != .connected {
            pair.step()
        }
        #expect(pair.client.state == .connected && pair.server.state == .connected)
        #expect(pair.now.milliseconds < 500)
        #expect(pair.server.selected == pair.clientAddress)
        pair.client.send([.pictureLoss(.init(sender: 1, media: 2))])
        pair.step()
        guard case .rtcp(let packets) = pair.received.last else {
            Issue.record("no RTCP arrived: \(pair.received)")
            return
        }
        #expect(packets == [.pictureLoss(.init(sender: 1, media: 2))])
    }

    @Test("a ClientHello that comes before the answer is kept for it")
    func earlyHello() throws {
        let one = try #require(DTLSIdentity()), two = try #require(DTLSIdentity())
        let client = PeerTransport(identity: one, isServer: false),
            server = PeerTransport(identity: two, isServer: true)
        let near = NetworkAddress(ipv4: 1, port: 1), far = NetworkAddress(ipv4: 2, port: 2)
        var now = MonotonicTime(milliseconds: 0)
        func remote(_ local: LocalTransport) -> RemoteTransport {
            RemoteTransport(
                ufrag: local.ufrag, password: local.password, fingerprint: local.fingerprint, setup: .active,
                candidates: local.candidates)
        }
        client.connect(remote(server.local(candidates: [ICECandidate(host: far)])), role: .client, now: now)
        while now.milliseconds < 90, client.state != .connected || server.state != .connected {
            for var datagram in client.takeOutgoing().map(\.1) {
                datagram.withUnsafeMutableBytes { _ = server.receive($0, from: near, now: now) }
            }
            if now.milliseconds == 50 { server.connect(remote(client.local(candidates: [])), role: .server, now: now) }
            for var datagram in server.takeOutgoing().map(\.1) {
                datagram.withUnsafeMutableBytes { _ = client.receive($0, from: far, now: now) }
            }
            now = now.advanced(byMilliseconds: 5)
        }
        #expect(client.state == .connected && server.state == .connected, "before any flight was sent again")
    }

    @Test("a line that loses a third only delays it", arguments: 1...10)
    func lossy(seed: Int) throws {
        let pair = try PeerPair(seed: UInt64(seed), lossPercent: 33)
        while pair.now.milliseconds < 29_000, pair.client.state != .connected || pair.server.state != .connected {
            pair.step()
        }
        #expect(pair.client.state == .connected && pair.server.state == .connected)
    }

    @Test("consent keeps both alive for an hour; without it nothing is sent after 30 s, and all is over after a minute")
    func consent() throws {
        let pair = try PeerPair()
        while pair.now.milliseconds < 3_600_000 { pair.step(500) }
        #expect(pair.client.state == .connected && pair.server.state == .connected)
        pair.lossPercent = 100
        while pair.now.milliseconds < 3_636_000 { pair.step(500) }
        #expect(pair.client.state == .closed && pair.server.state == .connected && pair.server.selected == nil)
        pair.server.send([.pictureLoss(.init(sender: 1, media: 2))])
        #expect(
            pair.server.takeOutgoing().isEmpty, "nothing goes to somebody who has not said for 30 s that they want it")
        while pair.now.milliseconds < 3_670_000 { pair.step(500) }
        #expect(pair.server.state == .closed)
        #expect(pair.server.closeReason.contains("consent"))
    }

    @Test("DTLS and media from an address without a check are dropped")
    func strangers() throws {
        let pair = try PeerPair()
        while pair.now.milliseconds < 2000, pair.client.state != .connected { pair.step() }
        let stranger = NetworkAddress(ipv4: 66, port: 6)
        pair.deliver([[22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]], to: pair.server, from: stranger)
        guard case .dropped(.earlyDTLS) = pair.received.last else {
            Issue.record("taken: \(pair.received)")
            return
        }
        pair.deliver([[0x80, 96] + [UInt8](repeating: 1, count: 60)], to: pair.server, from: stranger)
        guard case .dropped(.notAuthentic) = pair.received.last else {
            Issue.record("taken: \(pair.received)")
            return
        }
        #expect(pair.server.selected == pair.clientAddress)
    }

    @Test("noise on a live transport is dropped with a reason and harms nothing")
    func noise() throws {
        let pair = try PeerPair()
        while pair.now.milliseconds < 2000, pair.client.state != .connected || pair.server.state != .connected {
            pair.step()
        }
        let count = pair.received.count
        var fed = 0
        attack(
            [[0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42], [22, 254, 253], [0x80, 96], [0x80, 200], [255]], rounds: 3000
        ) { bytes in
            fed += 1
            pair.deliver([bytes], to: pair.server, from: pair.clientAddress)
        }
        let dropped = pair.received.dropFirst(count).filter { if case .dropped = $0 { true } else { false } }
        #expect(dropped.count > fed / 2)
        #expect(pair.server.state == .connected)
        pair.client.send([.pictureLoss(.init(sender: 1, media: 2))])
        pair.step()
        let arrived = pair.received.contains { if case .rtcp = $0 { true } else { false } }
        #expect(arrived, "the transport is dead")
    }
}
