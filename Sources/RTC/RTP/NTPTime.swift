// NTP time as sender reports carry it: 32.32 fixed point, seconds since 1900.

/// Conversions between NTP time and nanoseconds since the Unix epoch.
public enum NTPTime {
    private static let unixEpoch: UInt64 = 2_208_988_800

    /// NTP time of a moment given in nanoseconds since the Unix epoch.
    public static func from(unixNanoseconds: Int64) -> UInt64 {
        let seconds = unixNanoseconds.quotientFloor(1_000_000_000)
        let rest = UInt64(bitPattern: unixNanoseconds &- seconds &* 1_000_000_000)
        return (UInt64(bitPattern: seconds) &+ unixEpoch) << 32 | (rest << 32) / 1_000_000_000
    }

    /// Nanoseconds since the Unix epoch, for the NTP era of 1900 to 2036.
    public static func unixNanoseconds(_ ntp: UInt64) -> Int64 {
        let seconds = Int64(bitPattern: ntp >> 32) &- Int64(bitPattern: unixEpoch)
        return seconds &* 1_000_000_000 &+ Int64(bitPattern: ((ntp & 0xFFFF_FFFF) &* 1_000_000_000) >> 32)
    }

    /// The middle 32 bits, as report blocks carry them.
    public static func middle(_ ntp: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: ntp >> 16) }
}

extension Int64 {
    fileprivate func quotientFloor(_ divisor: Int64) -> Int64 {
        let quotient = self / divisor
        return self % divisor < 0 ? quotient - 1 : quotient
    }
}
