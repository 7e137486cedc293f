// A worker's answer that may not have come yet.

internal import Control
internal import Synchronization

/// The answer to a command: given once, asked for at most once.
final class CommandAnswer: Sendable {
    private struct State {
        var result: Result<CommandReply, any Error>?
        var asking: CheckedContinuation<CommandReply, any Error>?
        var patience: Task<Void, any Error>?
    }

    private let state = Mutex(State())

    /// What ends the waiting when nothing comes.
    var patience: Task<Void, any Error>? {
        get { state.withLock { $0.patience } }
        set {
            let isGiven = state.withLock { state in
                state.patience = newValue
                return state.result != nil
            }
            if isGiven { newValue?.cancel() }
        }
    }

    /// The first one counts.
    func give(_ result: Result<CommandReply, any Error>) {
        let (asking, patience) = state.withLock { state in
            guard state.result == nil else {
                return (CheckedContinuation<CommandReply, any Error>?.none, state.patience)
            }
            state.result = result
            defer { state.asking = nil }
            return (state.asking, state.patience)
        }
        patience?.cancel()
        asking?.resume(with: result)
    }

    /// Waits for it.
    func reply() async throws -> CommandReply {
        try await withCheckedThrowingContinuation { continuation in
            let known = state.withLock { state in
                if state.result == nil { state.asking = continuation }
                return state.result
            }
            if let known { continuation.resume(with: known) }
        }
    }
}
