// The picture loss indication: a keyframe, please (RFC 4585 section 6.3.1).

/// A request for a keyframe.
public struct RTCPPictureLoss: Sendable, Hashable {
    /// Who asks, and whom.
    public var sender: UInt32, media: UInt32

    /// Creates a message.
    public init(sender: UInt32, media: UInt32) {
        self.sender = sender
        self.media = media
    }

    init?(_ body: ByteReader) {
        var reader = body
        guard let sender = reader.u32(), let media = reader.u32() else { return nil }
        self.init(sender: sender, media: media)
    }

    func write(to writer: inout ByteWriter) {
        writer.rtcp(type: 206, count: 1) { writer in
            writer.u32(sender)
            writer.u32(media)
        }
    }
}
