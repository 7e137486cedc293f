// Turns: of each event one at a time, in the order in which they came.

internal import Synchronization

/// Lets one piece of work of each event run at a time.
final class EventTurns: Sendable {
    private let waiting = Mutex<[String: [CheckedContinuation<Void, Never>]]>([:])

    /// Waits for the event's turn, and runs the work.
    func take<Value: Sendable>(_ event: String, _ work: () async throws -> Value) async rethrows -> Value {
        await withCheckedContinuation { continuation in
            let isFree = waiting.withLock { waiting in
                guard waiting[event] != nil else {
                    waiting[event] = []
                    return true
                }
                waiting[event]?.append(continuation)
                return false
            }
            if isFree { continuation.resume() }
        }
        defer {
            let next = waiting.withLock { waiting -> CheckedContinuation<Void, Never>? in
                guard let first = waiting[event]?.first else {
                    waiting[event] = nil
                    return nil
                }
                waiting[event]?.removeFirst()
                return first
            }
            next?.resume()
        }
        return try await work()
    }
}
