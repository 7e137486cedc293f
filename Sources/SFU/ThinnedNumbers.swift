// The numbers of a stream from which packets are taken out one by one, so that no hole is left where one was.

/// Source numbers to the numbers of the stream as if the packets that are taken out had never been in it.
///
/// Invariants: a number is given once; what is taken out in its turn leaves no hole. Whether a missing packet is to be taken out
/// nobody knows, so it keeps its number: when it comes and is not wanted, the number has to be filled.
struct ThinnedNumbers: Sendable {
    /// A packet's fate.
    enum Fate: Sendable, Hashable {
        /// It has this number.
        case sent(Int64)
        /// It is not wanted, but has a number that others are waiting for.
        case filled(Int64)
        /// It is taken out, or was placed before.
        case gone
        /// So far behind that its number is not known any more.
        case late
    }

    static let capacity: Int64 = 1024
    private static let closed = UInt32.max

    /// By source number, how many had been taken out before it; `closed` where its number is given or there is none.
    private var ring = [UInt32](repeating: closed, count: Int(capacity))
    private var first: Int64
    /// The newest source number that was placed.
    private(set) var newest: Int64
    private var removed: UInt32 = 0

    /// Begins with a source number, which keeps it, as all before it do.
    init(from first: Int64) {
        self.first = first
        newest = first &- 1
    }

    /// Begins anew, in the memory that is there.
    mutating func restart(from first: Int64) {
        self.first = first
        newest = first &- 1
        removed = 0
        for index in ring.indices { ring[index] = Self.closed }
    }

    /// Places a packet, each once.
    mutating func place(_ source: Int64, isWanted: Bool) -> Fate {
        guard source >= first else { return isWanted ? .sent(source) : .filled(source) }
        if source > newest {
            var missing = max(newest + 1, source - Self.capacity + 1)
            while missing < source {
                ring[slot(missing)] = removed
                missing += 1
            }
            newest = source
            ring[slot(source)] = Self.closed
            guard isWanted else {
                removed &+= 1
                return .gone
            }
            return .sent(source - Int64(removed))
        }
        guard newest - source < Self.capacity else { return .late }
        let before = ring[slot(source)]
        guard before != Self.closed else { return .gone }
        ring[slot(source)] = Self.closed
        let number = source - Int64(before)
        return isWanted ? .sent(number) : .filled(number)
    }

    private func slot(_ source: Int64) -> Int { Int(source & (Self.capacity - 1)) }
}
