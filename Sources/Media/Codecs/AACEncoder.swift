// Planar float samples to AAC-LC by libavcodec.

internal import CFFmpeg
internal import CMediaShims

/// How an `AACEncoder` is set up; always 48 kHz stereo.
public struct AACSettings: Sendable, Hashable {
    /// The average in kbit/s.
    public var bitrateKbps: Int

    /// Creates settings.
    public init(bitrateKbps: Int = 128) { self.bitrateKbps = bitrateKbps }
}

/// One AAC-LC encoder at 48 kHz stereo, confined to the thread that uses it.
public struct AACEncoder: ~Copyable {
    /// Samples per channel of one frame.
    public static let frameSamples = 1024
    /// Samples per second.
    public static let sampleRate: Int32 = 48000

    private let codec: OpenCodec
    private var filled = 0
    private var position: Int64 = 0
    /// The AudioSpecificConfig.
    public let configuration: ByteBlock
    /// Samples by which the first frame lies before the first sample that was given.
    public let primingSamples: Int

    /// Opens an encoder; throws `AVError` when libavcodec refuses.
    public init(settings: AACSettings = AACSettings()) throws(AVError) {
        codec = try OpenCodec(avcodec_find_encoder(AV_CODEC_ID_AAC)) { context in
            context.sample_fmt = AV_SAMPLE_FMT_FLTP
            context.sample_rate = Self.sampleRate
            av_channel_layout_default(&context.ch_layout, 2)
            context.bit_rate = Int64(settings.bitrateKbps) * 1000
            context.time_base = AVRational(num: 1, den: Self.sampleRate)
        } prepare: { (context, frame) throws(AVError) in
            guard context.frame_size == Int32(Self.frameSamples) else { throw AVError.invalidData }
            frame.pointee.format = AV_SAMPLE_FMT_FLTP.rawValue
            frame.pointee.nb_samples = Int32(Self.frameSamples)
            frame.pointee.sample_rate = Self.sampleRate
            av_channel_layout_default(&frame.pointee.ch_layout, 2)
            try AVError.check(av_frame_get_buffer(frame, 0))
        }
        let context = codec.context
        // Only the two bytes that every reader knows; libavcodec adds an empty extension behind them.
        configuration = ByteBlock(
            copying: UnsafeRawBufferPointer(
                start: context.pointee.extradata, count: min(2, Int(context.pointee.extradata_size))))
        primingSamples = Int(context.pointee.initial_padding)
    }

    /// Encodes samples; blocks of any length are gathered into frames of 1024.
    ///
    /// - Parameters:
    ///   - left: samples in -1…1.
    ///   - right: as many samples.
    ///   - output: gets each frame, raw; `pts` counts samples (timescale 48000) from the first sample given, so the
    ///     first frame's is `-primingSamples`.
    /// - Throws: what libavcodec answered.
    public mutating func encode(
        left: UnsafeBufferPointer<Float>, right: UnsafeBufferPointer<Float>, output: (EncodedFrame) -> Void
    ) throws(AVError) {
        let count = min(left.count, right.count), frame = codec.frame
        var taken = 0
        while taken < count {
            if filled == 0 { try AVError.check(av_frame_make_writable(frame)) }
            let part = min(count - taken, Self.frameSamples - filled)
            guard let leftPlane = frame.pointee.data.0, let rightPlane = frame.pointee.data.1,
                let leftSource = left.baseAddress, let rightSource = right.baseAddress
            else { return }
            let offset = filled * MemoryLayout<Float>.size, bytes = part * MemoryLayout<Float>.size
            UnsafeMutableRawPointer(leftPlane).advanced(by: offset).copyMemory(
                from: leftSource + taken, byteCount: bytes)
            UnsafeMutableRawPointer(rightPlane).advanced(by: offset).copyMemory(
                from: rightSource + taken, byteCount: bytes)
            filled += part
            taken += part
            guard filled == Self.frameSamples else { continue }
            frame.pointee.pts = position
            position &+= Int64(Self.frameSamples)
            filled = 0
            try AVError.check(avcodec_send_frame(codec.context, frame))
            receive(output)
        }
    }

    private mutating func receive(_ output: (EncodedFrame) -> Void) {
        let packet = codec.packet
        while avcodec_receive_packet(codec.context, packet) >= 0 {
            let block = ByteBlock(
                copying: UnsafeRawBufferPointer(start: packet.pointee.data, count: Int(packet.pointee.size)))
            output(
                EncodedFrame(
                    codec: .aac, pts: packet.pointee.pts, dts: packet.pointee.pts, timescale: Self.sampleRate,
                    isKeyframe: true,
                    payload: block))
            av_packet_unref(packet)
        }
    }

    /// One frame of silence that fits between any two frames of an AAC-LC 48 kHz stereo stream.
    public static func silentFrame() throws(AVError) -> ByteBlock {
        var encoder = try AACEncoder(settings: AACSettings(bitrateKbps: 32))
        let zeros = [Float](repeating: 0, count: frameSamples * 4)
        var last: ByteBlock?
        let failure: AVError? = zeros.withUnsafeBufferPointer { samples in
            do throws(AVError) {
                try encoder.encode(left: samples, right: samples) { last = $0.payload }
                return nil
            } catch { return error }
        }
        if let failure { throw failure }
        guard let last else { throw AVError.invalidData }
        return last
    }
}
