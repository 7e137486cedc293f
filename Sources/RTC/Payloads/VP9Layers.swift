// Where a packet of VP9 lies among the layers of its picture, and which layers there are (RFC 9628 sections 4.2 and 4.2.1).

public import Media

/// The layers that a packet belongs to, and what of it decides whether others can be left out: a plain value that is kept with
/// a stored packet.
public struct VP9Place: Sendable, Hashable {
    /// The spatial and the temporal layer; 0 where the descriptor names none.
    public private(set) var spatial: UInt8 = 0, temporal: UInt8 = 0
    private var flags: UInt8 = 0

    /// A packet of a stream without layers.
    public init() {}

    init(_ descriptor: VP9Descriptor) {
        spatial = descriptor.spatialLayer ?? 0
        temporal = descriptor.temporalLayer ?? 0
        flags =
            (descriptor.spatialLayer != nil ? 1 : 0) | (descriptor.isPredicted ? 2 : 0)
            | (descriptor.switchesUp ? 4 : 0) | (descriptor.endsLayerFrame ? 8 : 0)
    }

    /// Whether the descriptor names layers.
    public var isLayered: Bool { flags & 1 != 0 }
    /// Whether the layer's frame refers to earlier pictures.
    public var isPredicted: Bool { flags & 2 != 0 }
    /// Whether pictures of higher temporal layers behind this one refer to none of theirs before it.
    public var switchesUp: Bool { flags & 4 != 0 }
    /// Whether the packet is the last one of its layer's frame.
    public var endsFrame: Bool { flags & 8 != 0 }
}

/// The spatial layers that a scalability structure names.
public struct VP9Structure: Sendable, Hashable {
    /// How many layers a structure can name.
    public static let maximumLayers = 8

    /// How many there are; 0 while none are named.
    public private(set) var count = 0
    private var widths = SIMD8<UInt16>(), heights = SIMD8<UInt16>()

    /// Names none.
    public init() {}

    init(count: Int) { self.count = min(count, Self.maximumLayers) }

    mutating func set(_ layer: Int, width: UInt16, height: UInt16) {
        guard layer < count else { return }
        widths[layer] = width
        heights[layer] = height
    }

    /// The size of a layer's pictures; nil where it is not told.
    public func size(_ layer: Int) -> PictureSize? {
        guard layer >= 0, layer < count, widths[layer] > 0, heights[layer] > 0 else { return nil }
        return PictureSize(width: Int(widths[layer]), height: Int(heights[layer]))
    }
}
