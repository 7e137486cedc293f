// The sender report: which NTP time a timestamp stands for (RFC 3550 section 6.4.1).

/// A sender report.
public struct RTCPSenderReport: Sendable, Hashable {
    /// The sender.
    public var ssrc: UInt32
    /// NTP time, 32.32 fixed point, seconds since 1900.
    public var ntp: UInt64
    /// The same moment in the media's clock.
    public var rtpTimestamp: UInt32
    /// Packets and payload bytes sent so far.
    public var packets: UInt32, bytes: UInt32
    /// What the sender says of sources that it receives.
    public var blocks: [RTCPReportBlock]

    /// Creates a report.
    public init(
        ssrc: UInt32, ntp: UInt64, rtpTimestamp: UInt32, packets: UInt32, bytes: UInt32, blocks: [RTCPReportBlock] = []
    ) {
        self.ssrc = ssrc
        self.ntp = ntp
        self.rtpTimestamp = rtpTimestamp
        self.packets = packets
        self.bytes = bytes
        self.blocks = blocks
    }

    init?(_ body: ByteReader, blocks count: Int) {
        var reader = body
        guard let ssrc = reader.u32(), let ntp = reader.u64(), let timestamp = reader.u32(), let packets = reader.u32(),
            let bytes = reader.u32(), let blocks = RTCPReportBlock.list(&reader, count: count)
        else { return nil }
        self.init(ssrc: ssrc, ntp: ntp, rtpTimestamp: timestamp, packets: packets, bytes: bytes, blocks: blocks)
    }

    func write(to writer: inout ByteWriter) {
        writer.rtcp(type: 200, count: UInt8(min(31, blocks.count))) { writer in
            writer.u32(ssrc)
            writer.u64(ntp)
            writer.u32(rtpTimestamp)
            writer.u32(packets)
            writer.u32(bytes)
            for block in blocks.prefix(31) { block.write(to: &writer) }
        }
    }
}
