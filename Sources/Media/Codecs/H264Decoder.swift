// H.264 to I420 by libavcodec, on the thread that calls.

internal import CFFmpeg
internal import CMediaShims

/// A decoder of one H.264 stream, single-threaded, confined to the thread that uses it.
public struct H264Decoder: ~Copyable {
    private let codec: OpenCodec
    private var frame: UnsafeMutablePointer<AVFrame> { codec.frame }
    private let poolCapacity: Int
    /// The bound of what parameter sets in band may announce, and the colour of streams that say nothing; nil for an ingest.
    private let live: (maximumPixels: Int, color: ColorDescription)?
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
        // 4096 x 2304: what an ingest may send at most; more is refused before memory is taken.
        try self.init(configuration, poolCapacity, maximumPixels: 4096 * 2304, live: nil)
    }

    /// Opens a decoder for a live stream whose parameter sets come with its IDRs.
    ///
    /// Each picture comes out with the frame that carried it. Nothing concealed comes out: a damaged picture is an error.
    ///
    /// - Parameters:
    ///   - maximumPixels: larger pictures are refused before memory is taken for them.
    ///   - color: of pictures that don't say it.
    ///   - poolCapacity: how many decoded pictures may be in use at once.
    /// - Throws: `AVError` when libavcodec can't be set up.
    public init(maximumPixels: Int, color: ColorDescription, poolCapacity: Int) throws(AVError) {
        // A record without any set says no more than that each NAL unit has its length in 4 bytes before it. With lengths,
        // unlike with start codes, libavcodec sees the same units as the check below.
        try self.init(
            ByteBlock([1, 66, 0xC0, 31, 0xFF, 0xE0, 0]), poolCapacity, maximumPixels: maximumPixels,
            live: (maximumPixels, color))
    }

    private init(
        _ configuration: ByteBlock, _ poolCapacity: Int, maximumPixels: Int,
        live: (maximumPixels: Int, color: ColorDescription)?
    ) throws(AVError) {
        codec = try OpenCodec(avcodec_find_decoder(AV_CODEC_ID_H264), configuration: configuration) { context in
            context.max_pixels = Int64(maximumPixels)
            guard live != nil else { return }
            context.flags |= AV_CODEC_FLAG_LOW_DELAY
            // What libavcodec conceals it marks, and marked pictures are not handed on. Without its concealment it loses count of
            // slices, and marks whole pictures.
            context.err_recognition = AV_EF_EXPLODE | AV_EF_BITSTREAM | AV_EF_BUFFER
        }
        self.live = live
        self.poolCapacity = poolCapacity
    }

    deinit {
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
        if let live, try check(encoded.payload, live.maximumPixels) {
            // What is left of damaged pictures neither holds up an IDR nor comes out in its place.
            avcodec_flush_buffers(codec.context)
            codec.context.pointee.has_b_frames = 0
        }
        let packet = codec.packet
        try AVError.check(av_new_packet(packet, Int32(encoded.payload.count)))
        encoded.payload.withBytes { bytes in
            if let target = packet.pointee.data, let source = bytes.baseAddress {
                memcpyBytes(target, source, bytes.count)
            }
        }
        packet.pointee.pts = encoded.pts
        packet.pointee.dts = encoded.dts
        if encoded.isKeyframe { packet.pointee.flags |= AV_PKT_FLAG_KEY }
        let sent = avcodec_send_packet(codec.context, packet)
        av_packet_unref(packet)
        let isWhole = receive(output)
        if live != nil, sent < 0 || !isWhole {
            // Half a picture must not become the reference of the next.
            avcodec_flush_buffers(codec.context)
            throw sent < 0 ? AVError(code: sent) : AVError.invalidData
        }
        try AVError.check(sent)
    }

    /// Reads the size of each sequence parameter set before libavcodec takes memory for it.
    ///
    /// - Returns: whether the access unit is an IDR.
    private func check(_ payload: ByteBlock, _ maximumPixels: Int) throws(AVError) -> Bool {
        try payload.withBytes { bytes throws(AVError) in
            var offset = 0, hasIDR = false
            while offset < bytes.count {
                guard offset + 5 <= bytes.count else { throw AVError.invalidData }
                let length = bytes[offset..<offset + 4].reduce(0) { $0 << 8 | Int($1) }
                offset += 4
                guard length > 0, length <= bytes.count - offset else { throw AVError.invalidData }
                if bytes[offset] & 31 == 5 { hasIDR = true }
                if bytes[offset] & 31 == 7 {
                    let set = Array(bytes[offset..<offset + min(length, 1024)])
                    guard let size = SequenceParameterSet.codedSize(of: set) else { throw AVError.invalidData }
                    guard size.width * size.height <= maximumPixels else { throw AVError.tooLarge }
                }
                offset += length
            }
            return hasIDR
        }
    }

    /// Hands on the pictures that wait for reordering, and makes the decoder ready for a new start.
    public mutating func finish(output: (VideoFrame) -> Void) {
        avcodec_send_packet(codec.context, nil)
        receive(output)
        avcodec_flush_buffers(codec.context)
    }

    /// Hands on what is ready; returns false when a picture was damaged, which a live stream does not show.
    @discardableResult
    private mutating func receive(_ output: (VideoFrame) -> Void) -> Bool {
        var isWhole = true
        while avcodec_receive_frame(codec.context, frame) >= 0 {
            let isDamaged = frame.pointee.decode_error_flags != 0 || frame.pointee.flags & AV_FRAME_FLAG_CORRUPT != 0
            if live != nil, isDamaged {
                isWhole = false
            } else if let picture = copyPicture() {
                output(picture)
            }
            av_frame_unref(frame)
        }
        return isWhole
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
        let matrix: ColorDescription.Matrix =
            switch frame.pointee.colorspace {
            case AVCOL_SPC_BT470BG, AVCOL_SPC_SMPTE170M: .bt601
            // The custom for untagged files: SD is BT.601, HD BT.709.
            case AVCOL_SPC_UNSPECIFIED: live?.color.matrix ?? (size.height < 720 ? .bt601 : .bt709)
            default: .bt709
            }
        picture.color = ColorDescription(matrix: matrix, isFullRange: isFullRange)
        picture.rotation = .none
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
