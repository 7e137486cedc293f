// What delay the frames of the last seconds needed, told apart by how often they did: pure, in constant memory.

import Media

/// The largest needs of the last twenty seconds, one for each.
///
/// A hiccup of the network is seen in one second or two of them, what the way is usually like in more.
struct DelayNeeds: Sendable {
    /// The window's length, and in how many seconds of it something must be seen to be usual.
    static let seconds: Int64 = 20, usualSeconds = 3

    private var buckets: [(second: Int64, value: Int64)] = []
    private var first: MonotonicTime?

    init() { buckets.reserveCapacity(Int(Self.seconds) + 1) }

    mutating func note(_ value: Int64, at now: MonotonicTime) {
        if first == nil { first = now }
        let second = now.nanoseconds / 1_000_000_000
        if let last = buckets.last, last.second >= second {
            buckets[buckets.count - 1].value = max(last.value, value)
        } else {
            buckets.append((second, value))
            buckets.removeAll { $0.second <= second &- Self.seconds }
        }
    }

    /// Forgets everything.
    mutating func forget() { buckets.removeAll(keepingCapacity: true) }

    /// What was needed in this second or the one before.
    func recent(at now: MonotonicTime) -> Int64? {
        let second = now.nanoseconds / 1_000_000_000
        return buckets.suffix(2).filter { $0.second >= second &- 1 }.map(\.value).max()
    }

    /// What was needed in three of the seconds at least; nil when there are fewer.
    var usual: Int64? {
        guard buckets.count >= Self.usualSeconds else { return nil }
        return buckets.map(\.value).sorted(by: >)[Self.usualSeconds - 1]
    }

    /// The most that was needed.
    var largest: Int64? { buckets.map(\.value).max() }

    /// Whether the window has been filled once.
    func isFull(at now: MonotonicTime) -> Bool {
        first.map { now.nanoseconds(since: $0) >= Self.seconds * 1_000_000_000 } ?? false
    }
}
