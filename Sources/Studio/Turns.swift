// Turns: under each name one at a time, in the order in which they came.

internal import Synchronization

/// Lets one piece of work run at a time under each name, such as an event's.
final class Turns: Sendable {
    private let waiting = Mutex<[String: [CheckedContinuation<Void, Never>]]>([:])

    /// How many wait for their turn.
    func waiting(_ name: String) -> Int { waiting.withLock { $0[name]?.count ?? 0 } }

    /// Waits for a turn, and runs the work.
    func take<Value: Sendable>(_ name: String, _ work: () async throws -> Value) async rethrows -> Value {
        await withCheckedContinuation { continuation in
            let isFree = waiting.withLock { waiting in
                guard waiting[name] != nil else {
                    waiting[name] = []
                    return true
                }
                waiting[name]?.append(continuation)
                return false
            }
            if isFree { continuation.resume() }
        }
        defer {
            let next = waiting.withLock { waiting -> CheckedContinuation<Void, Never>? in
                guard let first = waiting[name]?.first else {
                    waiting[name] = nil
                    return nil
                }
                waiting[name]?.removeFirst()
                return first
            }
            next?.resume()
        }
        return try await work()
    }
}
