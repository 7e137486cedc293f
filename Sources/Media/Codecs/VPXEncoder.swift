// I420 to VP8 or VP9 by libvpx: the return feed, synthetic speakers, tests.

import CMediaShims
import CVPX

/// A VP8 or VP9 encoder at constant bit rate without look-ahead, owned by one thread.
public struct VPXEncoder: ~Copyable {
    private let context: UnsafeMutablePointer<vpx_codec_ctx_t>
    private let codec: Codec
    private let width: Int, height: Int
    private let frameRate: FrameRate
    private var index: Int64 = 0

    /// How an encoder is set up whose pictures somebody waits for.
    public struct Live: Sendable {
        /// libvpx's speed in VP8, 4…16, always this one: without it the encoder takes as much of half a core as it gets.
        public var speed: Int
        /// How much may wait on the way, in milliseconds at the encoder's bit rate; pictures are left out above it.
        public var bufferMs: Int
        /// How large a key frame may be, in percent of what a picture has in the mean.
        public var keyframePercent: Int

        /// Creates settings; they are for VP8.
        public init(speed: Int = 10, bufferMs: Int = 600, keyframePercent: Int = 900) {
            self.speed = speed
            self.bufferMs = bufferMs
            self.keyframePercent = keyframePercent
        }
    }

    /// Sets up an encoder.
    ///
    /// - Parameters:
    ///   - codec: `.vp8` or `.vp9`.
    ///   - width: picture width in pixels, even.
    ///   - height: picture height in pixels, even.
    ///   - bitrate: bits per second.
    ///   - frameRate: frames per second; each picture lasts one of them.
    ///   - keyframeInterval: a key frame at least every so many pictures.
    ///   - color: what VP9 says of its numbers; nil, and always with VP8, for nothing.
    ///   - live: how a VP8 encoder is set up for somebody who waits; nil for one whose speed follows the machine.
    /// - Throws: `VideoCodecError.setup` when libvpx refuses.
    public init(
        codec: Codec, width: Int, height: Int, bitrate: Int, frameRate: FrameRate, keyframeInterval: Int,
        color: ColorDescription? = nil, live: Live? = nil
    ) throws(VideoCodecError) {
        guard codec == .vp8 || codec == .vp9 else { throw .setup(code: -1) }
        let interface = codec == .vp9 ? vpx_codec_vp9_cx() : vpx_codec_vp8_cx()
        var configuration = vpx_codec_enc_cfg_t()
        guard vpx_codec_enc_config_default(interface, &configuration, 0) == VPX_CODEC_OK,
            (2...16383).contains(width), (2...16383).contains(height), bitrate > 0, keyframeInterval > 0
        else { throw .setup(code: -1) }
        configuration.g_w = UInt32(width)
        configuration.g_h = UInt32(height)
        configuration.g_timebase.num = frameRate.denominator
        configuration.g_timebase.den = frameRate.numerator
        configuration.g_threads = 1
        configuration.g_lag_in_frames = 0
        configuration.g_error_resilient = codec == .vp8 ? UInt32(VPX_ERROR_RESILIENT_DEFAULT) : 0
        configuration.rc_end_usage = VPX_CBR
        configuration.rc_target_bitrate = UInt32(clamping: max(1, bitrate / 1000))
        configuration.kf_mode = VPX_KF_AUTO
        configuration.kf_max_dist = UInt32(clamping: keyframeInterval)
        if let live {
            configuration.rc_buf_sz = UInt32(clamping: live.bufferMs * 5 / 3)
            configuration.rc_buf_optimal_sz = UInt32(clamping: live.bufferMs)
            configuration.rc_buf_initial_sz = UInt32(clamping: live.bufferMs * 5 / 6)
            configuration.rc_dropframe_thresh = 30
            configuration.rc_undershoot_pct = 100
            configuration.rc_overshoot_pct = 15
            configuration.rc_min_quantizer = 2
            configuration.rc_max_quantizer = 56
        }
        let context = UnsafeMutablePointer<vpx_codec_ctx_t>.allocate(capacity: 1)
        context.initialize(to: vpx_codec_ctx_t())
        let code = vpx_codec_enc_init_ver(context, interface, &configuration, 0, PROSCENIUM_VPX_ENCODER_ABI)
        guard code == VPX_CODEC_OK else {
            context.deallocate()
            throw .setup(code: Int32(bitPattern: code.rawValue))
        }
        self.context = context
        self.codec = codec
        self.width = width
        self.height = height
        self.frameRate = frameRate
        if let live, codec == .vp8 {
            // A negative number is the speed itself; a positive one is a share of the time that there is.
            _ = vpx_codec_control_VP8E_SET_CPUUSED(
                context, Int32(VP8E_SET_CPUUSED.rawValue), -Int32(clamping: live.speed))
            _ = vpx_codec_control_VP8E_SET_MAX_INTRA_BITRATE_PCT(
                context, Int32(VP8E_SET_MAX_INTRA_BITRATE_PCT.rawValue), UInt32(clamping: live.keyframePercent))
            _ = vpx_codec_control_VP8E_SET_STATIC_THRESHOLD(context, Int32(VP8E_SET_STATIC_THRESHOLD.rawValue), 1)
        } else {
            // Speed 8: what browsers take on small machines.
            _ = vpx_codec_control_VP8E_SET_CPUUSED(context, Int32(VP8E_SET_CPUUSED.rawValue), 8)
        }
        guard codec == .vp9, let color else { return }
        let space = color.matrix == .bt709 ? VPX_CS_BT_709 : VPX_CS_BT_601
        _ = vpx_codec_control_VP9E_SET_COLOR_SPACE(
            context, Int32(VP9E_SET_COLOR_SPACE.rawValue), Int32(bitPattern: space.rawValue))
        let range = color.isFullRange ? VPX_CR_FULL_RANGE : VPX_CR_STUDIO_RANGE
        _ = vpx_codec_control_VP9E_SET_COLOR_RANGE(
            context, Int32(VP9E_SET_COLOR_RANGE.rawValue), Int32(bitPattern: range.rawValue))
    }

