// The way to one peer: ICE, DTLS and SRTP put together, without a socket or a clock.

public import Media

/// What a datagram turned out to be.
public enum PeerInput: Sendable {
    /// Taken care of: STUN or DTLS.
    case handled
    /// An RTP packet, decrypted in place: its header, its length, its 48-bit index.
    case rtp(RTPHeader, length: Int, index: Int64)
    /// RTCP messages.
    case rtcp([RTCPPacket])
    /// Dropped, to be counted.
    case dropped(DropReason)
}

/// A transport to one peer; confined to one thread.
///
/// Invariant: after every call the caller sends what `takeOutgoing` returns and looks at `state` and `deadline`.
public final class PeerTransport {
    /// Where the transport stands; it never goes back.
    public enum State: Sendable, Hashable { case new, connected, closed }

    private enum Agent {
        case server(ICEServerAgent)
        case client(ICEClientAgent)
        case waiting
    }

    /// How long a connected peer without consent is waited for: it may come back with ICE restarted.
    public static let absenceMs: Int64 = 30_000

    /// Ours, of the generation that counts.
    public private(set) var credentials: ICECredentials
    /// Where media goes to; nil while no path has consent.
    public private(set) var selected: NetworkAddress?
    /// Where the transport stands.
    public private(set) var state = State.new
    /// Why it is closed.
    public private(set) var closeReason = ""
    /// Encrypts, once connected.
    public private(set) var sender: SRTPSender?
    private var receiver: SRTPReceiver?
    private let identity: DTLSIdentity
    private let isServer: Bool
    private var agent: Agent = .waiting
    private var dtls: DTLSEndpoint?
    private var hasStartedDTLS = false
    private var outgoing: [(NetworkAddress, [UInt8])] = []
    /// What did not fit into the queue since it was asked last.
    private var unsent = 0
    private var lastDTLSSource: NetworkAddress?
    private var absentSince: MonotonicTime?
    private var early: [(source: NetworkAddress, bytes: [UInt8])] = []
    /// A ClientHello with post-quantum keys has two or three datagrams.
    private static let maximumEarly = 4
    /// More than a turn of the loop ever makes.
    private static let maximumOutgoing = 256

    /// Creates a transport that knows nothing of its peer.
    ///
    /// - Parameters:
    ///   - identity: our certificate.
    ///   - isServer: whether this is an ICE-lite server; a client controls ICE.
    public init(identity: DTLSIdentity, isServer: Bool) {
        self.identity = identity
        self.isServer = isServer
        credentials = .random()
        if isServer { agent = .server(ICEServerAgent(local: credentials)) }
    }

    /// What we are called in session descriptions.
    public func local(candidates: [ICECandidate]) -> LocalTransport {
        LocalTransport(
            ufrag: credentials.ufrag, password: credentials.password, fingerprint: identity.fingerprint,
            candidates: candidates,
            isLite: isServer)
    }

    /// Takes the peer's side; called once.
    ///
    /// - Parameters:
    ///   - remote: from its description.
    ///   - role: our side of DTLS.
    public func connect(_ remote: RemoteTransport, role: DTLSEndpoint.Role, now: MonotonicTime) {
        guard dtls == nil else { return }
        dtls = DTLSEndpoint(identity: identity, role: role, remoteFingerprint: remote.fingerprint)
        if !isServer {
            var client = ICEClientAgent(
                local: credentials, remote: ICECredentials(ufrag: remote.ufrag, password: remote.password),
                candidates: remote.candidates)
            client.start(now: now)
            agent = .client(client)
        }
        for datagram in early {
            lastDTLSSource = datagram.source
            startDTLS(now: now)
            datagram.bytes.withUnsafeBytes { dtls?.receive($0, now: now) }
        }
        early = []
        advance(now: now)
    }

    /// The peer's addresses that have passed an authentic check, for servers.
    public var validatedAddresses: [NetworkAddress] {
        if case .server(let agent) = agent { return agent.paths.addresses }
        return []
    }

    /// Changes whenever `validatedAddresses` does.
    public var pathVersion: UInt32 {
        if case .server(let agent) = agent { return agent.paths.version }
        return 0
    }

    /// How often media to the peer has gone over to another path.
    public var pathMoves: Int {
        if case .server(let agent) = agent { return agent.paths.moves }
        return 0
    }

    /// The last round trip that ICE measured, for clients.
    public var roundTripMs: Int64? {
        if case .client(let agent) = agent { return agent.roundTripMs }
        return nil
    }

