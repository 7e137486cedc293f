// VP8 from the wire to I420, by libvpx.

import CVPX

/// Why a VP8 codec refused to work.
public enum VP8Error: Error, Equatable, Sendable {
    /// The library could not be set up.
    case setup(code: Int32)
    /// The payload is not VP8, or depends on pictures that are not there.
    case corrupt(code: Int32)
    /// The picture is larger than the caller allows.
    case tooLarge(width: Int, height: Int)
    /// No frame was free to receive the picture.
    case noFreeFrame
    /// The picture given to the encoder has another size than it was set up for.
    case wrongSize
}

/// A VP8 decoder with one thread, owned by one thread.
public struct VP8Decoder: ~Copyable {
    private let context: UnsafeMutablePointer<vpx_codec_ctx_t>
    private let maximumPixels: Int
    private var pool: VideoFramePool?
    private var poolSize = (width: 0, height: 0)
    private let poolCapacity: Int

    /// Sets up a decoder.
    ///
    /// - Parameters:
    ///   - maximumPixels: larger pictures are refused before memory is taken for them.
    ///   - framesInUse: how many decoded pictures may be held at once outside the decoder.
    /// - Throws: `VP8Error.setup` when libvpx refuses.
    public init(maximumPixels: Int = 1920 * 1200, framesInUse: Int = 8) throws(VP8Error) {
        let context = UnsafeMutablePointer<vpx_codec_ctx_t>.allocate(capacity: 1)
        context.initialize(to: vpx_codec_ctx_t())
        var configuration = vpx_codec_dec_cfg_t()
        configuration.threads = 1
        let code = vpx_codec_dec_init_ver(context, vpx_codec_vp8_dx(), &configuration, 0, VPX_DECODER_ABI_VERSION)
        guard code == VPX_CODEC_OK else {
            context.deallocate()
            throw .setup(code: Int32(bitPattern: code.rawValue))
        }
        self.context = context
        self.maximumPixels = maximumPixels
        poolCapacity = framesInUse
    }

    deinit {
        vpx_codec_destroy(context)
        context.deallocate()
    }

    /// Whether a payload begins a picture that needs no other, and its size (RFC 6386 §9.1); nil when it is no key frame.
    public static func keyframeSize(_ payload: UnsafeRawBufferPointer) -> (width: Int, height: Int)? {
        guard payload.count >= 10, payload[0] & 1 == 0, payload[3] == 0x9d, payload[4] == 0x01, payload[5] == 0x2a
        else {
            return nil
        }
        let width = (Int(payload[7]) << 8 | Int(payload[6])) & 0x3fff
        let height = (Int(payload[9]) << 8 | Int(payload[8])) & 0x3fff
        return (width, height)
    }

    /// Decodes one picture and copies it into a pooled frame, because libvpx writes over its own.
    ///
    /// - Parameters:
    ///   - payload: one whole VP8 frame.
    ///   - timestampNanoseconds: goes onto the picture.
    /// - Returns: the picture, in BT.601 limited as browsers send it, or nil when the frame is not to be shown.
    /// - Throws: `VP8Error.corrupt` for what cannot be decoded (ask for a key frame), `.tooLarge`, `.noFreeFrame`.
    public mutating func decode(
        _ payload: UnsafeRawBufferPointer, timestampNanoseconds: Int64
    ) throws(VP8Error) -> VideoFrame? {
        if let size = Self.keyframeSize(payload), size.width * size.height > maximumPixels {
            throw .tooLarge(width: size.width, height: size.height)
        }
        guard payload.count > 0, payload.count <= Int(UInt32.max) else { throw .corrupt(code: 0) }
        let code = vpx_codec_decode(
            context, payload.bindMemory(to: UInt8.self).baseAddress, UInt32(payload.count), nil, 0)
        guard code == VPX_CODEC_OK else { throw .corrupt(code: Int32(bitPattern: code.rawValue)) }
        var iterator: vpx_codec_iter_t?
        guard let image = vpx_codec_get_frame(context, &iterator) else { return nil }
        return try copy(image.pointee, timestampNanoseconds)
    }

    private mutating func copy(_ image: vpx_image_t, _ timestamp: Int64) throws(VP8Error) -> VideoFrame {
        let width = Int(image.d_w), height = Int(image.d_h)
        guard width > 0, height > 0, image.fmt == VPX_IMG_FMT_I420, width * height <= maximumPixels else {
            throw .tooLarge(width: width, height: height)
        }
        if pool == nil || poolSize != (width, height) {
            pool = VideoFramePool(width: width, height: height, capacity: poolCapacity)
            poolSize = (width, height)
        }
        guard let frame = pool?.take(), let y = image.planes.0, let u = image.planes.1, let v = image.planes.2 else {
            throw .noFreeFrame
        }
        copyPlane(y, Int(image.stride.0), width, height, to: frame.y, frame.lumaStride, frame.width, frame.height)
        let halfWidth = (width + 1) / 2, halfHeight = (height + 1) / 2
        for (from, stride, to) in [(u, image.stride.1, frame.u), (v, image.stride.2, frame.v)] {
            copyPlane(
                from, Int(stride), halfWidth, halfHeight, to: to, frame.chromaStride, frame.width / 2, frame.height / 2)
        }
        frame.color = .vp8
        frame.timestampNanoseconds = timestamp
        return frame
    }

    /// Copies rows; where the frame is a pixel larger, because sizes there are even, the edge is repeated.
    private func copyPlane(
        _ from: UnsafeMutablePointer<UInt8>, _ fromStride: Int, _ width: Int, _ height: Int,
        to: UnsafeMutablePointer<UInt8>, _ toStride: Int, _ toWidth: Int, _ toHeight: Int
    ) {
        for row in 0..<toHeight {
            let line = to + row * toStride
            line.update(from: from + min(row, height - 1) * fromStride, count: min(width, toWidth))
            if width < toWidth { line[width] = line[width - 1] }
        }
    }
}
