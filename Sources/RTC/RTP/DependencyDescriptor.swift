// The dependency descriptor of a packet (RTP Payload Format For AV1, appendix A): which frame it is part of.

/// What a descriptor says, checked as far as it goes; a plain value, read without memory.
///
/// Which layers and references a template stands for is the decoder's matter: a media server passes it on.
public struct DependencyDescriptor: Sendable, Hashable {
    /// How many bytes every descriptor has; the frame's number stands in the last two of them.
    public static let mandatoryLength = 3

    /// Whether the packet is the first, and whether it is the last one of its frame.
    public var startsFrame: Bool, endsFrame: Bool
    /// Which template of the structure the frame follows.
    public var templateID: UInt8
    /// The frame's number, which goes up by one from frame to frame of the stream that was encoded.
    public var frameNumber: UInt16
    /// What the structure has that a key frame brings.
    public var structure: DependencyStructure?

    /// Parses an element.
    ///
    /// - Parameters:
    ///   - bytes: the element's value.
    ///   - known: the last structure of the stream; nil before the first.
    /// - Returns: nil when it ends too early, or fits no structure.
    public init?(_ bytes: UnsafeRawBufferPointer, known: DependencyStructure?) {
        guard bytes.count >= Self.mandatoryLength else { return nil }
        startsFrame = bytes[0] & 0x80 != 0
        endsFrame = bytes[0] & 0x40 != 0
        templateID = bytes[0] & 0x3F
        frameNumber = UInt16(bytes[1]) << 8 | UInt16(bytes[2])
        guard bytes.count > Self.mandatoryLength else {
            guard let known, known.has(templateID) else { return nil }
            return
        }
        var reader = BitReader(UnsafeRawBufferPointer(rebasing: bytes[Self.mandatoryLength...]))
        guard let flags = reader.read(5) else { return nil }
        if flags & 16 != 0 {
            guard let read = DependencyStructure(&reader) else { return nil }
            structure = read
        }
        guard let structure = structure ?? known, structure.has(templateID) else { return nil }
        if flags & 8 != 0, reader.read(structure.decodeTargets) == nil { return nil }
        if flags & 4 != 0, !reader.skip(2 * structure.decodeTargets) { return nil }
        if flags & 2 != 0, !Self.skipDifferences(&reader) { return nil }
        if flags & 1 != 0, !reader.skip(8 * structure.chains) { return nil }
    }

    private static func skipDifferences(_ reader: inout BitReader) -> Bool {
        while let size = reader.read(2) {
            guard size > 0 else { return true }
            guard reader.skip(4 * Int(size)) else { return false }
        }
        return false
    }
}

/// How much a structure tells of frames: what is needed to read the descriptors that follow it.
public struct DependencyStructure: Sendable, Hashable {
    /// As many as their numbers tell apart.
    static let maximumTemplates = 64

    /// The id of the first template, and how many there are.
    public private(set) var templateOffset = 0, templates = 0
    /// How many ways of decoding there are, and how many chains of frames protect them.
    public private(set) var decodeTargets = 0, chains = 0
    /// How many spatial layers there are.
    public private(set) var spatialLayers = 1

    /// Whether there is a template of this id; they go on behind 63 with 0.
    @inline(__always)
    func has(_ id: UInt8) -> Bool { (Int(id) + 64 - templateOffset) & 63 < templates }

    init?(_ reader: inout BitReader) {
        guard let offset = reader.read(6), let targets = reader.read(5) else { return nil }
        templateOffset = Int(offset)
        decodeTargets = Int(targets) + 1
        guard readLayers(&reader), reader.skip(2 * templates * decodeTargets) else { return nil }
        for _ in 0..<templates {
            while true {
                guard let follows = reader.read(1) else { return nil }
                guard follows == 1 else { break }
                guard reader.skip(4) else { return nil }
            }
        }
        guard readChains(&reader), let hasSizes = reader.read(1) else { return nil }
        if hasSizes == 1, !reader.skip(32 * spatialLayers) { return nil }
    }

    private mutating func readLayers(_ reader: inout BitReader) -> Bool {
        var temporal = 0
        while templates < Self.maximumTemplates {
            templates += 1
            guard let next = reader.read(2) else { return false }
            switch next {
            case 0: break
            case 1:
                temporal += 1
                guard temporal < 8 else { return false }
            case 2:
                spatialLayers += 1
                temporal = 0
                guard spatialLayers <= 4 else { return false }
            default: return true
            }
        }
        return false
    }

    private mutating func readChains(_ reader: inout BitReader) -> Bool {
        guard let count = reader.readUneven(decodeTargets + 1) else { return false }
        chains = count
        guard count > 0 else { return true }
        for _ in 0..<decodeTargets { guard reader.readUneven(count) != nil else { return false } }
        return reader.skip(4 * templates * count)
    }
}

/// Bits of an element, most significant first; every read is checked.
struct BitReader {
    private let bytes: UnsafeRawBufferPointer
    private var position = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    /// Reads up to 32 bits; nil when there are fewer.
    mutating func read(_ count: Int) -> UInt32? {
        guard count >= 0, count <= 32, position + count <= bytes.count * 8 else { return nil }
        var value: UInt32 = 0
        for _ in 0..<count {
            value = value << 1 | UInt32(bytes[position >> 3] >> UInt8(7 - position & 7) & 1)
            position += 1
        }
        return value
    }

    /// Steps over bits; false when there are fewer.
    mutating func skip(_ count: Int) -> Bool {
        guard count >= 0, count <= bytes.count * 8 - position else { return false }
        position += count
        return true
    }

    /// Reads a number below `count` in as few bits as tell it (`ns(n)`).
    mutating func readUneven(_ count: Int) -> Int? {
        guard count > 0 else { return nil }
        let width = Int.bitWidth - count.leadingZeroBitCount, short = (1 << width) - count
        guard let value = read(width - 1) else { return nil }
        if Int(value) < short { return Int(value) }
        guard let last = read(1) else { return nil }
        return (Int(value) << 1) - short + Int(last)
    }
}
