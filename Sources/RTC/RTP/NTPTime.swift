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

    /// How long what we have sent and what answers it were under way (RFC 3550 section 6.4.1, RFC 3611 section 4.5).
    ///
    /// - Parameters:
    ///   - sent: the middle of the NTP time that we have sent; it wraps every 18 hours.
    ///   - delay: how long the answer took there, in units of 2^-16 s.
    ///   - now: nanoseconds since the Unix epoch.
    /// - Returns: milliseconds; nil for what makes no sense.
    public static func roundTripMs(since sent: UInt32, delay: UInt32, at now: Int64) -> Int64? {
        let trip = Int32(bitPattern: middle(from(unixNanoseconds: now)) &- sent &- delay)
        // Rounding at both ends takes a little more than nothing; a trip of more than 10 s is a broken report.
        guard trip > -(1 << 8), trip < 10 << 16 else { return nil }
        return (Int64(max(0, trip)) * 1000) >> 16
    }
}

extension Int64 {
    fileprivate func quotientFloor(_ divisor: Int64) -> Int64 {
        let quotient = self / divisor
        return self % divisor < 0 ? quotient - 1 : quotient
    }
}
