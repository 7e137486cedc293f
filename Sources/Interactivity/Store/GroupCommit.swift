// The single writer: what comes in while a commit is on its way to the disk goes into the next one.

import Synchronization

/// Puts everything that is written into one serial order, and commits it in groups.
///
/// There is no window to wait for: the time that a commit takes gathers the next group, so a single vote waits for
/// nothing, and a thousand share a handful of disk flushes. Work is acknowledged after its commit, in order.
public final class GroupCommit: Sendable {
    private struct Job: Sendable {
        let work: @Sendable (any StoreTransaction) throws -> Void
        /// Called in the serial order, after the commit and before the next group.
        let finish: @Sendable ((any Error)?) -> Void
    }

    private struct State {
        var jobs: [Job] = []
        var isRunning = false
        var commits: UInt64 = 0
        var refused: UInt64 = 0
    }

    /// No more pieces of work than this share a commit.
    public static let groupLimit = 256

    private let store: any InteractivityStore
    private let queueLimit: Int
    private let state = Mutex(State())

    /// Creates a writer.
    ///
    /// - Parameters:
    ///   - store: where to.
    ///   - queueLimit: with more waiting work than this, new work is refused.
    public init(store: any InteractivityStore, queueLimit: Int = 8192) {
        self.store = store
        self.queueLimit = queueLimit
    }

    /// How many groups were committed.
    public var commits: UInt64 { state.withLock { $0.commits } }
    /// How much work was refused because the queue was full.
    public var refused: UInt64 { state.withLock { $0.refused } }

    /// Runs work in the serial order; returns when its outcome is durable.
    ///
    /// - Parameters:
    ///   - work: reads and writes; what it throws undoes its own writes only.
    ///   - committed: told the result after the commit, in the serial order; quick, and without waiting.
    /// - Throws: what the work throws; `InteractivityError.overloaded` when the queue is full or the disk fails.
    public func perform<Value: Sendable>(
        _ work: @escaping @Sendable (any StoreTransaction) throws -> Value,
        committed: @escaping @Sendable (Value) -> Void = { _ in }
    ) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            let box = Box<Value>()
            let job = Job(
                work: { transaction in
                    let result = try work(transaction)
                    box.value.withLock { $0 = result }
                },
                finish: { error in
                    if let error {
                        continuation.resume(throwing: error)
                    } else if let result = box.value.withLock({ $0 }) {
                        committed(result)
                        continuation.resume(returning: result)
                    }
                })
            enqueue(job)
        }
    }

    private final class Box<Value: Sendable>: Sendable {
        let value = Mutex<Value?>(nil)
    }

    private func enqueue(_ job: Job) {
        enum Next { case refuse, start, wait }
        let next = state.withLock { state -> Next in
            guard state.jobs.count < queueLimit else {
                state.refused += 1
                return .refuse
            }
            state.jobs.append(job)
            defer { state.isRunning = true }
            return state.isRunning ? .wait : .start
        }
        switch next {
        case .refuse: job.finish(InteractivityError.overloaded(retryAfterMs: 1000))
        case .start: Task { await run() }
        case .wait: break
        }
    }

    private func run() async {
        while true {
            let group = state.withLock { state -> [Job] in
                let group = Array(state.jobs.prefix(Self.groupLimit))
                state.jobs.removeFirst(group.count)
                if group.isEmpty { state.isRunning = false } else { state.commits += 1 }
                return group
            }
            guard !group.isEmpty else { return }
            do {
                let errors = try await store.write(group.map(\.work))
                for (job, error) in zip(group, errors) { job.finish(error) }
            } catch {
                for job in group { job.finish(InteractivityError.overloaded(retryAfterMs: 2000)) }
            }
        }
    }
}
