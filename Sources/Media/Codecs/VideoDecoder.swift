// Whatever a speaker sends to I420.

/// A decoder of one live stream in one of the codecs that speakers send; owned by one thread.
///
/// What can't be decoded whole is an error and never a picture.
public struct VideoDecoder: ~Copyable {
    /// Exactly one of the two is there.
    private var vpx: VPXDecoder?
    private var h264: H264Decoder?

    /// Sets up a decoder.
    ///
    /// - Parameters:
    ///   - codec: `.vp8`, `.vp9` or `.h264`.
    ///   - maximumPixels: larger pictures are refused before memory is taken for them.
    ///   - framesInUse: how many decoded pictures may be held at once outside the decoder.
    /// - Throws: `VideoCodecError.setup` when the library refuses.
    public init(codec: Codec, maximumPixels: Int, framesInUse: Int) throws(VideoCodecError) {
        guard codec == .h264 else {
            let decoder = try VPXDecoder(codec: codec, maximumPixels: maximumPixels, framesInUse: framesInUse)
            self.init(vpx: decoder, h264: nil)
            return
        }
        do throws(AVError) {
            let decoder = try H264Decoder(maximumPixels: maximumPixels, color: .vp8, poolCapacity: framesInUse)
            self.init(vpx: nil, h264: decoder)
        } catch {
            throw .setup(code: error.code)
        }
    }

    private init(vpx: consuming VPXDecoder?, h264: consuming H264Decoder?) {
        self.vpx = vpx
        self.h264 = h264
    }

    /// Decodes one frame.
    ///
    /// - Parameters:
    ///   - payload: a VP8 frame, a VP9 frame or superframe, or an access unit of H.264 with 4-byte lengths.
    ///   - timestampNanoseconds: goes with the picture.
    /// - Returns: the picture in the colour that the bitstream says, else that of browsers; nil when none is to be shown yet.
    /// - Throws: `VideoCodecError.corrupt` for what can't be decoded whole (ask for a key frame), `.tooLarge`, `.noFreeFrame`.
    public mutating func decode(
        _ payload: ByteBlock, timestampNanoseconds: Int64
    ) throws(VideoCodecError) -> VideoFrame? {
        guard h264 != nil else {
            return try payload.withBytes { bytes throws(VideoCodecError) in
                try vpx?.decode(bytes, timestampNanoseconds: timestampNanoseconds) ?? nil
            }
        }
        let encoded = EncodedFrame(
            codec: .h264, pts: timestampNanoseconds, dts: timestampNanoseconds, timescale: 1_000_000_000,
            isKeyframe: false, payload: payload)
        var picture: VideoFrame?
        let dropped = h264?.droppedWithoutMemory
        do throws(AVError) {
            try h264?.decode(encoded) { picture = $0 }
        } catch {
            throw error == .tooLarge ? .tooLarge(width: 0, height: 0) : .corrupt(code: error.code)
        }
        guard h264?.droppedWithoutMemory == dropped else { throw .noFreeFrame }
        return picture
    }
}
