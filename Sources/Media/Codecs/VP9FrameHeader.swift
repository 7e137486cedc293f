// What the uncompressed header of a VP9 frame tells (VP9 Bitstream Specification, 6.2), and superframes (Annex B).

/// The beginning of a VP9 frame's uncompressed header.
public struct VP9FrameHeader: Sendable, Hashable {
    /// 0 for 8 bits in 4:2:0.
    public var profile = 0
    /// Whether the frame only repeats one that was decoded before.
    public var showsExisting = false
    /// Whether the frame refers to no other.
    public var isKeyframe = false
    /// The size, where the frame states it; frames between may take it from those that they refer to.
    public var size: PictureSize?

    /// Reads the header; nil for what is cut short or no VP9.
    public init?(_ bytes: UnsafeRawBufferPointer) {
        var bits = HeaderBits(bytes: bytes)
        guard bits.read(2) == 2, let low = bits.read(1), let high = bits.read(1) else { return nil }
        profile = high << 1 | low
        if profile == 3, bits.read(1) != 0 { return nil }
        guard let shows = bits.read(1) else { return nil }
        if shows == 1 {
            guard bits.read(3) != nil else { return nil }
            showsExisting = true
            return
        }
        guard let type = bits.read(1), let isShown = bits.read(1), let isResilient = bits.read(1) else { return nil }
        isKeyframe = type == 0
        if isKeyframe {
            guard bits.readSync(), bits.skipColor(profile), let size = bits.readSize() else { return nil }
            self.size = size
            return
        }
        guard let isIntraOnly = isShown == 1 ? 0 : bits.read(1), isResilient == 1 || bits.read(2) != nil else {
            return nil
        }
        if isIntraOnly == 1 {
            guard bits.readSync(), profile == 0 || bits.skipColor(profile), bits.read(8) != nil,
                let size = bits.readSize()
            else { return nil }
            self.size = size
            return
        }
        // Which frames are refreshed, then the three that are referred to.
        guard bits.read(8) != nil, bits.read(12) != nil else { return nil }
        for _ in 0..<3 {
            guard let isFound = bits.read(1) else { return nil }
            if isFound == 1 { return }
        }
        guard let size = bits.readSize() else { return nil }
        self.size = size
    }
}

/// Bits of a header, most significant first.
private struct HeaderBits {
    let bytes: UnsafeRawBufferPointer
    var position = 0

    mutating func read(_ count: Int) -> Int? {
        guard position + count <= bytes.count * 8 else { return nil }
        var value = 0
        for _ in 0..<count {
            value = value << 1 | Int(bytes[position >> 3] >> UInt8(7 - position & 7) & 1)
            position += 1
        }
        return value
    }

    mutating func readSync() -> Bool { read(24) == 0x498342 }

    mutating func skipColor(_ profile: Int) -> Bool {
        if profile >= 2, read(1) == nil { return false }
        guard let space = read(3) else { return false }
        let hasSampling = profile == 1 || profile == 3
        // 7 is RGB, which has full range and no subsampling.
        return space == 7 ? !hasSampling || read(1) != nil : read(hasSampling ? 4 : 1) != nil
    }

    mutating func readSize() -> PictureSize? {
        guard let width = read(16), let height = read(16) else { return nil }
        return PictureSize(width: width + 1, height: height + 1)
    }
}

/// Several frames in one payload, with an index at the end.
public enum VP9Superframe {
    /// The frames that an index names; nil when there is none, or it names more than there is.
    public static func frames(in payload: UnsafeRawBufferPointer) -> [Range<Int>]? {
        guard let marker = payload.last, marker & 0xE0 == 0xC0 else { return nil }
        let count = Int(marker & 7) + 1, magnitude = Int(marker >> 3 & 3) + 1, length = 2 + count * magnitude
        guard payload.count >= length, payload[payload.count - length] == marker else { return nil }
        var frames: [Range<Int>] = [], begin = 0, offset = payload.count - length + 1
        for _ in 0..<count {
            var size = 0
            for byte in 0..<magnitude { size |= Int(payload[offset + byte]) << (8 * byte) }
            offset += magnitude
            guard begin + size <= payload.count - length else { return nil }
            frames.append(begin..<begin + size)
            begin += size
        }
        return frames
    }

    /// The index of frames of these sizes; empty when they are none, more than 8, or one has no bytes.
    public static func index(sizes: [Int]) -> [UInt8] {
        guard (1...8).contains(sizes.count), let largest = sizes.max(), sizes.allSatisfy({ $0 > 0 }),
            largest <= Int(UInt32.max)
        else { return [] }
        var magnitude = 1
        while magnitude < 4, largest >> (8 * magnitude) > 0 { magnitude += 1 }
        let marker = 0xC0 | UInt8(magnitude - 1) << 3 | UInt8(sizes.count - 1)
        let numbers = sizes.flatMap { size in (0..<magnitude).map { UInt8(truncatingIfNeeded: size >> (8 * $0)) } }
        return [marker] + numbers + [marker]
    }
}
