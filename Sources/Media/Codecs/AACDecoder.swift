// AAC of any rate and channel count to planar float at 48 kHz stereo, by libavcodec and libswresample.

internal import CFFmpeg
internal import CMediaShims

/// One AAC decoder whose output is always 48 kHz stereo, confined to the thread that uses it.
public struct AACDecoder: ~Copyable {
    private let codec: OpenCodec
    private var resampler: OpaquePointer?
    private var sourceRate: Int32 = 0, sourceChannels: Int32 = 0
    private var left: [Float] = [], right: [Float] = []

    /// Opens a decoder.
    ///
    /// - Parameter configuration: an AudioSpecificConfig.
    /// - Throws: `AVError` when libavcodec refuses it.
    public init(configuration: ByteBlock) throws(AVError) {
        codec = try OpenCodec(avcodec_find_decoder(AV_CODEC_ID_AAC), configuration: configuration) { _ in }
    }

    deinit {
        var resampler = resampler
        swr_free(&resampler)
    }

    /// Decodes one frame.
    ///
    /// - Parameters:
    ///   - encoded: a raw AAC frame.
    ///   - output: gets left and right samples at 48 kHz, valid during the call.
    /// - Throws: `AVError` when the bytes are damaged.
    public mutating func decode(
        _ encoded: EncodedFrame,
        output: (_ left: UnsafeBufferPointer<Float>, _ right: UnsafeBufferPointer<Float>) -> Void
    ) throws(AVError) {
        guard encoded.payload.count > 0, encoded.payload.count < 1 << 16 else { throw AVError.invalidData }
        let (packet, frame) = (codec.packet, codec.frame)
        try AVError.check(av_new_packet(packet, Int32(encoded.payload.count)))
        encoded.payload.withBytes { bytes in
            if let target = packet.pointee.data, let source = bytes.baseAddress {
                UnsafeMutableRawPointer(target).copyMemory(from: source, byteCount: bytes.count)
            }
        }
        let sent = avcodec_send_packet(codec.context, packet)
        av_packet_unref(packet)
        while avcodec_receive_frame(codec.context, frame) >= 0 {
            let result = resample()
            av_frame_unref(frame)
            let count = Int(try AVError.check(result))
            left.withUnsafeBufferPointer { leftSamples in
                right.withUnsafeBufferPointer { rightSamples in
                    output(
                        UnsafeBufferPointer(rebasing: leftSamples[..<count]),
                        UnsafeBufferPointer(rebasing: rightSamples[..<count]))
                }
            }
        }
        try AVError.check(sent)
    }

    private mutating func resample() -> Int32 {
        let frame = codec.frame
        let channels = frame.pointee.ch_layout.nb_channels
        if resampler == nil || sourceRate != frame.pointee.sample_rate || sourceChannels != channels {
            swr_free(&resampler)
            var stereo = AVChannelLayout()
            av_channel_layout_default(&stereo, 2)
            let made = swr_alloc_set_opts2(
                &resampler, &stereo, AV_SAMPLE_FMT_FLTP, AACEncoder.sampleRate, &frame.pointee.ch_layout,
                AVSampleFormat(frame.pointee.format), frame.pointee.sample_rate, 0, nil)
            guard made >= 0 else { return made }
            let started = swr_init(resampler)
            guard started >= 0 else { return started }
            (sourceRate, sourceChannels) = (frame.pointee.sample_rate, channels)
        }
        let room = Int(swr_get_out_samples(resampler, frame.pointee.nb_samples))
        guard room >= 0, room < 1 << 18 else { return PROSCENIUM_AV_INVALID_DATA }
        if left.count < room {
            left = [Float](repeating: 0, count: room)
            right = left
        }
        var sources: [UnsafePointer<UInt8>?] = []
        for channel in 0..<Int(max(1, min(channels, 64))) {
            sources.append(UnsafePointer(frame.pointee.extended_data[channel]))
        }
        return left.withUnsafeMutableBytes { leftBytes in
            right.withUnsafeMutableBytes { rightBytes in
                var targets: [UnsafeMutablePointer<UInt8>?] = [
                    leftBytes.baseAddress?.assumingMemoryBound(to: UInt8.self),
                    rightBytes.baseAddress?.assumingMemoryBound(to: UInt8.self),
                ]
                return swr_convert(resampler, &targets, Int32(room), &sources, frame.pointee.nb_samples)
            }
        }
    }
}
