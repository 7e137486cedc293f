// PNG, JPEG and WebP to premultiplied RGBA, with every size bounded before memory is taken.

import CFFmpeg
import CMediaShims
public import Foundation

/// Why a picture could not be read.
public enum PictureError: Error, Equatable, Sendable {
    /// Neither PNG, JPEG nor WebP.
    case unknownFormat
    /// More bytes than are allowed.
    case fileTooLarge(bytes: Int)
    /// More pixels than are allowed.
    case tooManyPixels(width: Int, height: Int)
    /// There is no memory for it.
    case outOfMemory
    /// The file is damaged; `code` is libav's.
    case corrupt(code: Int32)
    /// The result could not be written.
    case cannotWrite
}

/// Decodes what people upload as pictures.
///
/// Only named decoders are used, on bytes in memory: nothing is opened, no protocol is spoken. It holds no state, so that
/// a worker process can call it.
public enum PictureDecoder {
    /// What a picture may cost.
    public struct Limits: Sendable, Hashable {
        /// Bytes of the file.
        public var bytes: Int
        /// Width times height, and each of them.
        public var pixels: Int, side: Int

        /// Creates limits; 24 MiB, 32 million pixels and 8192 a side by default.
        public init(bytes: Int = 24 << 20, pixels: Int = 32_000_000, side: Int = 8192) {
            self.bytes = bytes
            self.pixels = pixels
            self.side = side
        }
    }

    /// Reads the size out of the header alone, as the picture is stored.
    ///
    /// - Throws: `PictureError.unknownFormat` or `.corrupt`.
    public static func size(_ file: Data) throws(PictureError) -> PixelSize { try header(file).size }

    /// Decodes a picture, and turns it as its EXIF block says it is to be seen.
    ///
    /// - Parameters:
    ///   - file: a whole PNG, JPEG or WebP file; of an animation, WebP is refused.
    ///   - limits: what it may cost.
    ///   - box: a larger picture is made smaller, with its shape, until it fits; nil leaves it as it is.
    /// - Throws: `PictureError`.
    public static func decode(
        _ file: Data, limits: Limits = Limits(), fitting box: PixelSize? = nil
    ) throws(PictureError) -> RGBABitmap {
        guard file.count <= limits.bytes else { throw .fileTooLarge(bytes: file.count) }
        let (size, codec) = try header(file)
        guard size.width > 0, size.height > 0, size.width <= min(limits.side, 8192),
            size.height <= min(limits.side, 8192),
            size.width * size.height <= limits.pixels
        else { throw .tooManyPixels(width: size.width, height: size.height) }
        var frame = try decodeFrame(file, codec, limits)
        defer { av_frame_free(&frame) }
        guard let picture = frame else { throw .corrupt(code: 0) }
        let orientation = PictureOrientation(of: file)
        let stored = orientation.swapsSides ? box.map { PixelSize(width: $0.height, height: $0.width) } : box
        return try convert(picture, limits, fitting: stored).turned(orientation)
    }

