// When a packet was sent, as a header extension (libwebrtc, `docs/native-code/rtp-hdrext/abs-send-time`).

/// An `abs-send-time` element: seconds on any clock of the sender's as 6.18 fixed point, which wraps every 64 s.
public enum SendTime {
    /// How many bytes it has.
    public static let elementLength = 3

    /// The 24 bits of a time.
    ///
    /// - Parameter nanoseconds: on the sender's clock.
    @inline(__always)
    public static func value(nanoseconds: Int64) -> UInt32 {
        let wrapped = UInt64(bitPattern: nanoseconds) % 64_000_000_000
        return UInt32(truncatingIfNeeded: (wrapped << 18) / 1_000_000_000) & 0xFF_FFFF
    }

    /// Writes an element.
    ///
    /// - Returns: false when there are less than 3 bytes.
    @inline(__always)
    public static func write(nanoseconds: Int64, to bytes: UnsafeMutableRawBufferPointer) -> Bool {
        guard bytes.count >= elementLength else { return false }
        let value = value(nanoseconds: nanoseconds)
        for index in 0..<elementLength { bytes[index] = UInt8(truncatingIfNeeded: value >> UInt32(16 - 8 * index)) }
        return true
    }
}
