// The full intra request, taken for a picture loss indication (RFC 5104 section 4.3.1).

/// A request for keyframes of several sources.
public struct RTCPFullIntraRequest: Sendable, Hashable {
    /// A source and the number of the request.
    public struct Entry: Sendable, Hashable {
        /// The source.
        public var ssrc: UInt32
        /// Repeats of one request have the same number.
        public var sequence: UInt8

        /// Creates an entry.
        public init(ssrc: UInt32, sequence: UInt8) {
            self.ssrc = ssrc
            self.sequence = sequence
        }
    }

    /// Who asks.
    public var sender: UInt32
    /// Whom.
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
        while entries.count < 32, let ssrc = reader.u32(), let sequence = reader.u8(), reader.skip(3) {
            entries.append(Entry(ssrc: ssrc, sequence: sequence))
        }
    }

    func write(to writer: inout ByteWriter) {
        writer.rtcp(type: 206, count: 4) { writer in
            writer.u32(sender)
            writer.u32(0)
            for entry in entries {
                writer.u32(entry.ssrc)
                writer.u8(entry.sequence)
                writer.u24(0)
            }
        }
    }
}
