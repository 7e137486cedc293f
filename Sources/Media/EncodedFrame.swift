// One compressed picture or piece of sound, as it goes between demuxers, codecs and muxers.

/// A codec that the pipeline carries.
public enum Codec: String, Sendable, Codable, Hashable {
    case h264, vp8, vp9, aac, opus

    /// Whether it carries pictures.
    public var isVideo: Bool { self == .h264 || self == .vp8 || self == .vp9 }
}

/// One encoded picture (an access unit) or one encoded audio frame.
///
/// H.264 payloads are in AVC form (4-byte lengths before each NAL unit), AAC payloads raw (no ADTS header).
public struct EncodedFrame: Sendable {
    /// The codec of the payload.
    public var codec: Codec
    /// Presentation time, in ticks of `timescale`, unwrapped.
    public var pts: Int64
    /// Decoding time, in ticks of `timescale`, unwrapped.
    public var dts: Int64
    /// Ticks per second of `pts` and `dts`.
    public var timescale: Int32
    /// Whether decoding can start here (for H.264: an IDR).
    public var isKeyframe: Bool
    /// The payload.
    public var payload: ByteBlock

    /// Creates a frame.
    public init(codec: Codec, pts: Int64, dts: Int64, timescale: Int32, isKeyframe: Bool, payload: ByteBlock) {
        self.codec = codec
        self.pts = pts
        self.dts = dts
        self.timescale = timescale
        self.isKeyframe = isKeyframe
        self.payload = payload
    }
}
