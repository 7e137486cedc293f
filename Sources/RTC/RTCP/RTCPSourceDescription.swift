// The source description, of which only CNAME is used (RFC 3550 section 6.5).

/// Canonical names of sources.
public struct RTCPSourceDescription: Sendable, Hashable {
    /// A source with its name.
    public struct Chunk: Sendable, Hashable {
        /// The source.
        public var ssrc: UInt32
        /// CNAME, empty when it was not said.
        public var cname: String

        /// Creates a chunk.
        public init(ssrc: UInt32, cname: String) {
            self.ssrc = ssrc
            self.cname = cname
        }
    }

    /// At most 31 chunks.
    public var chunks: [Chunk]

    /// Creates a description.
    public init(chunks: [Chunk]) { self.chunks = chunks }

    init?(_ body: ByteReader, chunks count: Int) {
        var reader = body
        chunks = []
        for _ in 0..<count {
            guard let ssrc = reader.u32() else { return nil }
            let start = reader.offset - 4
            var cname = ""
            while true {
                guard let type = reader.u8() else { return nil }
                if type == 0 { break }
                guard let length = reader.u8(), let text = reader.take(Int(length)) else { return nil }
                if type == 1 { cname = String(decoding: text, as: UTF8.self) }
            }
            guard reader.skip(-(reader.offset - start) & 3) else { return nil }
            chunks.append(Chunk(ssrc: ssrc, cname: cname))
        }
    }

    func write(to writer: inout ByteWriter) {
        writer.rtcp(type: 202, count: UInt8(min(31, chunks.count))) { writer in
            for chunk in chunks.prefix(31) {
                writer.u32(chunk.ssrc)
                let name = chunk.cname.utf8.prefix(255)
                writer.u8(1)
                writer.u8(UInt8(name.count))
                writer.append(name)
                writer.u8(0)
                writer.pad()
            }
        }
    }
}