    private static func header(_ file: Data) throws(PictureError) -> (size: PixelSize, codec: AVCodecID) {
        let bytes = [UInt8](file.prefix(1 << 20))
        func big(_ at: Int, _ count: Int) -> Int {
            at + count <= bytes.count ? bytes[at..<(at + count)].reduce(0) { $0 << 8 | Int($1) } : 0
        }
        if bytes.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) {
            guard big(12, 4) == 0x4948_4452 else { throw .corrupt(code: 0) }  // IHDR comes first
            return (PixelSize(width: big(16, 4), height: big(20, 4)), AV_CODEC_ID_PNG)
        }
        if bytes.starts(with: Array("RIFF".utf8)), bytes.dropFirst(8).starts(with: Array("WEBP".utf8)) {
            return (try webPSize(bytes), AV_CODEC_ID_WEBP)
        }
        guard bytes.starts(with: [0xFF, 0xD8, 0xFF]) else { throw .unknownFormat }
        // ITU-T T.81 B.1.1: markers until the start of a frame, SOF0…SOF15 without DHT, JPG and DAC.
        var at = 2
        while at + 9 < bytes.count {
            guard bytes[at] == 0xFF else { throw .corrupt(code: 0) }
            let marker = bytes[at + 1]
            if marker == 0xFF {
                at += 1
                continue
            }
            if (0xC0...0xCF).contains(marker), ![0xC4, 0xC8, 0xCC].contains(marker) {
                return (PixelSize(width: big(at + 7, 2), height: big(at + 5, 2)), AV_CODEC_ID_MJPEG)
            }
            at += 2 + max(2, big(at + 2, 2))
        }
        throw .corrupt(code: 0)
    }

    /// RFC 9649 §2.5–2.7: the first chunk is VP8, VP8L or VP8X, and each has the size at its start.
    private static func webPSize(_ bytes: [UInt8]) throws(PictureError) -> PixelSize {
        guard bytes.count >= 30 else { throw .corrupt(code: 0) }
        func little(_ at: Int, _ count: Int) -> Int {
            (0..<count).reduce(0) { $0 | Int(bytes[at + $1]) << (8 * $1) }
        }
        switch String(decoding: bytes[12..<16], as: UTF8.self) {
        case "VP8 ": return PixelSize(width: little(26, 2) & 0x3FFF, height: little(28, 2) & 0x3FFF)
        case "VP8L":
            let packed = little(21, 4)
            return PixelSize(width: (packed & 0x3FFF) + 1, height: (packed >> 14 & 0x3FFF) + 1)
        case "VP8X": return PixelSize(width: little(24, 3) + 1, height: little(27, 3) + 1)
        default: throw .corrupt(code: 0)
        }
    }

    private static func decodeFrame(
        _ file: Data, _ codec: AVCodecID, _ limits: Limits
    ) throws(PictureError) -> UnsafeMutablePointer<AVFrame>? {
        guard let decoder = avcodec_find_decoder(codec), let context = avcodec_alloc_context3(decoder) else {
            throw .corrupt(code: 0)
        }
        var contextToFree: UnsafeMutablePointer<AVCodecContext>? = context
        defer { avcodec_free_context(&contextToFree) }
        context.pointee.thread_count = 1
        context.pointee.max_pixels = Int64(limits.pixels)
        // Damage is an error, not a grey patch on the program.
        context.pointee.err_recognition = AV_EF_EXPLODE
        var code = avcodec_open2(context, decoder, nil)
        guard code >= 0 else { throw failure(code) }
        var packet = av_packet_alloc()
        defer { av_packet_free(&packet) }
        guard let packet else { throw .outOfMemory }
        code = av_new_packet(packet, Int32(clamping: file.count))
        guard code >= 0, let target = packet.pointee.data else { throw failure(code) }
        file.copyBytes(to: target, count: file.count)
        code = avcodec_send_packet(context, packet)
        guard code >= 0 else { throw failure(code) }
        var frame = av_frame_alloc()
        guard let picture = frame else { throw .outOfMemory }
        code = avcodec_receive_frame(context, picture)
        guard code >= 0 else {
            av_frame_free(&frame)
            throw failure(code)
        }
        return frame
    }

    /// What libav's code comes to.
    private static func failure(_ code: Int32) -> PictureError {
        code == proscenium_av_error(ENOMEM) ? .outOfMemory : .corrupt(code: code)
    }

    /// Any pixel format to RGBA with straight alpha, as files have it, by libswscale: cold, once per picture.
    private static func convert(
        _ frame: UnsafeMutablePointer<AVFrame>, _ limits: Limits, fitting box: PixelSize?
    ) throws(PictureError) -> RGBABitmap {
        let given = PixelSize(width: Int(frame.pointee.width), height: Int(frame.pointee.height))
        guard given.width > 0, given.height > 0, given.width <= 8192, given.height <= 8192,
            given.width * given.height <= limits.pixels
        else { throw .tooManyPixels(width: given.width, height: given.height) }
        let wanted = shrunk(given, toFit: box)
        // libswscale would weigh the colours of transparent pixels: those pictures are made smaller afterwards.
        let flags = av_pix_fmt_desc_get(AVPixelFormat(frame.pointee.format))?.pointee.flags ?? 0
        let isScaledHere = wanted != given && flags & (UInt64(AV_PIX_FMT_FLAG_ALPHA) | UInt64(AV_PIX_FMT_FLAG_PAL)) != 0
        let size = isScaledHere ? given : wanted, width = size.width, height = size.height
        // Every pixel counts when there are fewer of them afterwards.
        let kernel = size == given ? SWS_BILINEAR : SWS_AREA
        let scaler = sws_getContext(
            Int32(given.width), Int32(given.height), AVPixelFormat(frame.pointee.format), Int32(width), Int32(height),
            AV_PIX_FMT_RGBA, Int32(kernel | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT), nil, nil, nil)
        guard let scaler else { throw .corrupt(code: 0) }
        defer { sws_freeContext(scaler) }
        var bitmap = RGBABitmap(width: width, height: height, alpha: .straight)
        // libswscale writes whole vectors: rows in a buffer of its own, with room at the end of each.
        let stride = (width * 4 + 63) & ~63
        let rows = UnsafeMutablePointer<UInt8>.allocate(capacity: stride * height + 64)
        defer { rows.deallocate() }
        let source = withUnsafeBytes(of: frame.pointee.data) { raw in
            raw.bindMemory(to: UnsafePointer<UInt8>?.self).map { $0 }
        }
        let strides = withUnsafeBytes(of: frame.pointee.linesize) { Array($0.bindMemory(to: Int32.self)) }
        let target: [UnsafeMutablePointer<UInt8>?] = [rows, nil, nil, nil]
        let code = sws_scale(scaler, source, strides, 0, Int32(given.height), target, [Int32(stride), 0, 0, 0])
        guard code == Int32(height) else { throw .corrupt(code: code) }
        bitmap.pixels.withUnsafeMutableBufferPointer { pixels in
            guard let out = pixels.baseAddress else { return }
            for y in 0..<height { (out + y * width * 4).update(from: rows + y * stride, count: width * 4) }
        }
        return isScaledHere ? bitmap.scaled(width: wanted.width, height: wanted.height) : bitmap
    }

    private static func shrunk(_ size: PixelSize, toFit box: PixelSize?) -> PixelSize {
        guard let box, size.width > box.width || size.height > box.height else { return size }
        let scale = min(Double(box.width) / Double(size.width), Double(box.height) / Double(size.height))
        return PixelSize(
            width: max(1, Int((Double(size.width) * scale).rounded())),
            height: max(1, Int((Double(size.height) * scale).rounded())))
    }
}