    /// When `handleTimeout` wants to be called.
    public var deadline: MonotonicTime? {
        guard state != .closed else { return nil }
        var deadline = dtls?.deadline
        switch agent {
        case .client(let agent): deadline = [deadline, agent.deadline].compactMap { $0 }.min()
        case .server(let agent):
            let end = absentSince?.advanced(byMilliseconds: Self.absenceMs)
            deadline = [deadline, agent.paths.deadline, end].compactMap { $0 }.min()
        case .waiting: break
        }
        return deadline
    }

    /// Takes one datagram; RTP and RTCP are decrypted in place.
    public func receive(_ bytes: UnsafeMutableRawBufferPointer, from source: NetworkAddress, now: MonotonicTime)
        -> PeerInput
    {
        let view = UnsafeRawBufferPointer(bytes)
        guard state != .closed else { return .dropped(.unknownPeer) }
        switch DatagramKind(view) {
        case .stun: return stun(view, from: source, now: now)
        case .dtls:
            guard isKnown(source) else { return .dropped(.earlyDTLS) }
            guard let dtls else {
                // A browser begins when it has made its answer, before the answer is here; its next try is a second away.
                guard early.count < Self.maximumEarly else { return .dropped(.earlyDTLS) }
                early.append((source, Array(view)))
                return .handled
            }
            lastDTLSSource = source
            startDTLS(now: now)
            dtls.receive(view, now: now)
            advance(now: now)
            return .handled
        case .rtp: return rtp(bytes, from: source, now: now)
        case .rtcp: return rtcp(bytes, from: source, now: now)
        case .unknown: return .dropped(.noise)
        }
    }

    /// Takes note that a path is gone for certain, as a TCP connection that was closed.
    public func lost(_ path: NetworkAddress, now: MonotonicTime) {
        switch agent {
        case .server(var server):
            server.lost(path)
            agent = .server(server)
        case .client(var client):
            client.lost(path, now: now)
            agent = .client(client)
            if selected == path { selected = nil }
        case .waiting: break
        }
        follow(now: now)
    }

    /// Begins another generation of ICE (RFC 8445 section 9): other credentials, the same keys, and media goes on meanwhile.
    ///
    /// A server answers the credentials of before for three seconds more. A client then takes the server's side with
    /// `restarted`.
    public func restart(now: MonotonicTime) {
        credentials = .random()
        if case .server(var server) = agent {
            server.restart(credentials, now: now)
            agent = .server(server)
        }
    }

    /// Takes the server's side of another generation, for clients; media goes by the old path until a new one is proven.
    public func restarted(_ remote: RemoteTransport, now: MonotonicTime) {
        guard !isServer, dtls != nil, state != .closed else { return }
        var client = ICEClientAgent(
            local: credentials, remote: ICECredentials(ufrag: remote.ufrag, password: remote.password),
            candidates: remote.candidates)
        client.start(now: now)
        agent = .client(client)
        advance(now: now)
    }

    /// Takes note of what the peer says that it has lost, of 256, for servers; much of it may lead media by another path.
    public func noteLoss(_ fraction: UInt8, now: MonotonicTime) {
        guard case .server(var server) = agent, fraction > 0 || server.paths.isLossy else { return }
        agent = .waiting
        _ = server.noteLoss(fraction, now: now)
        agent = .server(server)
        follow(now: now)
    }

    /// Follows the agent's choice of a path, and whether there is one at all.
    private func follow(now: MonotonicTime) {
        switch agent {
        case .server(let server):
            let had = selected != nil
            selected = server.selected
            guard selected == nil else {
                absentSince = nil
                return
            }
            guard had else { return }
            absentSince = now
            // Without consent nothing is sent, not even a goodbye (RFC 7675 section 5.1).
            lastDTLSSource = nil
        case .client(let client): if let found = client.selected { selected = found }
        case .waiting: break
        }
    }

    /// Does what is due.
    public func handleTimeout(now: MonotonicTime) {
        guard state != .closed else { return }
        dtls?.handleTimeout(now: now)
        switch agent {
        case .client(var client):
            client.handleTimeout(now: now)
            agent = .client(client)
            if client.state == .failed { close("the server does not answer") }
        case .server(var server):
            agent = .waiting
            server.expire(now: now)
            agent = .server(server)
            follow(now: now)
            if let absentSince, now.milliseconds(since: absentSince) >= Self.absenceMs {
                close("the peer is gone: no path with consent for 30 s")
            }
        case .waiting: break
        }
        advance(now: now)
    }

    /// Encrypts RTCP messages and queues them, once connected.
    public func send(_ packets: [RTCPPacket]) {
        guard let sender, let selected, !packets.isEmpty else { return }
        let bytes = sender.protectRTCP(RTCPPacket.write(packets))
        if !bytes.isEmpty { queue(bytes, to: selected) }
    }

