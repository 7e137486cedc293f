// A moment on the machine's monotonic clock, as a value that state machines are told.

/// A moment on the monotonic clock of one machine, in nanoseconds; never compared across machines.
public struct MonotonicTime: Hashable, Comparable, Sendable {
    /// Nanoseconds since an arbitrary start that is fixed while the machine runs.
    public var nanoseconds: Int64

    /// Creates a moment from nanoseconds.
    public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    /// Creates a moment from milliseconds; wraps instead of trapping.
    public init(milliseconds: Int64) { nanoseconds = milliseconds &* 1_000_000 }

    /// Whole milliseconds, rounded down.
    public var milliseconds: Int64 { nanoseconds >= 0 ? nanoseconds / 1_000_000 : (nanoseconds &- 999_999) / 1_000_000 }

    /// Compares two moments.
    public static func < (left: Self, right: Self) -> Bool { left.nanoseconds < right.nanoseconds }

    /// Returns the moment that lies `milliseconds` later.
    public func advanced(byMilliseconds milliseconds: Int64) -> Self {
        Self(nanoseconds: nanoseconds &+ milliseconds &* 1_000_000)
    }

    /// Returns the moment that lies `nanoseconds` later.
    public func advanced(byNanoseconds delta: Int64) -> Self { Self(nanoseconds: nanoseconds &+ delta) }

    /// Returns how many nanoseconds lie between an earlier moment and this one.
    public func nanoseconds(since earlier: Self) -> Int64 { nanoseconds &- earlier.nanoseconds }

    /// Returns how many whole milliseconds lie between an earlier moment and this one.
    public func milliseconds(since earlier: Self) -> Int64 { (nanoseconds &- earlier.nanoseconds) / 1_000_000 }
}
