// Bits per second over the last moments, without memory of single packets.

/// Counts bytes in ten slots of a window.
public struct RateMeter: Sendable {
    private static let slots = 10

    private var ring = [Int64](repeating: 0, count: slots)
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
        let here = nanoseconds / slotNanoseconds
        if first == nil {
            first = here
            slot = here
        }
        if here > slot { advance(to: here) }
        guard here > slot - Int64(Self.slots) else { return }
        ring[Int(here % Int64(Self.slots) + Int64(Self.slots)) % Self.slots] &+= Int64(bytes)
        sum &+= Int64(bytes)
    }

    private mutating func advance(to here: Int64) {
        for number in max(slot + 1, here - Int64(Self.slots) + 1)...here {
            let index = Int(number % Int64(Self.slots) + Int64(Self.slots)) % Self.slots
            sum &-= ring[index]
            ring[index] = 0
        }
        slot = here
    }

    /// The rate in bits per second; nil before half of a window has been seen.
    public mutating func bitrate(at nanoseconds: Int64) -> Int? {
        guard let first else { return nil }
        let here = nanoseconds / slotNanoseconds
        if here > slot { advance(to: here) }
        let seen = min(Int64(Self.slots), slot - first + 1)
        guard seen >= Int64(Self.slots) / 2 else { return nil }
        // A clock that stands still, and it may be a receiver's, adds up without end.
        return Int(min(Double(sum) * 8e9 / Double(seen * slotNanoseconds), 1e12))
    }
}
