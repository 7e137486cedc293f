// How evenly pictures reach the encoder, as a histogram.

import Media
import Synchronization

/// Counts the intervals between pictures by length; noted by the encoder's thread, read by anybody.
final class FrameIntervals: Sendable {
    /// Upper bounds of the buckets in milliseconds; what is longer stands in one more.
    static let boundsMs = [5, 20, 30, 37, 45, 60, 100, 200, 500, 1000, 5000]

    private struct State {
        var last: MonotonicTime?
        var counts = [UInt64](repeating: 0, count: FrameIntervals.boundsMs.count + 1)
        var sumNanoseconds: Int64 = 0
        var longestNanoseconds: Int64 = 0
    }

    private let state = Mutex(State())

    /// Notes that a picture has come.
    func note(at now: MonotonicTime) {
        state.withLock { state in
            defer { state.last = now }
            guard let last = state.last else { return }
            let interval = now.nanoseconds(since: last)
            let bucket = Self.boundsMs.firstIndex { interval <= Int64($0) * 1_000_000 } ?? Self.boundsMs.count
            state.counts[bucket] &+= 1
            state.sumNanoseconds &+= interval
            state.longestNanoseconds = max(state.longestNanoseconds, interval)
        }
    }

    /// A Prometheus histogram in seconds, and the longest interval.
    var counters: [String: Double] {
        let state = state.withLock { $0 }
        let name = "proscenium_compositor_frame_interval_seconds"
        var all: [String: Double] = [:], sum: UInt64 = 0
        for (bound, count) in zip(Self.boundsMs.map { "\(Double($0) / 1000)" } + ["+Inf"], state.counts) {
            sum &+= count
            all["\(name)_bucket{le=\"\(bound)\"}"] = Double(sum)
        }
        all["\(name)_count"] = Double(sum)
        all["\(name)_sum"] = Double(state.sumNanoseconds) / 1e9
        all["proscenium_compositor_frame_interval_longest_seconds"] = Double(state.longestNanoseconds) / 1e9
        return all
    }
}
