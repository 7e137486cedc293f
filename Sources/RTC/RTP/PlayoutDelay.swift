// How long pictures are to wait before they are shown, as a header extension (libwebrtc, `docs/native-code/rtp-hdrext/playout-delay`).

/// A `playout-delay` element: the shortest and the longest wait, in 12 bits each, in units of 10 ms.
public enum PlayoutDelay {
    /// How many bytes it has.
    public static let elementLength = 3

    /// The 24 bits of a wait of at least so long, and of at most as long as a receiver has it by itself.
    ///
    /// - Parameter leastMs: milliseconds, rounded up to tens.
    @inline(__always)
    public static func value(leastMs: Int) -> UInt32 {
        let least = UInt32(truncatingIfNeeded: (min(max(0, leastMs), receiversOwnMs) + 9) / 10)
        return least << 12 | UInt32(receiversOwnMs / 10)
    }

    /// What libwebrtc's own upper bound is where nothing is said.
    private static let receiversOwnMs = 10_000

    /// Writes an element.
    ///
    /// - Returns: false when there are less than 3 bytes.
    @inline(__always)
    public static func write(leastMs: Int, to bytes: UnsafeMutableRawBufferPointer) -> Bool {
        guard bytes.count >= elementLength else { return false }
        let value = value(leastMs: leastMs)
        for index in 0..<elementLength { bytes[index] = UInt8(truncatingIfNeeded: value >> UInt32(16 - 8 * index)) }
        return true
    }

    /// Reads the shortest wait of an element, in milliseconds; nil when its length is wrong.
    @inline(__always)
    public static func leastMs(_ element: UnsafeRawBufferPointer) -> Int? {
        guard element.count == elementLength else { return nil }
        return (Int(element[0]) << 4 | Int(element[1]) >> 4) * 10
    }
}