    /// Ends the association; the peer is told.
    public func close(_ reason: String) {
        guard state != .closed else { return }
        dtls?.close()
        drain()
        state = .closed
        closeReason = reason
    }

    private func queue(_ bytes: [UInt8], to target: NetworkAddress) {
        guard outgoing.count < Self.maximumOutgoing else {
            unsent += 1
            return
        }
        outgoing.append((target, bytes))
    }

    /// Takes the number of datagrams that did not fit into the queue.
    @inline(__always)
    public func takeUnsent() -> Int {
        defer { unsent = 0 }
        return unsent
    }

    /// Takes the datagrams that wait to be sent.
    public func takeOutgoing() -> [(NetworkAddress, [UInt8])] {
        guard !outgoing.isEmpty else { return [] }
        defer { outgoing.removeAll(keepingCapacity: true) }
        return outgoing
    }

    private func stun(_ bytes: UnsafeRawBufferPointer, from source: NetworkAddress, now: MonotonicTime) -> PeerInput {
        guard let message = try? STUNMessage(bytes) else { return .dropped(.malformedSTUN) }
        let result: ICEInput
        switch agent {
        case .server(var server):
            agent = .waiting
            var reply: [UInt8]?
            result = server.receive(bytes, message, from: source, now: now, reply: &reply)
            agent = .server(server)
            if let reply { queue(reply, to: source) }
        case .client(var client):
            agent = .waiting
            result = client.receive(bytes, message, from: source, now: now)
            agent = .client(client)
        case .waiting: result = .dropped(.unknownPeer)
        }
        advance(now: now)
        if case .dropped(let reason) = result { return .dropped(reason) }
        return .handled
    }

    private func rtp(_ bytes: UnsafeMutableRawBufferPointer, from source: NetworkAddress, now: MonotonicTime)
        -> PeerInput
    {
        guard let receiver else { return .dropped(.earlyMedia) }
        guard let header = RTPHeader(UnsafeRawBufferPointer(bytes)) else { return .dropped(.malformedRTP) }
        do throws(SRTPError) {
            let opened = try receiver.unprotect(bytes, header: header)
            moved(to: source, now: now)
            return .rtp(header, length: opened.length, index: opened.index)
        } catch {
            return .dropped(Self.reason(error, malformed: .malformedRTP))
        }
    }

    private func rtcp(_ bytes: UnsafeMutableRawBufferPointer, from source: NetworkAddress, now: MonotonicTime)
        -> PeerInput
    {
        guard let receiver else { return .dropped(.earlyMedia) }
        do throws(SRTPError) {
            let length = try receiver.unprotectRTCP(bytes)
            moved(to: source, now: now)
            return .rtcp(RTCPPacket.parse(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(bytes)[..<length])))
        } catch {
            return .dropped(Self.reason(error, malformed: .malformedRTCP))
        }
    }

    private static func reason(_ error: SRTPError, malformed: DropReason) -> DropReason {
        switch error {
        case .malformed: malformed
        case .replayed: .replayed
        case .notAuthentic: .notAuthentic
        case .tooManySources: .tooManySources
        }
    }

    private func moved(to source: NetworkAddress, now: MonotonicTime) {
        guard isServer, source != selected, case .server(var server) = agent else { return }
        agent = .waiting
        server.noteMedia(from: source, now: now)
        agent = .server(server)
        follow(now: now)
    }

    private func isKnown(_ source: NetworkAddress) -> Bool {
        switch agent {
        case .server(let agent): agent.paths.isValidated(source)
        case .client(let agent): agent.selected == source || selected == source
        case .waiting: false
        }
    }

    private func startDTLS(now: MonotonicTime) {
        guard !hasStartedDTLS, let dtls, selected != nil else { return }
        hasStartedDTLS = true
        dtls.start(now: now)
    }

    /// Moves on what can move on, and gathers what is to be sent.
    private func advance(now: MonotonicTime) {
        follow(now: now)
        startDTLS(now: now)
        drain()
        guard let dtls, state == .new || state == .connected else { return }
        switch dtls.state {
        case .connected where state == .new:
            guard let local = dtls.localKeys, let remote = dtls.remoteKeys else { return close("no keys") }
            sender = SRTPSender(local)
            receiver = SRTPReceiver(remote)
            state = .connected
        case .closed: close("the peer said goodbye")
        case .failed: close("DTLS failed: \(dtls.failure)")
        default: break
        }
    }

    private func drain() {
        if case .client(var client) = agent {
            outgoing += client.takeOutgoing()
            agent = .client(client)
        }
        guard let dtls else { return }
        unsent += dtls.takeUnsent()
        let datagrams = dtls.takeOutgoing()
        if let target = selected ?? lastDTLSSource { for datagram in datagrams { outgoing.append((target, datagram)) } }
    }
}
