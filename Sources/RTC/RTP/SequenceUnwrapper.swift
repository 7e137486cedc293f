// 16-bit sequence numbers and 32-bit timestamps without their wraps.

/// Unwraps sequence numbers; the first keeps its value.
public struct SequenceUnwrapper: Sendable {
    /// The highest number seen, nil before the first.
    public private(set) var highest: Int64?

    /// Creates an unwrapper that has seen nothing.
    public init() {}

    /// Returns the unwrapped number nearest to the highest seen, which moves up if this one is higher.
    @inline(__always)
    public mutating func unwrap(_ number: UInt16) -> Int64 {
        let value = peek(number)
        if value > highest ?? Int64.min { highest = value }
        return value
    }

    /// Returns the unwrapped number without taking note of it.
    @inline(__always)
    public func peek(_ number: UInt16) -> Int64 {
        guard let highest else { return Int64(number) }
        return highest &+ Int64(Int16(bitPattern: number &- UInt16(truncatingIfNeeded: highest)))
    }
}

/// Unwraps timestamps; the first keeps its value.
public struct TimestampUnwrapper: Sendable {
    private var last: Int64?

    /// Creates an unwrapper that has seen nothing.
    public init() {}

    /// Returns the unwrapped timestamp nearest to the last one.
    @inline(__always)
    public mutating func unwrap(_ timestamp: UInt32) -> Int64 {
        let value =
            last.map { $0 &+ Int64(Int32(bitPattern: timestamp &- UInt32(truncatingIfNeeded: $0))) } ?? Int64(timestamp)
        last = value
        return value
    }
}
