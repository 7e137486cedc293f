// The receiver report (RFC 3550 section 6.4.2).

/// A receiver report.
public struct RTCPReceiverReport: Sendable, Hashable {
    /// Who reports.
    public var ssrc: UInt32
    /// What is reported, at most 31 sources.
    public var blocks: [RTCPReportBlock]

    /// Creates a report.
    public init(ssrc: UInt32, blocks: [RTCPReportBlock]) {
        self.ssrc = ssrc
        self.blocks = blocks
    }

    init?(_ body: ByteReader, blocks count: Int) {
        var reader = body
        guard let ssrc = reader.u32(), let blocks = RTCPReportBlock.list(&reader, count: count) else { return nil }
        self.init(ssrc: ssrc, blocks: blocks)
    }

    func write(to writer: inout ByteWriter) {
        writer.rtcp(type: 201, count: UInt8(min(31, blocks.count))) { writer in
            writer.u32(ssrc)
            for block in blocks.prefix(31) { block.write(to: &writer) }
        }
    }
}
