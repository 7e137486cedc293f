// I420 to H.264 by libx264: no B-frames, IDRs only where the caller asks, the same bytes for the same pictures.

internal import CMediaShims
internal import CX264

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
        var parameters = try settings.parameters()
        guard let handle = proscenium_x264_open(&parameters) else { throw AVError.invalidData }
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

    /// Analyses the pictures that follow as a quicker preset would, from the next one on, without a new encoder.
    ///
    /// That saves about a quarter of the time: lookahead and rate control stay as they are (docs/decisions, the overload
    /// ladder). It can be undone by the encoder's own preset.
    ///
    /// - Parameter preset: the preset whose analysis is taken.
    /// - Throws: `AVError` when x264 refuses.
    public mutating func analyse(as preset: X264Settings.Preset) throws(AVError) {
        var quick = settings
        quick.preset = preset
        quick.signaledPreset = settings.signaledPreset ?? settings.preset
        let wanted = try quick.parameters()
        var parameters = x264_param_t()
        x264_encoder_parameters(handle, &parameters)
        let offset = parameters.analyse.i_chroma_qp_offset
        parameters.analyse = wanted.analyse
        parameters.analyse.i_chroma_qp_offset = offset
        // x264 can't leave subme 0 again once it is there.
        parameters.analyse.i_subpel_refine = max(1, parameters.analyse.i_subpel_refine)
        try AVError.check(x264_encoder_reconfig(handle, &parameters))
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
