// I420 to H.264 by libx264: no B-frames, IDRs only where the caller asks, the same bytes for the same pictures.

internal import CMediaShims
internal import CX264

/// How an `X264Encoder` is set up.
public struct X264Settings: Sendable, Hashable {
    /// x264's presets, as far as the program uses them.
    public enum Preset: String, Sendable, Hashable, Codable, CaseIterable {
        case ultrafast, superfast, veryfast, faster, fast, medium
    }

    /// The picture size.
    public var size: PictureSize
    /// The frame rate that rate control and the stream's timing count with.
    public var frameRate: FrameRate
    /// The average in kbit/s.
    public var bitrateKbps: Int
    /// What the decoder's buffer is filled with at most, in kbit/s.
    public var maxRateKbps: Int
    /// The size of that buffer in kbit.
    public var bufferKbit: Int
    /// Speed against quality.
    public var preset: Preset
    /// How many pictures rate control looks ahead: delay, memory and steadiness; presets that use fewer keep theirs.
    public var lookaheadFrames: Int
    /// Whether filler keeps the rate constant to the bit (HRD CBR); costs bandwidth, only for receivers that ask for it.
    public var fillsToBitrate = false

    /// Settings of a ladder rung: maxrate 1.1 times the average, one second of buffer.
    public static func rung(size: PictureSize, frameRate: FrameRate, bitrateKbps: Int, preset: Preset) -> Self {
        Self(
            size: size, frameRate: frameRate, bitrateKbps: bitrateKbps, maxRateKbps: bitrateKbps * 11 / 10,
            bufferKbit: bitrateKbps, preset: preset, lookaheadFrames: 10)
    }

    /// Settings of the program: constant rate, one second of buffer.
    public static func program(
        size: PictureSize, frameRate: FrameRate, bitrateKbps: Int = 4000, preset: Preset = .veryfast
    ) -> Self {
        Self(
            size: size, frameRate: frameRate, bitrateKbps: bitrateKbps, maxRateKbps: bitrateKbps,
            bufferKbit: bitrateKbps,
            preset: preset, lookaheadFrames: 10)
    }

    /// Creates settings.
    public init(
        size: PictureSize, frameRate: FrameRate, bitrateKbps: Int, maxRateKbps: Int, bufferKbit: Int, preset: Preset,
        lookaheadFrames: Int
    ) {
        self.size = size
        self.frameRate = frameRate
        self.bitrateKbps = bitrateKbps
        self.maxRateKbps = maxRateKbps
        self.bufferKbit = bufferKbit
        self.preset = preset
        self.lookaheadFrames = lookaheadFrames
    }
}

/// One H.264 encoder, single-threaded and deterministic, confined to the thread that uses it.
public struct X264Encoder: ~Copyable {
    private let handle: OpaquePointer
    private let picture: UnsafeMutablePointer<x264_picture_t>
    private let result: UnsafeMutablePointer<x264_picture_t>
    private let timescale: Int32
    /// What the encoder was opened with.
    public let settings: X264Settings
    /// The parameter sets; frames don't repeat them.
    public let configuration: AVCConfiguration

