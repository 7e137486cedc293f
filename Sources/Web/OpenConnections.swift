// Open connections by token, so that revoking one ends them.

internal import Synchronization

/// Knows which connections stand on which token.
public final class OpenConnections: Sendable {
    private struct State {
        var next: UInt64 = 0
        var closers: [String: [UInt64: @Sendable () -> Void]] = [:]
    }

    private let state = Mutex(State())

    /// Creates an empty register.
    public init() {}

    /// Registers a connection.
    ///
    /// - Parameters:
    ///   - jti: the token's id.
    ///   - close: ends the connection; called from any thread, at most once.
    /// - Returns: what `remove` takes.
    public func add(jti: String, close: @escaping @Sendable () -> Void) -> UInt64 {
        state.withLock { state in
            state.next += 1
            state.closers[jti, default: [:]][state.next] = close
            return state.next
        }
    }

    /// Forgets a connection that has ended.
    public func remove(jti: String, id: UInt64) {
        state.withLock { state in
            state.closers[jti]?[id] = nil
            if state.closers[jti]?.isEmpty == true { state.closers[jti] = nil }
        }
    }

    /// Ends every connection of a token.
    public func close(jti: String) {
        let closers = state.withLock { $0.closers.removeValue(forKey: jti) }
        closers?.values.forEach { $0() }
    }
}
