// What an H.264 encoder is asked for, and what that means to libx264.

internal import CMediaShims
internal import CX264

/// How an `X264Encoder` is set up.
public struct X264Settings: Sendable, Hashable {
    /// x264's presets, as far as the program uses them, the quickest first.
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
    /// The preset whose parameter sets the stream has; nil for the encoder's own.
    ///
    /// With it an encoder may follow another one of that preset in the middle of a stream, at an IDR: the receiver needs no
    /// new configuration.
    public var signaledPreset: Preset?
    /// How many pictures are encoded side by side; each but one delays the stream by a picture and costs some CPU.
    public var threads = 1
    /// Whether filler keeps the rate constant to the bit (HRD CBR); costs bandwidth, only for receivers that ask for it.
    public var fillsToBitrate = false

    /// Whether somebody waits for each picture: a baseline, nothing looked ahead at, parameter sets in every IDR, and the matrix of
    /// BT.601, as pictures that browsers decode have it.
    public var isLive = false

    /// Settings of pictures that go to browsers at once: a constrained baseline at a constant rate, half a second of buffer.
    public static func live(
        size: PictureSize, frameRate: FrameRate, bitrateKbps: Int, preset: Preset = .veryfast
    ) -> Self {
        var settings = Self(
            size: size, frameRate: frameRate, bitrateKbps: bitrateKbps, maxRateKbps: bitrateKbps,
            bufferKbit: bitrateKbps / 2, preset: preset, lookaheadFrames: 0)
        settings.isLive = true
        return settings
    }

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

    /// x264's own parameters for these settings.
    ///
    /// - Throws: `AVError.invalidData` when x264 does not know the preset or the profile.
    func parameters() throws(AVError) -> x264_param_t {
        var parameters = x264_param_t()
        guard x264_param_default_preset(&parameters, preset.rawValue, nil) >= 0 else { throw AVError.invalidData }
        if let signaledPreset, signaledPreset != preset {
            var signaled = x264_param_t()
            guard x264_param_default_preset(&signaled, signaledPreset.rawValue, nil) >= 0 else {
                throw AVError.invalidData
            }
            // All that stands in the parameter sets, or follows from what stands there.
            parameters.b_cabac = signaled.b_cabac
            parameters.analyse.b_transform_8x8 = signaled.analyse.b_transform_8x8
            parameters.analyse.i_weighted_pred = signaled.analyse.i_weighted_pred
            parameters.i_frame_reference = signaled.i_frame_reference
            // x264 takes 2 off the chroma offset where psychovisual optimisation works, from subme 6 on.
            if signaled.analyse.i_subpel_refine >= 6 && parameters.analyse.i_subpel_refine < 6 {
                parameters.analyse.i_chroma_qp_offset -= 2
            }
        }
        parameters.i_log_level = X264_LOG_NONE
        parameters.i_threads = Int32(threads)
        parameters.i_lookahead_threads = 1
        parameters.i_sync_lookahead = 0
        parameters.b_sliced_threads = 0
        parameters.b_deterministic = 1
        parameters.i_csp = Int32(X264_CSP_I420)
        parameters.i_width = Int32(size.width)
        parameters.i_height = Int32(size.height)
        parameters.i_fps_num = UInt32(frameRate.numerator)
        parameters.i_fps_den = UInt32(frameRate.denominator)
        parameters.b_vfr_input = 0
        // IDRs lie on the program's grid and nowhere else: the caller alone asks for them.
        parameters.i_keyint_max = 1 << 30
        parameters.i_scenecut_threshold = 0
        parameters.b_intra_refresh = 0
        parameters.b_open_gop = 0
        parameters.i_bframe = 0
        parameters.rc.i_rc_method = Int32(X264_RC_ABR)
        parameters.rc.i_bitrate = Int32(bitrateKbps)
        parameters.rc.i_vbv_max_bitrate = Int32(maxRateKbps)
        parameters.rc.i_vbv_buffer_size = Int32(bufferKbit)
        parameters.rc.i_lookahead = min(parameters.rc.i_lookahead, Int32(lookaheadFrames))
        if parameters.rc.i_lookahead == 0 { parameters.rc.b_mb_tree = 0 }
        if fillsToBitrate {
            parameters.i_nal_hrd = Int32(X264_NAL_HRD_CBR)
            parameters.rc.b_filler = 1
        }
        parameters.vui.i_colorprim = 1
        parameters.vui.i_transfer = 1
        parameters.vui.i_colmatrix = isLive ? 6 : 1
        parameters.vui.b_fullrange = 0
        parameters.b_annexb = 0
        parameters.b_repeat_headers = isLive ? 1 : 0
        parameters.b_aud = 0
        guard x264_param_apply_profile(&parameters, isLive ? "baseline" : "high") >= 0 else {
            throw AVError.invalidData
        }
        return parameters
    }
}
