// The VP9 payload descriptor (RFC 9628 section 4.2).

import Media

/// A parsed descriptor.
public struct VP9Descriptor: Sendable, Hashable {
    /// Whether the packet begins, and whether it ends, a frame of one layer.
    public var startsLayerFrame = false, endsLayerFrame = false
    /// Whether the frame refers to earlier pictures.
    public var isPredicted = false
    /// Whether references are told by each picture instead of by a structure.
    public var isFlexible = false
    /// Whether upper spatial layers of the same picture don't refer to this frame.
    public var isUnusedAbove = false
    /// The picture id, 7 or 15 bits.
    public var pictureID: UInt16?
    /// Whether the picture id has 15 bits.
    public var hasLongPictureID = false
    /// The layers; nil when there is one.
    public var temporalLayer: UInt8?, spatialLayer: UInt8?
    /// Whether a receiver may go up to this temporal layer here.
    public var switchesUp = false
    /// Whether the frame refers to the layer below in the same picture.
    public var isInterLayerPredicted = false
    /// TL0PICIDX, outside of flexible mode.
    public var tl0PictureIndex: UInt8?
    /// How many pictures before are referred to, in flexible mode.
    public var referenceCount = 0
    /// The spatial layers that a scalability structure names; none where there is no structure.
    public var structure = VP9Structure()
    /// Bytes of the descriptor.
    public var length = 1
    /// Whether decoding can begin with this packet: the first one of a key picture.
    public var isKeyframe = false

    /// Parses the descriptor in front of a payload; nil when it ends too early or nothing follows it.
    public init?(_ payload: UnsafeRawBufferPointer) {
        var reader = ByteReader(payload)
        guard let first = reader.u8() else { return nil }
        isPredicted = first & 0x40 != 0
        isFlexible = first & 0x10 != 0
        startsLayerFrame = first & 0x08 != 0
        endsLayerFrame = first & 0x04 != 0
        isUnusedAbove = first & 0x01 != 0
        if first & 0x80 != 0 {
            guard let picture = reader.pictureID() else { return nil }
            (pictureID, hasLongPictureID) = (picture.id, picture.isLong)
        }
        if first & 0x20 != 0 {
            guard let layers = reader.u8() else { return nil }
            temporalLayer = layers >> 5
            switchesUp = layers & 0x10 != 0
            spatialLayer = layers >> 1 & 7
            isInterLayerPredicted = layers & 1 != 0
            if !isFlexible {
                guard let index = reader.u8() else { return nil }
                tl0PictureIndex = index
            }
        }
        if isFlexible, isPredicted {
            var goesOn = true
            while goesOn {
                guard referenceCount < 3, let difference = reader.u8() else { return nil }
                referenceCount += 1
                goesOn = difference & 1 != 0
            }
        }
        if first & 0x02 != 0 {
            guard readStructure(&reader) else { return nil }
        }
        length = reader.offset
        guard reader.remaining > 0 else { return nil }
        if startsPicture, !isPredicted {
            isKeyframe = VP9FrameHeader(UnsafeRawBufferPointer(rebasing: payload[length...]))?.isKeyframe ?? false
        }
    }

    /// Whether a picture begins with this packet.
    public var startsPicture: Bool { startsLayerFrame && spatialLayer ?? 0 == 0 }

    /// Reads a scalability structure (section 4.2.1).
    private mutating func readStructure(_ reader: inout ByteReader) -> Bool {
        guard let flags = reader.u8() else { return false }
        structure = VP9Structure(count: Int(flags >> 5) + 1)
        if flags & 0x10 != 0 {
            for layer in 0..<structure.count {
                guard let width = reader.u16(), let height = reader.u16() else { return false }
                structure.set(layer, width: width, height: height)
            }
        }
        guard flags & 0x08 != 0 else { return true }
        guard let pictures = reader.u8() else { return false }
        for _ in 0..<pictures {
            guard let picture = reader.u8(), reader.skip(Int(picture >> 2 & 3)) else { return false }
        }
        return true
    }

    /// Writes the descriptor of a stream of one layer with a 15-bit picture id, 3 bytes.
    static func write(
        isPredicted: Bool, startsFrame: Bool, endsFrame: Bool, pictureID: UInt16, to writer: inout ByteWriter
    ) {
        writer.u8(0x80 | (isPredicted ? 0x40 : 0) | (startsFrame ? 0x08 : 0) | (endsFrame ? 0x04 : 0))
        writer.u16(0x8000 | pictureID & 0x7FFF)
    }
}
