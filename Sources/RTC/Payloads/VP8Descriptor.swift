// The VP8 payload descriptor (RFC 7741 section 4.2) and what the frame header tells (section 4.3).

import Media

/// A parsed descriptor.
public struct VP8Descriptor: Sendable, Hashable {
    /// Whether the packet begins a partition.
    public var startsPartition = false
    /// The partition's number.
    public var partition: UInt8 = 0
    /// Whether no other frame refers to this one.
    public var isNonReference = false
    /// The picture id, 7 or 15 bits.
    public var pictureID: UInt16?
    /// Whether the picture id has 15 bits.
    public var hasLongPictureID = false
    /// TL0PICIDX.
    public var tl0PictureIndex: UInt8?
    /// The temporal layer.
    public var temporalLayer: UInt8?
    /// KEYIDX, 5 bits.
    public var keyIndex: UInt8?
    /// Bytes of the descriptor.
    public var length = 1
    /// Whether the frame is a keyframe; only known where a frame begins.
    public var isKeyframe = false
    /// Width and height of a keyframe.
    public var width = 0, height = 0

    /// Creates a descriptor to be written.
    public init() {}

    /// Parses the descriptor in front of a payload; nil when it ends too early or nothing follows it.
    public init?(_ payload: UnsafeRawBufferPointer) {
        var reader = ByteReader(payload)
        guard let first = reader.u8() else { return nil }
        startsPartition = first & 0x10 != 0
        partition = first & 7
        isNonReference = first & 0x20 != 0
        if first & 0x80 != 0 {
            guard let flags = reader.u8() else { return nil }
            if flags & 0x80 != 0 {
                guard let picture = reader.pictureID() else { return nil }
                (pictureID, hasLongPictureID) = (picture.id, picture.isLong)
            }
            if flags & 0x40 != 0 {
                guard let index = reader.u8() else { return nil }
                tl0PictureIndex = index
            }
            if flags & 0x30 != 0 {
                guard let layer = reader.u8() else { return nil }
                if flags & 0x20 != 0 { temporalLayer = layer >> 6 }
                if flags & 0x10 != 0 { keyIndex = layer & 31 }
            }
        }
        length = reader.offset
        guard reader.remaining > 0 else { return nil }
        if startsFrame {
            let frame = UnsafeRawBufferPointer(rebasing: payload[length...])
            isKeyframe = VP8FrameHeader.isKeyframe(frame)
            if isKeyframe, let size = VP8FrameHeader.size(frame) { (width, height) = (size.width, size.height) }
        }
    }

    /// Whether a frame begins with this packet.
    public var startsFrame: Bool { startsPartition && partition == 0 }

    /// Writes a descriptor with a 15-bit picture id, 4 bytes.
    static func write(startsFrame: Bool, pictureID: UInt16, to writer: inout ByteWriter) {
        writer.u8(startsFrame ? 0x90 : 0x80)
        writer.u8(0x80)
        writer.u16(0x8000 | pictureID & 0x7FFF)
    }
}