    deinit {
        vpx_codec_destroy(context)
        context.deallocate()
    }

    /// Encodes one picture.
    ///
    /// - Parameters:
    ///   - frame: of the size the encoder was set up for.
    ///   - forceKeyframe: whether it must be a key frame.
    ///   - number: its place on the grid of the frame rate, where pictures between were left out; it must rise.
    /// - Returns: the frame with `pts` counted in pictures (timescale 90000), or nil when the rate control dropped it.
    /// - Throws: `VideoCodecError.wrongSize`, or `.corrupt` when libvpx fails.
    public mutating func encode(
        _ frame: VideoFrame, forceKeyframe: Bool = false, number: Int64? = nil
    ) throws(VideoCodecError) -> EncodedFrame? {
        guard frame.width == (width + 1) & ~1, frame.height == (height + 1) & ~1 else { throw .wrongSize }
        var image = vpx_image_t()
        guard vpx_img_wrap(&image, VPX_IMG_FMT_I420, UInt32(width), UInt32(height), 1, frame.y) != nil else {
            throw .wrongSize
        }
        image.planes.0 = frame.y
        image.planes.1 = frame.u
        image.planes.2 = frame.v
        image.stride.0 = Int32(frame.lumaStride)
        image.stride.1 = Int32(frame.chromaStride)
        image.stride.2 = Int32(frame.chromaStride)
        let pts = max(index, number ?? index)
        index = pts + 1
        let code = vpx_codec_encode(
            context, &image, pts, 1, forceKeyframe ? vpx_enc_frame_flags_t(VPX_EFLAG_FORCE_KF) : 0,
            UInt(VPX_DL_REALTIME))
        guard code == VPX_CODEC_OK else { throw .corrupt(code: Int32(bitPattern: code.rawValue)) }
        var iterator: vpx_codec_iter_t?
        while let packet = vpx_codec_get_cx_data(context, &iterator) {
            guard packet.pointee.kind == VPX_CODEC_CX_FRAME_PKT else { continue }
            let data = packet.pointee.data.frame
            let ticks = ProgramClock.offset(ofFrame: pts, timescale: 90_000, frameRate: frameRate)
            return EncodedFrame(
                codec: codec, pts: ticks, dts: ticks, timescale: 90_000,
                isKeyframe: data.flags & UInt32(VPX_FRAME_IS_KEY) != 0,
                payload: ByteBlock(copying: UnsafeRawBufferPointer(start: data.buf, count: data.sz)))
        }
        return nil
    }
}
