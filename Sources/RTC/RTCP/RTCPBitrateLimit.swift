// The largest bit rate that somebody takes of single sources, TMMBR (RFC 5104 section 4.2.1).

/// A bound for each of several sources; with 0 nothing of it is wanted for now.
public struct RTCPBitrateLimit: Sendable, Hashable {
    /// A source and its bound.
    public struct Entry: Sendable, Hashable {
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
    }

    /// Who says so.
    public var sender: UInt32
    /// Of whom.
    public var entries: [Entry]

    /// Creates a message.
    public init(sender: UInt32, entries: [Entry]) {
        self.sender = sender
        self.entries = entries
    }

    init?(_ body: ByteReader) {
        var reader = body
        guard let sender = reader.u32(), reader.skip(4) else { return nil }
        self.init(sender: sender, entries: [])
        while entries.count < 32, let ssrc = reader.u32(), let word = reader.u32() {
            let exponent = UInt64(word >> 26), mantissa = UInt64(word >> 9 & 0x1FFFF)
            // 17 bits shifted by more than 47 leave the 64: then it is no rate.
            guard mantissa == 0 || exponent <= 47 else { continue }
            entries.append(
                Entry(
                    ssrc: ssrc, bitsPerSecond: mantissa << exponent, overhead: UInt16(truncatingIfNeeded: word & 0x1FF))
            )
        }
    }

    func write(to writer: inout ByteWriter) {
        writer.rtcp(type: 205, count: 3) { writer in
            writer.u32(sender)
            writer.u32(0)
            for entry in entries {
                writer.u32(entry.ssrc)
                let exponent = UInt64(max(0, 64 - entry.bitsPerSecond.leadingZeroBitCount - 17))
                let mantissa = UInt32(truncatingIfNeeded: entry.bitsPerSecond >> exponent) & 0x1FFFF
                writer.u32(UInt32(exponent) << 26 | mantissa << 9 | UInt32(entry.overhead & 0x1FF))
            }
        }
    }
}
