// H.264 to I420 by libavcodec, on the thread that calls.

internal import CFFmpeg
internal import CMediaShims

/// A decoder of one H.264 stream, single-threaded, confined to the thread that uses it.
public struct H264Decoder: ~Copyable {
    private let context: UnsafeMutablePointer<AVCodecContext>
    private let frame: UnsafeMutablePointer<AVFrame>
    private let packet: UnsafeMutablePointer<AVPacket>
    private let poolCapacity: Int
    private var pool: VideoFramePool?
    private var poolSize = PictureSize(width: 0, height: 0)
    private var converter: OpaquePointer?
    private var timescale: Int64 = 1000
    /// Pictures that were decoded but had no free memory to go to.
    public private(set) var droppedWithoutMemory: UInt64 = 0

    /// Opens a decoder.
    ///
    /// - Parameters:
    ///   - configuration: an AVCDecoderConfigurationRecord.
    ///   - poolCapacity: how many decoded pictures may be in use at once.
    /// - Throws: `AVError` when libavcodec refuses the configuration.
    public init(configuration: ByteBlock, poolCapacity: Int = 24) throws(AVError) {
        _ = MediaLibraries.quiet
        guard let codec = avcodec_find_decoder(AV_CODEC_ID_H264), let context = avcodec_alloc_context3(codec) else {
            throw AVError.outOfMemory
        }
        var owned: UnsafeMutablePointer<AVCodecContext>? = context
        let padding = Int(AV_INPUT_BUFFER_PADDING_SIZE)
        guard let extra = av_mallocz(configuration.count + padding) else {
            avcodec_free_context(&owned)
            throw AVError.outOfMemory
        }
        configuration.withBytes {
            extra.copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(extra), byteCount: $0.count)
        }
        context.pointee.extradata = extra.assumingMemoryBound(to: UInt8.self)
        context.pointee.extradata_size = Int32(configuration.count)
        context.pointee.thread_count = 1
        // 4096 x 2304: what an ingest may send at most; more is refused before memory is taken.
        context.pointee.max_pixels = 4096 * 2304
        let opened = avcodec_open2(context, codec, nil)
        var frame = av_frame_alloc(), packet = av_packet_alloc()
        guard opened >= 0, let frame, let packet else {
            avcodec_free_context(&owned)
            av_frame_free(&frame)
            av_packet_free(&packet)
            throw opened < 0 ? AVError(code: opened) : AVError.outOfMemory
        }
        self.context = context
        self.frame = frame
        self.packet = packet
        self.poolCapacity = poolCapacity
    }

    deinit {
        var context: UnsafeMutablePointer<AVCodecContext>? = context
        var frame: UnsafeMutablePointer<AVFrame>? = frame
        var packet: UnsafeMutablePointer<AVPacket>? = packet
        avcodec_free_context(&context)
        av_frame_free(&frame)
        av_packet_free(&packet)
        if let converter { sws_freeContext(converter) }
    }

    /// Decodes one access unit and hands on the pictures that are ready, in presentation order.
    ///
    /// - Parameters:
    ///   - encoded: an access unit with lengths of the size that the configuration names.
    ///   - output: gets each picture; its `timestampNanoseconds` is the frame's `pts`.
    /// - Throws: `AVError` when the bytes are damaged; the next IDR decodes again.
    public mutating func decode(_ encoded: EncodedFrame, output: (VideoFrame) -> Void) throws(AVError) {
        timescale = Int64(max(1, encoded.timescale))
        guard encoded.payload.count > 0, encoded.payload.count < 1 << 26 else { throw AVError.invalidData }
        try AVError.check(av_new_packet(packet, Int32(encoded.payload.count)))
        encoded.payload.withBytes { bytes in
            if let target = packet.pointee.data, let source = bytes.baseAddress {
                memcpyBytes(target, source, bytes.count)
            }
        }
        packet.pointee.pts = encoded.pts
        packet.pointee.dts = encoded.dts
        if encoded.isKeyframe { packet.pointee.flags |= AV_PKT_FLAG_KEY }
        let sent = avcodec_send_packet(context, packet)
        av_packet_unref(packet)
        receive(output)
        try AVError.check(sent)
    }

    /// Hands on the pictures that wait for reordering, and makes the decoder ready for a new start.
    public mutating func finish(output: (VideoFrame) -> Void) {
        avcodec_send_packet(context, nil)
        receive(output)
        avcodec_flush_buffers(context)
    }

    private mutating func receive(_ output: (VideoFrame) -> Void) {
        while avcodec_receive_frame(context, frame) >= 0 {
            if let picture = copyPicture() { output(picture) }
            av_frame_unref(frame)
        }
    }

    private mutating func copyPicture() -> VideoFrame? {
        let width = Int(frame.pointee.width), height = Int(frame.pointee.height)
        guard width >= 2, height >= 2 else { return nil }
        let size = PictureSize(width: width & ~1, height: height & ~1)
        if pool == nil || size != poolSize {
            pool = VideoFramePool(width: size.width, height: size.height, capacity: poolCapacity)
            poolSize = size
        }
        guard let picture = pool?.take() else {
            droppedWithoutMemory &+= 1
            return nil
        }
        let format = AVPixelFormat(frame.pointee.format)
        if format == AV_PIX_FMT_YUV420P || format == AV_PIX_FMT_YUVJ420P {
            copyPlane(
                frame.pointee.data.0, frame.pointee.linesize.0, picture.y, picture.lumaStride, size.width, size.height)
            copyPlane(
                frame.pointee.data.1, frame.pointee.linesize.1, picture.u, picture.chromaStride, size.width / 2,
                size.height / 2)
            copyPlane(
                frame.pointee.data.2, frame.pointee.linesize.2, picture.v, picture.chromaStride, size.width / 2,
                size.height / 2)
        } else {
            guard convert(to: picture, format: format) else { return nil }
        }
        let isFullRange = format == AV_PIX_FMT_YUVJ420P || frame.pointee.color_range == AVCOL_RANGE_JPEG
        let isBT601 =
            switch frame.pointee.colorspace {
            case AVCOL_SPC_BT470BG, AVCOL_SPC_SMPTE170M: true
            case AVCOL_SPC_UNSPECIFIED: size.height < 720  // the custom for untagged video: SD is BT.601, HD BT.709
            default: false
            }
        picture.color = ColorDescription(matrix: isBT601 ? .bt601 : .bt709, isFullRange: isFullRange)
        let (seconds, rest) = frame.pointee.pts.quotientAndRemainder(dividingBy: timescale)
        picture.timestampNanoseconds = seconds &* 1_000_000_000 &+ rest &* 1_000_000_000 / timescale
        return picture
    }

    private mutating func convert(to picture: VideoFrame, format: AVPixelFormat) -> Bool {
        converter = sws_getCachedContext(
            converter, frame.pointee.width, frame.pointee.height, format, Int32(picture.width), Int32(picture.height),
            AV_PIX_FMT_YUV420P, SWS_BICUBIC, nil, nil, nil)
        guard let converter else { return false }
        let planes: [UnsafePointer<UInt8>?] = [
            UnsafePointer(frame.pointee.data.0), UnsafePointer(frame.pointee.data.1),
            UnsafePointer(frame.pointee.data.2), nil,
        ]
        let strides = [frame.pointee.linesize.0, frame.pointee.linesize.1, frame.pointee.linesize.2, 0]
        let targets: [UnsafeMutablePointer<UInt8>?] = [picture.y, picture.u, picture.v, nil]
        let targetStrides = [Int32(picture.lumaStride), Int32(picture.chromaStride), Int32(picture.chromaStride), 0]
        return sws_scale(converter, planes, strides, 0, frame.pointee.height, targets, targetStrides) > 0
    }
}

private func copyPlane(
    _ source: UnsafeMutablePointer<UInt8>?, _ sourceStride: Int32, _ target: UnsafeMutablePointer<UInt8>,
    _ targetStride: Int,
    _ width: Int, _ height: Int
) {
    guard let source else { return }
    for row in 0..<height { memcpyBytes(target + row * targetStride, source + row * Int(sourceStride), width) }
}

private func memcpyBytes(_ target: UnsafeMutablePointer<UInt8>, _ source: UnsafeRawPointer, _ count: Int) {
    UnsafeMutableRawPointer(target).copyMemory(from: source, byteCount: count)
}
