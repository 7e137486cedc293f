// Bits per second over the last moments, without memory of single packets.

/// Counts bytes in ten slots of a window.
public struct RateMeter: Sendable {
    private static let slots = 10

    /// What was counted in the slots before, and in the one that is counted in, which starts at a time of its own: most notes touch no more.
    private var ring = [Int64](repeating: 0, count: slots)
    private var current: Int64 = 0, begin = Int64.min
    private let slotNanoseconds: Int64
    private var slot: Int64 = 0, first: Int64?
    private var sum: Int64 = 0

    /// Starts with nothing counted.
    ///
    /// - Parameter windowMs: over how much time the rate is taken.
    public init(windowMs: Int64) { slotNanoseconds = max(1, windowMs) * 1_000_000 / Int64(Self.slots) }

    /// Counts bytes at a time in nanoseconds; what is older than the window is left out.
    @inline(__always)
    public mutating func note(_ bytes: Int, at nanoseconds: Int64) {
        guard UInt64(bitPattern: nanoseconds &- begin) < UInt64(bitPattern: slotNanoseconds) else {
            return noteElsewhere(bytes, at: nanoseconds)
        }
        current &+= Int64(bytes)
        sum &+= Int64(bytes)
    }

    /// Counts bytes in another slot than the last.
    @inline(never)
    private mutating func noteElsewhere(_ bytes: Int, at nanoseconds: Int64) {
        let here = slot(of: nanoseconds)
        if first == nil {
            first = here
            slot = here
            begin = here &* slotNanoseconds
        }
        if here > slot { advance(to: here) }
        guard here > slot - Int64(Self.slots) else { return }
        sum &+= Int64(bytes)
        if here == slot { current &+= Int64(bytes) } else { ring[Self.index(here)] &+= Int64(bytes) }
    }

    private static func index(_ slot: Int64) -> Int { Int(slot % Int64(slots) + Int64(slots)) % slots }

    /// Times before zero have slots of the same length.
    private func slot(of nanoseconds: Int64) -> Int64 {
        let (slot, rest) = nanoseconds.quotientAndRemainder(dividingBy: slotNanoseconds)
        return rest < 0 ? slot - 1 : slot
    }

    private mutating func advance(to here: Int64) {
        ring[Self.index(slot)] = current
        for number in max(slot + 1, here - Int64(Self.slots) + 1)...here {
            let index = Self.index(number)
            sum &-= ring[index]
            ring[index] = 0
        }
        slot = here
        begin = here &* slotNanoseconds
        current = 0
    }

    /// The rate in bits per second; nil before half of a window has been seen.
    public mutating func bitrate(at nanoseconds: Int64) -> Int? {
        guard let first else { return nil }
        let here = slot(of: nanoseconds)
        if here > slot { advance(to: here) }
        let seen = min(Int64(Self.slots), slot - first + 1)
        guard seen >= Int64(Self.slots) / 2 else { return nil }
        // A clock that stands still, and it may be a receiver's, adds up without end.
        return Int(min(Double(sum) * 8e9 / Double(seen * slotNanoseconds), 1e12))
    }
}
