// A camera in any codec of speakers.

import Media

/// Encodes pictures of one size; keyframes of H.264 bring their parameter sets.
struct CodecCamera: ~Copyable {
    private var vpx: VPXEncoder?
    private var h264: X264Encoder?
    private var count: Int64 = 0

    init(_ codec: Codec, width: Int, height: Int) throws {
        guard codec == .h264 else {
            let encoder = try VPXEncoder(
                codec: codec, width: width, height: height, bitrate: 2_000_000, frameRate: FrameRate(30),
                keyframeInterval: 1000)
            self.init(vpx: encoder, h264: nil)
            return
        }
        var settings = X264Settings.rung(
            size: PictureSize(width: width, height: height), frameRate: FrameRate(30), bitrateKbps: 2000,
            preset: .ultrafast)
        settings.lookaheadFrames = 0
        let encoder = try X264Encoder(settings: settings, timescale: 90_000)
        self.init(vpx: nil, h264: encoder)
    }

    private init(vpx: consuming VPXEncoder?, h264: consuming X264Encoder?) {
        self.vpx = vpx
        self.h264 = h264
    }

    mutating func encode(_ frame: VideoFrame, forceKeyframe: Bool) throws -> EncodedFrame? {
        defer { count += 1 }
        guard h264 != nil else { return try vpx?.encode(frame, forceKeyframe: forceKeyframe) ?? nil }
        let whole = try h264?.encode(frame, pts: count * 3000, forcesIDR: count == 0 || forceKeyframe) ?? nil
        guard var encoded = whole, encoded.isKeyframe, let configuration = h264?.configuration else { return whole }
        let sets = (configuration.sps + configuration.pps).flatMap { set in
            (0..<4).map { UInt8(truncatingIfNeeded: set.count >> (24 - 8 * $0)) } + set
        }
        encoded.payload = ByteBlock(sets + encoded.payload.array)
        return encoded
    }
}
