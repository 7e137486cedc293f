// Feedback of several sources in one message: who says it, nobody whom it is all about, and an entry for each (RFC 5104 section 4).

/// What a message says of one of its sources: a word behind its name.
public protocol RTCPSourceEntry: Sendable, Hashable {
    /// The packet type of its messages, and the format that stands in the place of a count.
    static var kind: (type: UInt8, format: UInt8) { get }
    /// The source.
    var ssrc: UInt32 { get }
    /// What is said of it, as it goes over the wire.
    var word: UInt32 { get }

    /// Reads an entry.
    ///
    /// - Parameters:
    ///   - ssrc: the source.
    ///   - word: what is said of it.
    /// - Returns: nil for what says nothing; the others of its message count all the same.
    init?(ssrc: UInt32, word: UInt32)
}

/// A message with entries of one kind.
public struct RTCPSourceFeedback<Entry: RTCPSourceEntry>: Sendable, Hashable {
    /// As many entries of a message are read: more sources than a browser has.
    static var maximumEntries: Int { 32 }

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
        while entries.count < Self.maximumEntries, let ssrc = reader.u32(), let word = reader.u32() {
            if let entry = Entry(ssrc: ssrc, word: word) { entries.append(entry) }
        }
    }

    func write(to writer: inout ByteWriter) {
        writer.rtcp(type: Entry.kind.type, count: Entry.kind.format) { writer in
            writer.u32(sender)
            writer.u32(0)
            for entry in entries {
                writer.u32(entry.ssrc)
                writer.u32(entry.word)
            }
        }
    }
}
