// A clock of 64 bits from stamps of 32.

/// Unwraps 32-bit millisecond stamps, which start again every 49.7 days, to the value nearest to the last one.
struct TimestampUnwrapper: Sendable {
    private var last: Int64?

    /// Returns the 64-bit time of a stamp and remembers it.
    mutating func unwrap(_ stamp: UInt32) -> Int64 {
        let value = peek(stamp)
        last = value
        return value
    }

    /// Returns the 64-bit time of a stamp without moving the clock.
    func peek(_ stamp: UInt32) -> Int64 {
        guard let last else { return Int64(stamp) }
        return last &+ Int64(Int32(bitPattern: stamp &- UInt32(truncatingIfNeeded: last)))
    }
}
