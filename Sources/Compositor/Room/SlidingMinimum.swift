// The smallest of what was seen in the last seconds, in constant memory.

import Media

/// The smallest value over a sliding window, kept as one value for each second.
struct SlidingMinimum: Sendable {
    private var buckets: [(second: Int64, value: Int64, since: MonotonicTime)] = []
    private let seconds: Int

    /// - Parameter seconds: the window's length.
    init(seconds: Int) {
        self.seconds = max(1, seconds)
        buckets.reserveCapacity(self.seconds + 1)
    }

    mutating func note(_ value: Int64, at now: MonotonicTime) {
        let second = now.nanoseconds / 1_000_000_000
        if let last = buckets.last, last.second >= second {
            buckets[buckets.count - 1].value = min(last.value, value)
        } else {
            buckets.append((second, value, now))
            while let oldest = buckets.first, buckets.count > seconds || oldest.second <= second &- Int64(seconds) {
                buckets.removeFirst()
            }
        }
    }

    /// The smallest of the window, nil before the first value.
    var value: Int64? { buckets.map(\.value).min() }

    /// The smallest of this second and the one before it; nil unless values came for half a second at least, so that a
    /// flood after a freeze does not pass for what is usual.
    func recent(at now: MonotonicTime) -> Int64? {
        let second = now.nanoseconds / 1_000_000_000
        let part = buckets.suffix(2)
        guard let oldest = part.first, part.count == 2, oldest.second == second - 1,
            now.nanoseconds(since: oldest.since) >= 500_000_000
        else { return nil }
        return part.map(\.value).min()
    }
}
