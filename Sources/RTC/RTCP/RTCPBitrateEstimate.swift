// The receiver's estimate of the bit rate, REMB (draft-alvestrand-rmcat-remb-03).

/// The bit rate that a receiver can take.
public struct RTCPBitrateEstimate: Sendable, Hashable {
    /// Who says so.
    public var sender: UInt32
    /// Bits per second over all the sources.
    public var bitsPerSecond: UInt64
    /// The sources it is about.
    public var sources: [UInt32]

    /// Creates a message.
    public init(sender: UInt32, bitsPerSecond: UInt64, sources: [UInt32]) {
        self.sender = sender
        self.bitsPerSecond = bitsPerSecond
        self.sources = sources
    }

    init?(_ body: ByteReader) {
        var reader = body
        guard let sender = reader.u32(), reader.skip(4), reader.u32() == 0x5245_4D42, let count = reader.u8(),
            let rate = reader.u24()
        else { return nil }
        let mantissa = UInt64(rate & 0x3FFFF), exponent = UInt64(rate >> 18)
        // 18 bits shifted by up to 63 may leave the 64: then it is no rate.
        guard mantissa == 0 || exponent < 46 else { return nil }
        self.init(sender: sender, bitsPerSecond: mantissa << exponent, sources: [])
        for _ in 0..<count {
            guard let ssrc = reader.u32() else { return nil }
            sources.append(ssrc)
        }
    }

    func write(to writer: inout ByteWriter) {
        writer.rtcp(type: 206, count: 15) { writer in
            writer.u32(sender)
            writer.u32(0)
            writer.u32(0x5245_4D42)
            writer.u8(UInt8(min(255, sources.count)))
            let exponent = UInt64(max(0, 64 - bitsPerSecond.leadingZeroBitCount - 18))
            writer.u24(UInt32(exponent) << 18 | UInt32(truncatingIfNeeded: bitsPerSecond >> exponent) & 0x3FFFF)
            for source in sources.prefix(255) { writer.u32(source) }
        }
    }
}
