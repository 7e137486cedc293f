// A ring of plain values in memory that is taken once: no reference is counted when one is written.

/// Values by a number that only grows; each place holds the newest that belongs there.
///
/// An array in a class would be asked for its uniqueness, and that for each packet of each subscriber.
@frozen
public struct Ring<Element: BitwiseCopyable & Sendable>: ~Copyable, @unchecked Sendable {
    @usableFromInline let base: UnsafeMutablePointer<Element>
    @usableFromInline let mask: Int

    /// Takes memory for `capacity` values, rounded up to a power of two; 0 takes none.
    @inlinable
    public init(repeating value: Element, capacity: Int) {
        var size = 1
        while size < min(capacity, 1 << 24) { size *= 2 }
        if capacity <= 0 { size = 0 }
        base = .allocate(capacity: size)
        base.initialize(repeating: value, count: size)
        mask = size - 1
    }

    @inlinable
    deinit { base.deallocate() }

    /// How many values fit.
    @inlinable @inline(__always)
    public var capacity: Int { mask &+ 1 }

    /// The value at a number's place; the ring must not be empty.
    @inlinable @inline(__always)
    public subscript(number: Int64) -> Element {
        get { base[Int(truncatingIfNeeded: number) & mask] }
        set { base[Int(truncatingIfNeeded: number) & mask] = newValue }
    }
}
