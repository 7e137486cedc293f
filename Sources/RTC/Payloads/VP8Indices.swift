// The numbers in a VP8 descriptor that must go on when its stream becomes another one (RFC 7741 section 4.2).

/// What one descriptor says: a plain value that is kept with a stored packet.
public struct VP8Indices: Sendable, Hashable {
    /// The picture id, with 7 or 15 bits.
    public var pictureID: UInt16 = 0
    /// TL0PICIDX.
    public var tl0PictureIndex: UInt8 = 0
    /// KEYIDX, 5 bits.
    public var keyIndex: UInt8 = 0
    /// Bytes of the descriptor, 0 where it has none of these numbers.
    public var length: UInt8 = 0
    private var flags: UInt8 = 0

    /// No numbers.
    public init() {}

    init(_ descriptor: VP8Descriptor) {
        if let id = descriptor.pictureID {
            pictureID = id
            flags |= descriptor.hasLongPictureID ? 3 : 1
        }
        if let index = descriptor.tl0PictureIndex {
            tl0PictureIndex = index
            flags |= 4
        }
        if let index = descriptor.keyIndex {
            keyIndex = index
            flags |= 8
        }
        if flags != 0 { length = UInt8(truncatingIfNeeded: descriptor.length) }
    }

    /// Whether there is a picture id.
    public var hasPictureID: Bool { flags & 1 != 0 }
    /// Whether it has 15 bits.
    public var hasLongPictureID: Bool { flags & 2 != 0 }
    /// Whether there is a TL0PICIDX.
    public var hasTL0PictureIndex: Bool { flags & 4 != 0 }
    /// Whether there is a KEYIDX.
    public var hasKeyIndex: Bool { flags & 8 != 0 }

    /// The numbers moved on, each in its own width.
    @inline(__always)
    public func moved(by shift: VP8Shift) -> VP8Indices {
        var result = self
        result.pictureID = (pictureID &+ shift.pictureID) & (hasLongPictureID ? 0x7FFF : 0x7F)
        result.tl0PictureIndex = tl0PictureIndex &+ shift.tl0PictureIndex
        result.keyIndex = (keyIndex &+ shift.keyIndex) & 31
        return result
    }

    /// Writes the descriptor of a payload anew with these numbers; everything else in it stays.
    ///
    /// - Parameters:
    ///   - payload: begins with the descriptor that these numbers were read from.
    ///   - out: at least 6 bytes.
    /// - Returns: how many bytes were written, which is how many of the payload they stand for; 0 when there is nothing to write.
    @inline(__always)
    public func write(over payload: UnsafeRawBufferPointer, to out: UnsafeMutableRawBufferPointer) -> Int {
        let count = Int(length)
        guard count >= 3, count <= 6, payload.count >= count, out.count >= count else { return 0 }
        for index in 0..<count { out[index] = payload[index] }
        var offset = 2
        if hasPictureID {
            if hasLongPictureID {
                guard offset + 1 < count else { return 0 }
                out[offset] = 0x80 | UInt8(truncatingIfNeeded: pictureID >> 8) & 0x7F
                out[offset + 1] = UInt8(truncatingIfNeeded: pictureID)
                offset += 2
            } else {
                out[offset] = UInt8(truncatingIfNeeded: pictureID) & 0x7F
                offset += 1
            }
        }
        if hasTL0PictureIndex {
            guard offset < count else { return 0 }
            out[offset] = tl0PictureIndex
            offset += 1
        }
        if hasKeyIndex {
            guard offset < count else { return 0 }
            out[offset] = out[offset] & 0xE0 | keyIndex & 31
        }
        return count
    }
}

/// By how much the numbers of one stream are moved on; all zeros leave a packet as it is.
public struct VP8Shift: Sendable, Hashable {
    /// Added to each number, around its wrap.
    public var pictureID: UInt16 = 0, tl0PictureIndex: UInt8 = 0, keyIndex: UInt8 = 0

    /// No move.
    public init() {}

    /// The move that lets a stream beginning with `next` go on right behind `last`.
    public init(from next: VP8Indices, behind last: VP8Indices) {
        if next.hasPictureID, last.hasPictureID { pictureID = last.pictureID &+ 1 &- next.pictureID }
        if next.hasTL0PictureIndex, last.hasTL0PictureIndex {
            tl0PictureIndex = last.tl0PictureIndex &+ 1 &- next.tl0PictureIndex
        }
        if next.hasKeyIndex, last.hasKeyIndex { keyIndex = (last.keyIndex &+ 1 &- next.keyIndex) & 31 }
    }

    /// Whether nothing is moved.
    @inline(__always)
    public var isZero: Bool { pictureID == 0 && tl0PictureIndex == 0 && keyIndex == 0 }
}