    /// Opens an encoder.
    ///
    /// - Parameters:
    ///   - settings: sizes must be even.
    ///   - timescale: ticks per second of the stamps that `encode` takes and gives.
    /// - Throws: `AVError` when x264 refuses the settings.
    public init(settings: X264Settings, timescale: Int32) throws(AVError) {
        var parameters = x264_param_t()
        guard x264_param_default_preset(&parameters, settings.preset.rawValue, nil) >= 0 else {
            throw AVError.invalidData
        }
        parameters.i_log_level = X264_LOG_NONE
        parameters.i_threads = 1
        parameters.i_lookahead_threads = 1
        parameters.i_sync_lookahead = 0
        parameters.b_sliced_threads = 0
        parameters.b_deterministic = 1
        parameters.i_csp = Int32(X264_CSP_I420)
        parameters.i_width = Int32(settings.size.width)
        parameters.i_height = Int32(settings.size.height)
        parameters.i_fps_num = UInt32(settings.frameRate.numerator)
        parameters.i_fps_den = UInt32(settings.frameRate.denominator)
        parameters.b_vfr_input = 0
        // IDRs lie on the program's grid and nowhere else: the caller alone asks for them.
        parameters.i_keyint_max = 1 << 30
        parameters.i_scenecut_threshold = 0
        parameters.b_intra_refresh = 0
        parameters.b_open_gop = 0
        parameters.i_bframe = 0
        parameters.rc.i_rc_method = Int32(X264_RC_ABR)
        parameters.rc.i_bitrate = Int32(settings.bitrateKbps)
        parameters.rc.i_vbv_max_bitrate = Int32(settings.maxRateKbps)
        parameters.rc.i_vbv_buffer_size = Int32(settings.bufferKbit)
        parameters.rc.i_lookahead = min(parameters.rc.i_lookahead, Int32(settings.lookaheadFrames))
        if parameters.rc.i_lookahead == 0 { parameters.rc.b_mb_tree = 0 }
        if settings.fillsToBitrate {
            parameters.i_nal_hrd = Int32(X264_NAL_HRD_CBR)
            parameters.rc.b_filler = 1
        }
        parameters.vui.i_colorprim = 1
        parameters.vui.i_transfer = 1
        parameters.vui.i_colmatrix = 1
        parameters.vui.b_fullrange = 0
        parameters.b_annexb = 0
        parameters.b_repeat_headers = 0
        parameters.b_aud = 0
        guard x264_param_apply_profile(&parameters, "high") >= 0, let handle = proscenium_x264_open(&parameters) else {
            throw AVError.invalidData
        }
        var units: UnsafeMutablePointer<x264_nal_t>?
        var unitCount: Int32 = 0
        var sps: [UInt8] = [], pps: [UInt8] = []
        if x264_encoder_headers(handle, &units, &unitCount) >= 0, let units {
            for index in 0..<Int(unitCount) {
                let unit = units[index]
                guard let payload = unit.p_payload, unit.i_payload > 4 else { continue }
                let bytes = Array(UnsafeBufferPointer(start: payload + 4, count: Int(unit.i_payload) - 4))
                if unit.i_type == Int32(NAL_SPS.rawValue) { sps = bytes }
                if unit.i_type == Int32(NAL_PPS.rawValue) { pps = bytes }
            }
        }
        guard let configuration = AVCConfiguration(sps: sps, pps: pps), !pps.isEmpty else {
            x264_encoder_close(handle)
            throw AVError.invalidData
        }
        self.handle = handle
        self.settings = settings
        self.timescale = timescale
        self.configuration = configuration
        picture = .allocate(capacity: 1)
        result = .allocate(capacity: 1)
        x264_picture_init(picture)
        x264_picture_init(result)
    }

    deinit {
        x264_encoder_close(handle)
        picture.deallocate()
        result.deallocate()
    }

    /// Encodes one picture; nil while the lookahead fills.
    ///
    /// - Parameters:
    ///   - frame: I420 in the settings' size, program colour.
    ///   - pts: in ticks of the timescale, above the last one.
    ///   - forcesIDR: whether this picture becomes an IDR.
    ///   - userData: an SEI of user data for this picture, 16 bytes of UUID first; empty for none.
    /// - Returns: the next access unit with 4-byte lengths and its own `pts`; `dts` equals it.
    /// - Throws: `AVError.invalidData` for a picture of another size, or what x264 answered.
    public mutating func encode(_ frame: VideoFrame, pts: Int64, forcesIDR: Bool, userData: [UInt8] = [])
        throws(AVError) -> EncodedFrame?
    {
        guard frame.width == settings.size.width, frame.height == settings.size.height else {
            throw AVError.invalidData
        }
        x264_picture_init(picture)
        picture.pointee.i_type = forcesIDR ? X264_TYPE_IDR : X264_TYPE_AUTO
        picture.pointee.i_pts = pts
        picture.pointee.img.i_csp = Int32(X264_CSP_I420)
        picture.pointee.img.i_plane = 3
        picture.pointee.img.plane.0 = frame.y
        picture.pointee.img.plane.1 = frame.u
        picture.pointee.img.plane.2 = frame.v
        picture.pointee.img.i_stride.0 = Int32(frame.lumaStride)
        picture.pointee.img.i_stride.1 = Int32(frame.chromaStride)
        picture.pointee.img.i_stride.2 = Int32(frame.chromaStride)
        if userData.count >= 16, userData.count <= 4096 {
            guard proscenium_x264_attach_user_data(picture, userData, Int32(userData.count)) == 0 else {
                throw AVError.outOfMemory
            }
        }
        return try run(picture)
    }

    /// Takes one access unit of those that still wait; nil when none is left.
    ///
    /// Nothing may be encoded afterwards.
    public mutating func flush() throws(AVError) -> EncodedFrame? {
        while x264_encoder_delayed_frames(handle) > 0 {
            if let frame = try run(nil) { return frame }
        }
        return nil
    }

    private mutating func run(_ input: UnsafeMutablePointer<x264_picture_t>?) throws(AVError) -> EncodedFrame? {
        var units: UnsafeMutablePointer<x264_nal_t>?
        var unitCount: Int32 = 0
        let size = try AVError.check(x264_encoder_encode(handle, &units, &unitCount, input, result))
        guard size > 0, let payload = units?.pointee.p_payload else { return nil }
        // x264 lays the units of one access unit behind each other, so one copy takes them all.
        let block = ByteBlock(copying: UnsafeRawBufferPointer(start: payload, count: Int(size)))
        return EncodedFrame(
            codec: .h264, pts: result.pointee.i_pts, dts: result.pointee.i_pts, timescale: timescale,
            isKeyframe: result.pointee.b_keyframe != 0, payload: block)
    }
}
