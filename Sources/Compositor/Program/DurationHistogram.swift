// How long something took, as a histogram for the metrics.

import Synchronization

/// Counts durations by length; noted by one thread, read by any.
final class DurationHistogram: Sendable {
    private struct State {
        var counts: [UInt64]
        var sumNanoseconds: Int64 = 0
        var longestNanoseconds: Int64 = 0
    }

    private let name: String
    private let boundsMs: [Int]
    private let state: Mutex<State>

    /// Creates an empty histogram.
    ///
    /// - Parameters:
    ///   - name: its Prometheus name without `_seconds`.
    ///   - boundsMs: upper bounds of the buckets, rising; what is longer stands in one more.
    init(name: String, boundsMs: [Int]) {
        self.name = name
        self.boundsMs = boundsMs
        state = Mutex(State(counts: Array(repeating: 0, count: boundsMs.count + 1)))
    }

    /// Counts a duration.
    func note(nanoseconds: Int64) {
        let bucket = boundsMs.firstIndex { nanoseconds <= Int64($0) * 1_000_000 } ?? boundsMs.count
        state.withLock { state in
            state.counts[bucket] &+= 1
            state.sumNanoseconds &+= nanoseconds
            state.longestNanoseconds = max(state.longestNanoseconds, nanoseconds)
        }
    }

    /// A Prometheus histogram, and the longest duration, in seconds.
    var counters: [String: Double] {
        let state = state.withLock { $0 }
        var all: [String: Double] = [:], sum: UInt64 = 0
        for (bound, count) in zip(boundsMs.map { "\(Double($0) / 1000)" } + ["+Inf"], state.counts) {
            sum &+= count
            all["\(name)_seconds_bucket{le=\"\(bound)\"}"] = Double(sum)
        }
        all["\(name)_seconds_count"] = Double(sum)
        all["\(name)_seconds_sum"] = Double(state.sumNanoseconds) / 1e9
        all["\(name)_longest_seconds"] = Double(state.longestNanoseconds) / 1e9
        return all
    }
}
