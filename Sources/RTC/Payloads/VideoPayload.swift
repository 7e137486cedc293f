// What a packet of pictures tells without being decoded, whatever its codec.

public import Media

/// What is known of one packet's payload.
public struct VideoPayload: Sendable, Hashable {
    /// Where the codec's own bytes begin; for H.264 0, because units span packets.
    public var offset = 0
    /// Whether a picture begins here.
    ///
    /// H.264 says so only where a sequence parameter set does.
    public var startsFrame = false
    /// Whether a layer's frame begins here; without layers the same as the picture.
    public var startsLayer = false
    /// Whether decoding can begin here.
    public var startsKeyframe = false
    /// Whether a slice of an IDR of H.264 begins here.
    public var startsIDR = false
    /// The size of the picture, where a key frame begins and says so.
    public var size: PictureSize?
    /// The numbers of a VP8 descriptor.
    public var indices = VP8Indices()
    /// Where the packet lies among the layers of VP9.
    public var place = VP9Place()
    /// Whether a descriptor of VP9 tells its layers' sizes.
    public var hasStructure = false

    /// Reads a payload; nil when it is damaged, or the codec carries no pictures.
    ///
    /// - Parameters:
    ///   - payload: an RTP payload without padding.
    ///   - codec: what its payload type stands for.
    public init?(_ payload: UnsafeRawBufferPointer, codec: Codec) {
        switch codec {
        case .vp8:
            guard let descriptor = VP8Descriptor(payload) else { return nil }
            offset = descriptor.length
            startsFrame = descriptor.startsFrame
            startsKeyframe = descriptor.startsFrame && descriptor.isKeyframe
            if descriptor.width > 0, descriptor.height > 0 {
                size = PictureSize(width: descriptor.width, height: descriptor.height)
            }
            indices = VP8Indices(descriptor)
        case .vp9:
            guard let descriptor = VP9Descriptor(payload) else { return nil }
            offset = descriptor.length
            startsFrame = descriptor.startsPicture
            startsLayer = descriptor.startsLayerFrame
            startsKeyframe = descriptor.isKeyframe
            if descriptor.isKeyframe { size = descriptor.structure.size(descriptor.structure.count - 1) }
            place = VP9Place(descriptor)
            hasStructure = descriptor.structure.count > 0
        case .h264:
            guard let unit = H264Payload(payload) else { return nil }
            startsFrame = unit.hasParameterSet
            // The IDR follows its parameter sets, and can't be decoded without them.
            startsKeyframe = unit.hasParameterSet
            startsIDR = unit.startsIDR
            if unit.hasParameterSet { size = H264Payload.pictureSize(payload) }
        case .aac, .opus: return nil
        }
    }
}
