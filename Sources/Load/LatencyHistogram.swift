// How long packets were on their way, in buckets that grow by a sixteenth.

/// Durations, counted in memory that does not grow; each bucket is 6 % wide at most.
struct LatencyHistogram: Sendable {
    private static let steps = 16
    private var buckets = [UInt64](repeating: 0, count: 64 * 16)
    /// How many were counted.
    private(set) var count: UInt64 = 0

    /// Forgets everything and keeps the memory.
    mutating func reset() {
        for index in buckets.indices { buckets[index] = 0 }
        count = 0
    }

    /// Counts a duration; negative ones count as nothing.
    @inline(__always)
    mutating func note(nanoseconds: Int64) {
        buckets[Self.bucket(nanoseconds)] &+= 1
        count &+= 1
    }

    /// The duration that the given share of all does not exceed, in nanoseconds; 0 when there is none.
    func percentile(_ share: Double) -> Int64 {
        guard count > 0 else { return 0 }
        let wanted = max(1, UInt64((Double(count) * min(1, max(0, share))).rounded(.up)))
        var seen: UInt64 = 0
        for (index, number) in buckets.enumerated() {
            seen += number
            if seen >= wanted { return Self.upperBound(index) }
        }
        return Self.upperBound(buckets.count - 1)
    }

    @inline(__always)
    static func bucket(_ nanoseconds: Int64) -> Int {
        let value = UInt64(max(0, nanoseconds))
        guard value >= UInt64(steps) else { return Int(value) }
        let exponent = 63 - value.leadingZeroBitCount
        return (exponent - 3) * steps + Int(value >> UInt64(exponent - 4) & 15)
    }

    static func upperBound(_ index: Int) -> Int64 {
        guard index >= steps else { return Int64(index) }
        let exponent = index / steps + 3
        guard exponent < 63 else { return .max }
        return Int64(1) << Int64(exponent) &+ Int64(index % steps + 1) << Int64(exponent - 4) &- 1
    }
}
