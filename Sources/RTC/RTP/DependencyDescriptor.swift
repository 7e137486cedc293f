// The dependency descriptor of a packet (RTP Payload Format For AV1, appendix A): which frame it is part of.

/// What a descriptor says, checked as far as it goes; a plain value, read without memory.
///
/// What a frame refers to is the decoder's matter: a media server passes it on.
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
    /// Which decode targets are still sent, a bit each, the lowest for the first; nil where it does not say.
    public var activeTargets: UInt32?
    /// Where that mask stands or would stand, and where the last field ends, in bits from the element's beginning.
    private(set) var maskPosition = 8 * mandatoryLength + 5, end = 8 * mandatoryLength

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
        var reader = BitReader(bytes)
        guard reader.skip(8 * Self.mandatoryLength), let flags = reader.read(5) else { return nil }
        if flags & 16 != 0 {
            guard let read = DependencyStructure(&reader) else { return nil }
            structure = read
        }
        guard let structure = structure ?? known, structure.has(templateID) else { return nil }
        maskPosition = reader.position
        if flags & 8 != 0 {
            guard let mask = reader.read(structure.decodeTargets) else { return nil }
            activeTargets = mask
        }
        if flags & 4 != 0, !reader.skip(2 * structure.decodeTargets) { return nil }
        if flags & 2 != 0, !Self.skipDifferences(&reader) { return nil }
        if flags & 1 != 0, !reader.skip(8 * structure.chains) { return nil }
        end = reader.position
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
    /// Of each spatial and each temporal layer the decode targets that need one above it, a bit each.
    private var aboveSpatial = SIMD4<UInt32>(), aboveTemporal = SIMD8<UInt32>()

    /// All its decode targets, a bit each.
    public var allTargets: UInt32 { UInt32(truncatingIfNeeded: (UInt64(1) << UInt64(decodeTargets)) &- 1) }

    /// The decode targets that are left where all above these layers is taken out, a bit each.
    public func targets(upTo spatial: UInt8, temporal: UInt8) -> UInt32 {
        allTargets & ~aboveSpatial[Int(min(spatial, 3))] & ~aboveTemporal[Int(min(temporal, 7))]
    }

    /// Whether there is a template of this id; they go on behind 63 with 0.
    @inline(__always)
    func has(_ id: UInt8) -> Bool { (Int(id) + 64 - templateOffset) & 63 < templates }

    init?(_ reader: inout BitReader) {
        guard let offset = reader.read(6), let targets = reader.read(5) else { return nil }
        templateOffset = Int(offset)
        decodeTargets = Int(targets) + 1
        let layers = reader
        guard readLayers(&reader), readTargets(&reader, layers) else { return nil }
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

    /// Reads what each template is to each decode target, once more along the layers.
    private mutating func readTargets(_ reader: inout BitReader, _ layers: BitReader) -> Bool {
        var layers = layers, spatial = 0, temporal = 0
        for _ in 0..<templates {
            var present: UInt32 = 0
            for target in 0..<decodeTargets {
                guard let indication = reader.read(2) else { return false }
                if indication != 0 { present |= 1 << UInt32(target) }
            }
            for layer in 0..<spatial { aboveSpatial[layer] |= present }
            for layer in 0..<temporal { aboveTemporal[layer] |= present }
            switch layers.read(2) {
            case 1: temporal += 1
            case 2: (spatial, temporal) = (spatial + 1, 0)
            default: break
            }
        }
        return true
    }

    private mutating func readChains(_ reader: inout BitReader) -> Bool {
        guard let count = reader.readUneven(decodeTargets + 1) else { return false }
        chains = count
        guard count > 0 else { return true }
        for _ in 0..<decodeTargets { guard reader.readUneven(count) != nil else { return false } }
        return reader.skip(4 * templates * count)
    }
}
