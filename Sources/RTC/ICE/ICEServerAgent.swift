// The ICE-lite agent of a server (RFC 8445 section 2.5): it answers checks and follows the nominations of its peer.

public import Media

/// An ICE-lite agent for one peer; the peer is always the controlling side.
public struct ICEServerAgent: Sendable {
    /// How many addresses of one peer are kept.
    public static let maximumAddresses = 8
    /// Without an authentic check for this long, consent has ended (RFC 7675 section 5.1).
    public static let consentMs: Int64 = 30_000

    /// Ours.
    public let local: ICECredentials
    /// The address that media goes to.
    public private(set) var selected: NetworkAddress?
    /// When the last authentic check arrived.
    public private(set) var lastCheck: MonotonicTime?
    /// The addresses that have passed an authentic check.
    public private(set) var validated: [NetworkAddress] = []
    private var lastMove: MonotonicTime?

    /// Creates an agent that waits.
    public init(local: ICECredentials) { self.local = local }

    /// Whether an address has passed an authentic check.
    public func isValidated(_ address: NetworkAddress) -> Bool { validated.contains(address) }

    /// Whether consent has ended.
    public func isExpired(now: MonotonicTime) -> Bool {
        lastCheck.map { now.milliseconds(since: $0) >= Self.consentMs } ?? false
    }

    /// Answers one STUN datagram.
    ///
    /// - Parameters:
    ///   - bytes: the datagram.
    ///   - message: what was parsed from it.
    ///   - source: where it came from.
    ///   - reply: gets the response, when there is one.
    public mutating func receive(
        _ bytes: UnsafeRawBufferPointer, _ message: STUNMessage, from source: NetworkAddress, now: MonotonicTime,
        reply: inout [UInt8]?
    ) -> ICEInput {
        guard message.kind == .request else {
            return message.kind == .indication ? .accepted : .dropped(.malformedSTUN)
        }
        guard let username = message.username, message.hasIntegrity else {
            reply = error(message, 400, "Bad Request", signed: false)
            return .dropped(.unauthenticatedSTUN)
        }
        guard username.starts(with: Array((local.ufrag + ":").utf8)),
            message.isAuthentic(bytes, password: local.password)
        else {
            reply = error(message, 401, "Unauthenticated", signed: false)
            return .dropped(.unauthenticatedSTUN)
        }
        guard message.unknownRequired.isEmpty else {
            var builder = STUNBuilder(.error, transaction: message.transaction)
            builder.errorCode(420, "Unknown Attribute")
            builder.unknownAttributes(message.unknownRequired)
            reply = builder.finish(password: local.password)
            return .dropped(.malformedSTUN)
        }
        if message.controlled != nil {
            // A lite agent can't control; the peer has to change its role (RFC 8445 section 7.3.1.1).
            reply = error(message, 487, "Role Conflict", signed: true)
            return .accepted
        }
        var builder = STUNBuilder(.success, transaction: message.transaction)
        builder.mappedAddress(source)
        reply = builder.finish(password: local.password)
        lastCheck = now
        if !validated.contains(source) {
            if validated.count >= Self.maximumAddresses {
                let oldest = validated.firstIndex { $0 != selected } ?? 0
                validated.remove(at: oldest)
            }
            validated.append(source)
        }
        if message.useCandidate || selected == nil { selected = source }
        return .accepted
    }

    /// Follows authentic media to another validated address: Firefox nominates several pairs and uses one of them.
    public mutating func noteMedia(from source: NetworkAddress, now: MonotonicTime) {
        guard source != selected, validated.contains(source) else { return }
        if let lastMove, now.milliseconds(since: lastMove) < 1000 { return }
        lastMove = now
        selected = source
    }

    /// Forgets a path that is gone for certain, as a TCP connection that was closed.
    public mutating func lost(_ address: NetworkAddress) {
        validated.removeAll { $0 == address }
        if selected == address { selected = validated.last }
    }

    private func error(_ message: STUNMessage, _ code: Int, _ reason: String, signed: Bool) -> [UInt8] {
        var builder = STUNBuilder(.error, transaction: message.transaction)
        builder.errorCode(code, reason)
        return builder.finish(password: signed ? local.password : nil)
    }
}
