// An answer that several may give, and for which several may wait.

import Synchronization

/// A question that several may answer: everybody who asks gets the first answer, whether they ask before or after it.
final class FirstAnswer<Answer: Sendable>: Sendable {
    private struct State {
        var answer: Answer?
        var asking: [CheckedContinuation<Answer, Never>] = []
    }
    private let state = Mutex(State())

    /// Whether there is an answer.
    var isGiven: Bool { state.withLock { $0.answer != nil } }

    func give(_ answer: Answer) {
        let asking = state.withLock { state -> [CheckedContinuation<Answer, Never>] in
            guard state.answer == nil else { return [] }
            state.answer = answer
            defer { state.asking = [] }
            return state.asking
        }
        for continuation in asking { continuation.resume(returning: answer) }
    }

    /// The answer; waits until it is given.
    var value: Answer {
        get async {
            await withCheckedContinuation { continuation in
                let known = state.withLock { state -> Answer? in
                    if state.answer == nil { state.asking.append(continuation) }
                    return state.answer
                }
                if let known { continuation.resume(returning: known) }
            }
        }
    }
}

extension FirstAnswer<Void> {
    func give() { give(()) }
}

extension FirstAnswer<Bool> {
    /// Waits for work at most so long; what takes longer goes on.
    ///
    /// - Parameters:
    ///   - milliseconds: how long.
    ///   - work: gives the answer; nil when it is left to the time.
    /// - Returns: the answer, or false when the time is over before.
    static func within(_ milliseconds: Int64, _ work: @escaping @Sendable () async -> Bool?) async -> Bool {
        // Not a task group: it would wait for the slow child too, because nothing ends the wait for another task's value.
        let answer = FirstAnswer<Bool>()
        let timer = Task {
            try? await Task.sleep(for: .milliseconds(milliseconds))
            answer.give(false)
        }
        Task {
            guard let result = await work() else { return }
            answer.give(result)
            timer.cancel()
        }
        return await answer.value
    }
}
