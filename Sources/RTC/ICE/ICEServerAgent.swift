// The ICE-lite agent of a server (RFC 8445 section 2.5): it answers checks and follows the nominations of its peer.

public import Media

/// An ICE-lite agent for one peer; the peer is always the controlling side.
public struct ICEServerAgent: Sendable {
    /// For how long the credentials of the generation before are still answered.
    public static let formerMs: Int64 = 3000

    /// Ours.
    public private(set) var local: ICECredentials
    /// The paths that have passed an authentic check, and the one that media takes.
    public private(set) var paths = PathGuard()
    private var former: (credentials: ICECredentials, until: MonotonicTime)?

    /// Creates an agent that waits.
    public init(local: ICECredentials) { self.local = local }

    /// The address that media goes to; nil while none has consent.
    public var selected: NetworkAddress? { paths.selected }

    /// Begins another generation (RFC 8445 section 9): the credentials of before hold for a moment, and so do the paths, until
    /// their consent ends.
    public mutating func restart(_ credentials: ICECredentials, now: MonotonicTime) {
        former = (local, now.advanced(byMilliseconds: Self.formerMs))
        local = credentials
        paths.restart()
    }

    /// Forgets the paths whose consent has ended.
    public mutating func expire(now: MonotonicTime) {
        paths.expire(now: now)
        if let former, now >= former.until { self.former = nil }
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
            reply = error(message, 400, "Bad Request", password: nil)
            return .dropped(.unauthenticatedSTUN)
        }
        let isFormer = former.map { now < $0.until && Self.names($0.credentials, username) } ?? false
        let credentials = isFormer ? former?.credentials ?? local : local
        guard Self.names(credentials, username), message.isAuthentic(bytes, password: credentials.password) else {
            reply = error(message, 401, "Unauthenticated", password: nil)
            return .dropped(.unauthenticatedSTUN)
        }
        guard message.unknownRequired.isEmpty else {
            var builder = STUNBuilder(.error, transaction: message.transaction)
            builder.errorCode(420, "Unknown Attribute")
            builder.unknownAttributes(message.unknownRequired)
            reply = builder.finish(password: credentials.password)
            return .dropped(.malformedSTUN)
        }
        if message.controlled != nil {
            // A lite agent can't control; the peer has to change its role (RFC 8445 section 7.3.1.1).
            reply = error(message, 487, "Role Conflict", password: credentials.password)
            return .accepted
        }
        var builder = STUNBuilder(.success, transaction: message.transaction)
        builder.mappedAddress(source)
        reply = builder.finish(password: credentials.password)
        paths.noteCheck(from: source, nominates: message.useCandidate && !isFormer, now: now)
        return .accepted
    }

    /// Follows authentic media to another validated address: Firefox nominates several pairs and uses one of them.
    public mutating func noteMedia(from source: NetworkAddress, now: MonotonicTime) {
        paths.noteMedia(from: source, now: now)
    }

    /// Takes note of what the peer says that it has lost, of 256; returns whether media takes another path now.
    public mutating func noteLoss(_ fraction: UInt8, now: MonotonicTime) -> Bool { paths.noteLoss(fraction, now: now) }

    /// Forgets a path that is gone for certain, as a TCP connection that was closed.
    public mutating func lost(_ address: NetworkAddress) { paths.lost(address) }

    private static func names(_ credentials: ICECredentials, _ username: [UInt8]) -> Bool {
        username.starts(with: Array((credentials.ufrag + ":").utf8))
    }

    private func error(_ message: STUNMessage, _ code: Int, _ reason: String, password: String?) -> [UInt8] {
        var builder = STUNBuilder(.error, transaction: message.transaction)
        builder.errorCode(code, reason)
        return builder.finish(password: password)
    }
}
