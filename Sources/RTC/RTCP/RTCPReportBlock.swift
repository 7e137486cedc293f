// What a receiver says of one source (RFC 3550 section 6.4.1).

/// A report block.
public struct RTCPReportBlock: Sendable, Hashable {
    /// The source that is reported on.
    public var ssrc: UInt32
    /// Packets lost since the last report, of 256.
    public var fractionLost: UInt8
    /// Packets lost in all, a signed 24-bit number.
    public var totalLost: Int32
    /// The highest sequence number with its wraps.
    public var highestSequence: UInt32
    /// Jitter in timestamp units.
    public var jitter: UInt32
    /// The middle 32 bits of the NTP time of the last sender report.
    public var lastSenderReport: UInt32
    /// Time since that report, in 1/65536 s.
    public var delaySinceLastSenderReport: UInt32

    /// Creates a block.
    public init(
        ssrc: UInt32, fractionLost: UInt8, totalLost: Int32, highestSequence: UInt32, jitter: UInt32,
        lastSenderReport: UInt32, delaySinceLastSenderReport: UInt32
    ) {
        self.ssrc = ssrc
        self.fractionLost = fractionLost
        self.totalLost = totalLost
        self.highestSequence = highestSequence
        self.jitter = jitter
        self.lastSenderReport = lastSenderReport
        self.delaySinceLastSenderReport = delaySinceLastSenderReport
    }

    init?(_ reader: inout ByteReader) {
        guard let ssrc = reader.u32(), let loss = reader.u32(), let highest = reader.u32(), let jitter = reader.u32(),
            let last = reader.u32(), let delay = reader.u32()
        else { return nil }
        self.init(
            ssrc: ssrc, fractionLost: UInt8(loss >> 24), totalLost: Int32(bitPattern: loss << 8) >> 8,
            highestSequence: highest,
            jitter: jitter, lastSenderReport: last, delaySinceLastSenderReport: delay)
    }

    func write(to writer: inout ByteWriter) {
        writer.u32(ssrc)
        let bounded = max(-0x80_0000, min(0x7F_FFFF, totalLost))
        writer.u32(UInt32(fractionLost) << 24 | UInt32(bitPattern: bounded) & 0xFF_FFFF)
        writer.u32(highestSequence)
        writer.u32(jitter)
        writer.u32(lastSenderReport)
        writer.u32(delaySinceLastSenderReport)
    }

    static func list(_ reader: inout ByteReader, count: Int) -> [RTCPReportBlock]? {
        var blocks: [RTCPReportBlock] = []
        for _ in 0..<count {
            guard let block = RTCPReportBlock(&reader) else { return nil }
            blocks.append(block)
        }
        return blocks
    }
}
