// The end of sources (RFC 3550 section 6.6).

/// Sources that have ended.
public struct RTCPGoodbye: Sendable, Hashable {
    /// The sources, at most 31.
    public var sources: [UInt32]

    /// Creates a message.
    public init(sources: [UInt32]) { self.sources = sources }

    init?(_ body: ByteReader, sources count: Int) {
        var reader = body
        sources = []
        for _ in 0..<count {
            guard let ssrc = reader.u32() else { return nil }
            sources.append(ssrc)
        }
    }

    func write(to writer: inout ByteWriter) {
        writer.rtcp(type: 203, count: UInt8(min(31, sources.count))) { writer in
            for source in sources.prefix(31) { writer.u32(source) }
        }
    }
}
