// The smallest or largest of what was seen in the last seconds, in constant memory.

import Media

/// The extreme value over a sliding window, kept as one value for each second.
struct SlidingExtreme: Sendable {
    private var buckets: [(second: Int64, value: Int64, since: MonotonicTime)] = []
    private let seconds: Int
    private let sign: Int64
    private var first: MonotonicTime?

    /// - Parameters:
    ///   - seconds: the window's length.
    ///   - takesLargest: whether the largest is kept, instead of the smallest.
    init(seconds: Int, takesLargest: Bool) {
        self.seconds = max(1, seconds)
        sign = takesLargest ? -1 : 1
        buckets.reserveCapacity(self.seconds + 1)
    }

    mutating func note(_ value: Int64, at now: MonotonicTime) {
        if first == nil { first = now }
        let second = now.nanoseconds / 1_000_000_000
        if let last = buckets.last, last.second >= second {
            if (value &- last.value) &* sign < 0 { buckets[buckets.count - 1].value = value }
        } else {
            buckets.append((second, value, now))
            while let oldest = buckets.first, buckets.count > seconds || oldest.second <= second &- Int64(seconds) {
                buckets.removeFirst()
            }
        }
    }

    /// The extreme of the window, nil before the first value.
    var value: Int64? { extreme(buckets[...]) }

    /// The extreme of this second and the one before it; nil unless values came for half a second at least, so that a
    /// flood after a freeze does not pass for what is usual.
    func recent(at now: MonotonicTime) -> Int64? {
        let second = now.nanoseconds / 1_000_000_000
        let part = buckets.suffix(2)
        guard let oldest = part.first, part.count == 2, oldest.second == second - 1,
            now.nanoseconds(since: oldest.since) >= 500_000_000
        else { return nil }
        return extreme(part)
    }

    /// Whether the window has been filled once.
    func isFull(at now: MonotonicTime) -> Bool {
        first.map { now.nanoseconds(since: $0) >= Int64(seconds) * 1_000_000_000 } ?? false
    }

    private func extreme(_ part: ArraySlice<(second: Int64, value: Int64, since: MonotonicTime)>) -> Int64? {
        guard var best = part.first?.value else { return nil }
        for bucket in part.dropFirst() where (bucket.value &- best) &* sign < 0 { best = bucket.value }
        return best
    }
}
