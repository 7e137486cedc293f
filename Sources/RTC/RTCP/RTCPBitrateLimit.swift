// The largest bit rate that somebody takes of single sources, TMMBR (RFC 5104 section 4.2.1).

/// A bound for each of several sources; with 0 nothing of it is wanted for now.
public typealias RTCPBitrateLimit = RTCPSourceFeedback<RTCPBitrateBound>

/// A source and its bound.
public struct RTCPBitrateBound: RTCPSourceEntry {
    /// Transport layer feedback, TMMBR.
    public static let kind: (type: UInt8, format: UInt8) = (205, 3)
    /// The source.
    public var ssrc: UInt32
    /// Bits per second; written with 17 significant bits, cut off.
    public var bitsPerSecond: UInt64
    /// What is added to each packet on the way, in bytes, below 512.
    public var overhead: UInt16

    /// Creates an entry.
    public init(ssrc: UInt32, bitsPerSecond: UInt64, overhead: UInt16 = 40) {
        self.ssrc = ssrc
        self.bitsPerSecond = bitsPerSecond
        self.overhead = overhead & 0x1FF
    }

    /// Reads an entry; nil for a rate that is none.
    public init?(ssrc: UInt32, word: UInt32) {
        let exponent = UInt64(word >> 26), mantissa = UInt64(word >> 9 & 0x1FFFF)
        // 17 bits shifted by more than 47 leave the 64: then it is no rate.
        guard mantissa == 0 || exponent <= 47 else { return nil }
        self.init(
            ssrc: ssrc, bitsPerSecond: mantissa << exponent, overhead: UInt16(truncatingIfNeeded: word & 0x1FF))
    }

    /// Six bits of exponent, 17 of mantissa, nine of overhead.
    public var word: UInt32 {
        let exponent = UInt64(max(0, 64 - bitsPerSecond.leadingZeroBitCount - 17))
        let mantissa = UInt32(truncatingIfNeeded: bitsPerSecond >> exponent) & 0x1FFFF
        return UInt32(exponent) << 26 | mantissa << 9 | UInt32(overhead & 0x1FF)
    }
}
