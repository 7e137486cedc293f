// The controlling agent of a client that talks to a server with public addresses (RFC 8445, RFC 7675).

public import Media

/// Checks the server's candidates, nominates the first that answers, and renews consent.
///
/// It gathers nothing: the one socket's address reaches the server as a peer-reflexive candidate.
public struct ICEClientAgent: Sendable {
    private struct Check: Sendable {
        var transaction: STUNTransaction
        var address: NetworkAddress
        var nominates: Bool
        var sentAt: MonotonicTime
    }

    /// Where the agent stands.
    public enum State: Sendable { case checking, connected, failed }

    static let checkMs: Int64 = 100, consentIntervalMs: Int64 = 4000, consentMs: Int64 = 30_000,
        checkingMs: Int64 = 30_000, datagramsAloneMs: Int64 = 1000

    /// Where the agent stands.
    public private(set) var state = State.checking
    /// The nominated address.
    public private(set) var selected: NetworkAddress?
    /// When `handleTimeout` wants to be called.
    public private(set) var deadline: MonotonicTime?
    /// The last round trip.
    public private(set) var roundTripMs: Int64?

    private let local: ICECredentials, remote: ICECredentials
    private let candidates: [NetworkAddress]
    /// How many of the candidates are by UDP; they stand before the others.
    private let datagramCount: Int
    private let tieBreaker = SecureRandom.u64()
    private var isControlling = true
    private var pending: [Check] = []
    private var next = 0, started: MonotonicTime?, lastConsent: MonotonicTime?
    private var candidate: NetworkAddress?
    private var outgoing: [(NetworkAddress, [UInt8])] = []

    /// Creates an agent.
    ///
    /// - Parameters:
    ///   - candidates: the server's candidates, best first after sorting by priority.
    public init(local: ICECredentials, remote: ICECredentials, candidates: [ICECandidate]) {
        self.local = local
        self.remote = remote
        let sorted = candidates.filter(\.isReachable).sorted { $0.priority > $1.priority }.prefix(20).map(\.address)
        let datagrams = sorted.filter { $0.transport == .udp }
        self.candidates = datagrams + sorted.filter { $0.transport != .udp }
        datagramCount = datagrams.count
    }

    /// Begins checking.
    public mutating func start(now: MonotonicTime) {
        started = now
        deadline = now
        handleTimeout(now: now)
    }

    /// Sends what is due.
    public mutating func handleTimeout(now: MonotonicTime) {
        guard let due = deadline, now >= due, let started else { return }
        switch state {
        case .checking:
            guard now.milliseconds(since: started) < Self.checkingMs, !candidates.isEmpty else { return fail() }
            if let candidate {
                send(to: candidate, nominates: true, now: now)
            } else {
                // TCP comes into it when UDP has had its time: what is late there is late for good.
                let isEarly = now.milliseconds(since: started) < Self.datagramsAloneMs && datagramCount > 0
                send(
                    to: candidates[next % (isEarly ? datagramCount : candidates.count)], nominates: false, now: now)
                next += 1
            }
            deadline = now.advanced(byMilliseconds: Self.checkMs)
        case .connected:
            guard let selected, let lastConsent, now.milliseconds(since: lastConsent) < Self.consentMs else {
                return fail()
            }
            send(to: selected, nominates: false, now: now)
            deadline = now.advanced(byMilliseconds: Self.consentIntervalMs)
        case .failed: deadline = nil
        }
    }

    /// Looks for another way: the one that led to this address is gone.
    public mutating func lost(_ address: NetworkAddress, now: MonotonicTime) {
        if candidate == address { candidate = nil }
        guard selected == address else { return }
        (selected, candidate) = (nil, nil)
        state = .checking
        started = now
        deadline = now
    }

    /// Takes one STUN datagram.
    public mutating func receive(
        _ bytes: UnsafeRawBufferPointer, _ message: STUNMessage, from source: NetworkAddress, now: MonotonicTime
    ) -> ICEInput {
        switch message.kind {
        case .request:
            guard let username = message.username, username.starts(with: Array((local.ufrag + ":").utf8)),
                message.isAuthentic(bytes, password: local.password)
            else { return .dropped(.unauthenticatedSTUN) }
            var builder = STUNBuilder(.success, transaction: message.transaction)
            builder.mappedAddress(source)
            queue(source, builder.finish(password: local.password))
            return .accepted
        case .indication: return .accepted
        case .success, .error:
            guard
                let index = pending.firstIndex(where: { $0.transaction == message.transaction && $0.address == source }
                ),
                message.isAuthentic(bytes, password: remote.password)
            else { return .dropped(.unauthenticatedSTUN) }
            let check = pending.remove(at: index)
            if message.kind == .error {
                if message.errorCode == 487 { isControlling.toggle() }
                return .accepted
            }
            succeed(check, now: now)
            return .accepted
        }
    }

    /// Takes what waits to be sent.
    public mutating func takeOutgoing() -> [(NetworkAddress, [UInt8])] {
        guard !outgoing.isEmpty else { return [] }
        defer { outgoing.removeAll(keepingCapacity: true) }
        return outgoing
    }

    private mutating func succeed(_ check: Check, now: MonotonicTime) {
        lastConsent = now
        roundTripMs = max(0, now.milliseconds(since: check.sentAt))
        guard state == .checking else { return }
        if check.nominates {
            selected = check.address
            state = .connected
            pending.removeAll()
            deadline = now.advanced(byMilliseconds: Self.consentIntervalMs)
        } else if candidate == nil {
            candidate = check.address
            send(to: check.address, nominates: true, now: now)
        }
    }

    private mutating func send(to address: NetworkAddress, nominates: Bool, now: MonotonicTime) {
        let check = Check(transaction: .random(), address: address, nominates: nominates, sentAt: now)
        if pending.count >= 32 { pending.removeFirst() }
        pending.append(check)
        var builder = STUNBuilder(.request, transaction: check.transaction)
        builder.username(remote.ufrag + ":" + local.ufrag)
        builder.priority(110 << 24 | 0xFFFF << 8 | 255)
        builder.role(isControlling: isControlling, tieBreaker: tieBreaker)
        if nominates, isControlling { builder.useCandidate() }
        queue(address, builder.finish(password: remote.password))
    }

    private mutating func queue(_ address: NetworkAddress, _ bytes: [UInt8]) {
        if outgoing.count < 64 { outgoing.append((address, bytes)) }
    }

    private mutating func fail() {
        state = .failed
        deadline = nil
    }
}
