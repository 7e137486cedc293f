// I420 to I420 of another size by libswscale, bicubic, with black bars where the shapes differ.

internal import CFFmpeg

/// Scales pictures of one size and colour description to program colour (BT.709, limited) in another size.
public struct Scaler: ~Copyable {
    private let context: OpaquePointer
    private let source: PictureSize
    private let rectangle: (x: Int, y: Int, width: Int, height: Int)
    /// The size of what `scale` writes.
    public let target: PictureSize

    /// Prepares the filters.
    ///
    /// - Parameters:
    ///   - source: size of the pictures that come.
    ///   - color: how their numbers are to be read.
    ///   - target: size of the pictures to write; the source is fitted into it, centred, the rest stays black.
    /// - Throws: `AVError` when libswscale refuses.
    public init(source: PictureSize, color: ColorDescription, target: PictureSize) throws(AVError) {
        _ = MediaLibraries.quiet
        let fitted = Self.fit(source, into: target)
        guard let context = sws_alloc_context() else { throw AVError.outOfMemory }
        let options = UnsafeMutableRawPointer(context)
        for (name, value) in [
            ("srcw", source.width), ("srch", source.height), ("src_format", Int(AV_PIX_FMT_YUV420P.rawValue)),
            ("dstw", fitted.width), ("dsth", fitted.height), ("dst_format", Int(AV_PIX_FMT_YUV420P.rawValue)),
            ("sws_flags", Int(SWS_BICUBIC)), ("src_range", color.isFullRange ? 1 : 0), ("dst_range", 0),
        ] {
            let result = av_opt_set_int(options, name, Int64(value), 0)
            guard result >= 0 else {
                sws_freeContext(context)
                throw AVError(code: result)
            }
        }
        let started = sws_init_context(context, nil, nil)
        guard started >= 0 else {
            sws_freeContext(context)
            throw AVError(code: started)
        }
        sws_setColorspaceDetails(
            context, sws_getCoefficients(color.matrix == .bt601 ? SWS_CS_ITU601 : SWS_CS_ITU709),
            color.isFullRange ? 1 : 0,
            sws_getCoefficients(SWS_CS_ITU709), 0, 0, 1 << 16, 1 << 16)
        self.context = context
        self.source = source
        self.target = target
        rectangle = fitted
    }

    deinit { sws_freeContext(context) }

    /// Scales one picture; pictures of another size than was named are left out, and the target turns black.
    public borrowing func scale(_ picture: VideoFrame, into result: VideoFrame) {
        let isWhole = rectangle.width == result.width && rectangle.height == result.height
        if !isWhole { result.fill(y: 16, u: 128, v: 128) }
        result.color = .program
        result.timestampNanoseconds = picture.timestampNanoseconds
        guard picture.width == source.width, picture.height == source.height, result.width == target.width,
            result.height == target.height
        else { return }
        let planes: [UnsafePointer<UInt8>?] = [
            UnsafePointer(picture.y), UnsafePointer(picture.u), UnsafePointer(picture.v), nil,
        ]
        let strides = [Int32(picture.lumaStride), Int32(picture.chromaStride), Int32(picture.chromaStride), 0]
        let chromaOffset = rectangle.y / 2 * result.chromaStride + rectangle.x / 2
        let targets: [UnsafeMutablePointer<UInt8>?] = [
            result.y + rectangle.y * result.lumaStride + rectangle.x, result.u + chromaOffset, result.v + chromaOffset,
            nil,
        ]
        let targetStrides = [Int32(result.lumaStride), Int32(result.chromaStride), Int32(result.chromaStride), 0]
        sws_scale(context, planes, strides, 0, Int32(picture.height), targets, targetStrides)
    }

    /// The largest centred rectangle of the source's shape, on even pixels; within 2 % the whole target.
    static func fit(_ source: PictureSize, into target: PictureSize) -> (x: Int, y: Int, width: Int, height: Int) {
        let across = source.width * target.height, down = source.height * target.width
        if abs(across - down) * 50 <= max(across, down) { return (0, 0, target.width, target.height) }
        var width = target.width, height = target.height
        if across > down {
            height = max(2, target.width * source.height / max(1, source.width) & ~1)
        } else {
            width = max(2, target.height * source.width / max(1, source.height) & ~1)
        }
        return ((target.width - width) / 2 & ~1, (target.height - height) / 2 & ~1, width, height)
    }
}
