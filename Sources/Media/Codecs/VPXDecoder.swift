// VP8 and VP9 from the wire to I420, by libvpx.

import CMediaShims
import CVPX

/// A decoder of VP8 or of VP9 in profile 0, with one thread, owned by one thread.
public struct VPXDecoder: ~Copyable {
    private let context: UnsafeMutablePointer<vpx_codec_ctx_t>
    private let isVP9: Bool
    private let maximumPixels: Int
    private var pool: VideoFramePool?
    private var poolSize = (width: 0, height: 0)
    private let poolCapacity: Int

    /// Sets up a decoder.
    ///
    /// - Parameters:
    ///   - codec: `.vp8` or `.vp9`.
    ///   - maximumPixels: larger pictures are refused before memory is taken for them.
    ///   - framesInUse: how many decoded pictures may be held at once outside the decoder.
    /// - Throws: `VideoCodecError.setup` when libvpx refuses.
    public init(codec: Codec, maximumPixels: Int = 1920 * 1200, framesInUse: Int = 8) throws(VideoCodecError) {
        guard codec == .vp8 || codec == .vp9 else { throw .setup(code: -1) }
        let context = UnsafeMutablePointer<vpx_codec_ctx_t>.allocate(capacity: 1)
        context.initialize(to: vpx_codec_ctx_t())
        var configuration = vpx_codec_dec_cfg_t()
        configuration.threads = 1
        let interface = codec == .vp9 ? vpx_codec_vp9_dx() : vpx_codec_vp8_dx()
        let code = vpx_codec_dec_init_ver(context, interface, &configuration, 0, VPX_DECODER_ABI_VERSION)
        guard code == VPX_CODEC_OK else {
            context.deallocate()
            throw .setup(code: Int32(bitPattern: code.rawValue))
        }
        self.context = context
        isVP9 = codec == .vp9
        self.maximumPixels = maximumPixels
        poolCapacity = framesInUse
    }

    deinit {
        vpx_codec_destroy(context)
        context.deallocate()
    }

    /// Decodes one picture and copies it into a pooled frame, because libvpx writes over its own.
    ///
    /// - Parameters:
    ///   - payload: one whole VP8 frame, or one VP9 frame or superframe.
    ///   - timestampNanoseconds: goes onto the picture.
    /// - Returns: the picture in the colour that the bitstream says, or nil when the frame is not to be shown. Without a
    ///   word of the bitstream it is BT.601 limited, as browsers send it.
    /// - Throws: `VideoCodecError.corrupt` for what can't be decoded whole (ask for a key frame), `.tooLarge`, `.noFreeFrame`.
    public mutating func decode(
        _ payload: UnsafeRawBufferPointer, timestampNanoseconds: Int64
    ) throws(VideoCodecError) -> VideoFrame? {
        guard payload.count > 0, payload.count <= 1 << 26 else { throw .corrupt(code: 0) }
        var index: [UInt8] = []
        if isVP9 {
            index = try checkVP9(payload)
        } else if let size = VP8FrameHeader.size(payload) {
            try check(size)
        }
        if index.isEmpty {
            try run(payload)
        } else {
            let whole = ByteBlock(count: payload.count + index.count) { target in
                target.copyMemory(from: payload)
                for (at, byte) in index.enumerated() { target[payload.count + at] = byte }
            }
            try whole.withBytes { bytes throws(VideoCodecError) in try run(bytes) }
        }
        var iterator: vpx_codec_iter_t?
        guard let image = vpx_codec_get_frame(context, &iterator) else { return nil }
        // The answer is about the picture that was taken last.
        var isCorrupted: Int32 = 0
        let asked = vpx_codec_control_VP8D_GET_FRAME_CORRUPTED(
            context, Int32(VP8D_GET_FRAME_CORRUPTED.rawValue), &isCorrupted)
        guard asked != VPX_CODEC_OK || isCorrupted == 0 else { throw .corrupt(code: 0) }
        return try copy(image.pointee, timestampNanoseconds)
    }

    private func run(_ bytes: UnsafeRawBufferPointer) throws(VideoCodecError) {
        let code = vpx_codec_decode(context, bytes.bindMemory(to: UInt8.self).baseAddress, UInt32(bytes.count), nil, 0)
        guard code == VPX_CODEC_OK else { throw .corrupt(code: Int32(bitPattern: code.rawValue)) }
    }

    private func check(_ size: PictureSize) throws(VideoCodecError) {
        guard size.width * size.height <= maximumPixels else { throw .tooLarge(width: size.width, height: size.height) }
    }

    /// Looks at every frame of a payload before libvpx takes memory for it.
    ///
    /// libvpx decodes whatever follows behind a frame as the next one, whose beginning can't be known from outside. With an
    /// index it keeps to the frames that are named, so that none gets by unseen.
    ///
    /// - Returns: the index to be put behind the payload, empty when it has one.
    private func checkVP9(_ payload: UnsafeRawBufferPointer) throws(VideoCodecError) -> [UInt8] {
        let named = VP9Superframe.frames(in: payload)
        for range in named ?? [0..<payload.count] where !range.isEmpty {
            guard let header = VP9FrameHeader(UnsafeRawBufferPointer(rebasing: payload[range])), header.profile == 0
            else { throw .corrupt(code: 0) }
            if let size = header.size { try check(size) }
        }
        return named == nil ? VP9Superframe.index(sizes: [payload.count]) : []
    }

    private mutating func copy(_ image: vpx_image_t, _ timestamp: Int64) throws(VideoCodecError) -> VideoFrame {
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
        // VP8 has no word for the matrix; what libvpx fills in there says nothing.
        frame.color =
            isVP9
            ? ColorDescription(
                matrix: image.cs == VPX_CS_BT_709 ? .bt709 : .bt601, isFullRange: image.range == VPX_CR_FULL_RANGE)
            : .vp8
        frame.rotation = .none
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
