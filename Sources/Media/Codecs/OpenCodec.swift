// An open codec of libavcodec with what goes in and out of it, owned as one.

internal import CFFmpeg

/// A codec context with its frame and its packet, confined to the thread that uses it.
struct OpenCodec: ~Copyable {
    let context: UnsafeMutablePointer<AVCodecContext>
    let frame: UnsafeMutablePointer<AVFrame>
    let packet: UnsafeMutablePointer<AVPacket>

    /// Opens a codec on one thread.
    ///
    /// - Parameters:
    ///   - codec: what libavcodec found.
    ///   - configuration: what the stream's header says; nil for none.
    ///   - configure: sets what the context needs before it is opened.
    ///   - prepare: sets the frame up for the open context.
    /// - Throws: `AVError` when libavcodec refuses.
    init(
        _ codec: UnsafePointer<AVCodec>?, configuration: ByteBlock? = nil,
        configure: (inout AVCodecContext) -> Void,
        prepare: (AVCodecContext, UnsafeMutablePointer<AVFrame>) throws(AVError) -> Void = { (_, _) throws(AVError) in }
    ) throws(AVError) {
        _ = MediaLibraries.quiet
        // A value that is not copied can't be given up half made: what fails, fails before there is one.
        var allocated = avcodec_alloc_context3(codec)
        var picture = av_frame_alloc(), data = av_packet_alloc()
        let opened: AVError?
        if let allocated, let picture, data != nil {
            opened = Self.failure { () throws(AVError) in
                try Self.open(allocated, codec, configuration, configure)
                try prepare(allocated.pointee, picture)
            }
        } else {
            opened = .outOfMemory
        }
        guard opened == nil, let context = allocated, let frame = picture, let packet = data else {
            avcodec_free_context(&allocated)
            av_frame_free(&picture)
            av_packet_free(&data)
            throw opened ?? .outOfMemory
        }
        self.context = context
        self.frame = frame
        self.packet = packet
    }

    private static func failure(_ body: () throws(AVError) -> Void) -> AVError? {
        do throws(AVError) { try body() } catch { return error }
        return nil
    }

    private static func open(
        _ context: UnsafeMutablePointer<AVCodecContext>, _ codec: UnsafePointer<AVCodec>?,
        _ configuration: ByteBlock?, _ configure: (inout AVCodecContext) -> Void
    ) throws(AVError) {
        if let configuration {
            guard let extra = av_mallocz(configuration.count + Int(AV_INPUT_BUFFER_PADDING_SIZE)) else {
                throw AVError.outOfMemory
            }
            configuration.withBytes {
                extra.copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(extra), byteCount: $0.count)
            }
            context.pointee.extradata = extra.assumingMemoryBound(to: UInt8.self)
            context.pointee.extradata_size = Int32(configuration.count)
        }
        context.pointee.thread_count = 1
        configure(&context.pointee)
        try AVError.check(avcodec_open2(context, codec, nil))
    }

    deinit {
        var context: UnsafeMutablePointer<AVCodecContext>? = context
        var frame: UnsafeMutablePointer<AVFrame>? = frame
        var packet: UnsafeMutablePointer<AVPacket>? = packet
        avcodec_free_context(&context)
        av_frame_free(&frame)
        av_packet_free(&packet)
    }
}
