// Whether what looks like a queue is the way itself, which has become longer: another route, another radio cell.

/// Windows in a row in which even the quickest packet came late, by the same; pure.
///
/// A queue empties, or at least changes, when much less is sent; a longer way stays as long as it is. Until that is known all packets
/// seem to wait: jitter counts as over-use, and what the path loses by itself as the losses of a full queue.
struct LongerWay: Sendable {
    /// Nanoseconds: a window, from so much waiting on it counts, and as much as the quickest ones may differ.
    private static let windowNs: Int64 = 500_000_000, waitingNs: Int64 = 15_000_000, steadyNs: Int64 = 10_000_000
    /// How many windows in a row say so, and how much less is sent in each than when the waiting began.
    private static let windows = 4, share = 0.7

    private var begin: Int64?, quickest = Int64.max, bytes = 0
    private var most = 0, run = 0, shortest = Int64.max, longest = Int64.min

    init() {}

    /// Takes note of a packet.
    ///
    /// - Parameters:
    ///   - delay: from its leaving to its arrival on clocks that know nothing of each other, in nanoseconds.
    ///   - size: its bytes.
    ///   - sentAt: when it left, in nanoseconds.
    ///   - path: the delay of the way as it is known, in nanoseconds.
    /// - Returns: the delay of the way, where that is another one now.
    mutating func note(delay: Int64, size: Int, at sentAt: Int64, path: Int64) -> Int64? {
        let since = begin ?? sentAt
        begin = since
        let isOver = sentAt &- since >= Self.windowNs
        let found = isOver ? end(path) : nil
        if isOver { (begin, quickest, bytes) = (sentAt, .max, 0) }
        quickest = min(quickest, delay)
        bytes &+= size
        return found
    }

    /// Takes note of bytes that have left and of which no arrival is told: a full queue that drops what does not fit lets less
    /// arrive of as much.
    mutating func note(lost size: Int) { bytes &+= size }

    private mutating func end(_ path: Int64) -> Int64? {
        guard quickest &- path >= Self.waitingNs else {
            most = 0
            restart(counting: false)
            return nil
        }
        most = max(most, bytes)
        let isLess = Double(bytes) <= Self.share * Double(most)
        let low = min(shortest, quickest), high = max(longest, quickest)
        guard isLess, high &- low <= Self.steadyNs else {
            restart(counting: isLess)
            return nil
        }
        (shortest, longest, run) = (low, high, run + 1)
        guard run >= Self.windows else { return nil }
        most = 0
        restart(counting: false)
        return low
    }

    private mutating func restart(counting: Bool) {
        (shortest, longest, run) = counting ? (quickest, quickest, 1) : (.max, .min, 0)
    }
}
