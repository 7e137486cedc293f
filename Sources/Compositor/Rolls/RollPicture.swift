// Decoded pictures of any kind to I420 of at most 1920×1080, with the colour they are to be read in.

import CFFmpeg
import Media

/// Converts pictures; confined to one thread.
final class RollPictureConverter {
    /// The size and colour of what comes out.
    struct Form: Equatable {
        var size: PixelSize
        var color: ColorDescription
        var rotation: PictureRotation
    }

    /// The longest side, and the most pixels: the program's.
    static let longestSide = 1920, mostPixels = 1920 * 1080

    private let rotation: PictureRotation
    private let aspect: AVRational
    private var scaler: OpaquePointer?

    /// Creates a converter for a track.
    init(_ stream: UnsafeMutablePointer<AVStream>) {
        rotation = Self.rotation(of: stream)
        let own = stream.pointee.sample_aspect_ratio, coded = stream.pointee.codecpar.pointee.sample_aspect_ratio
        aspect = own.num > 0 && own.den > 0 ? own : coded
    }

    deinit { sws_freeContext(scaler) }

    /// What a picture of a size comes out as: square pixels, even sides, not larger than the program.
    static func size(width: Int, height: Int, aspect: AVRational) -> PixelSize {
        var wide = Double(width), high = Double(height)
        if aspect.num > 0, aspect.den > 0 {
            let ratio = Double(aspect.num) / Double(aspect.den)
            if ratio.isFinite, (0.25...4).contains(ratio) { wide *= ratio }
        }
        let scale = min(
            1, Double(longestSide) / max(wide, high), (Double(mostPixels) / (wide * high)).squareRoot())
        func even(_ side: Double) -> Int { max(2, Int((side * scale / 2).rounded(.down)) * 2) }
        wide = max(2, wide)
        high = max(2, high)
        return PixelSize(width: even(wide), height: even(high))
    }

    /// What a decoded picture comes out as.
    func form(_ frame: UnsafeMutablePointer<AVFrame>) -> Form {
        let given = PixelSize(width: Int(frame.pointee.width), height: Int(frame.pointee.height))
        let size = Self.size(
            width: given.width, height: given.height,
            aspect: frame.pointee.sample_aspect_ratio.num > 0 ? frame.pointee.sample_aspect_ratio : aspect)
        return Form(
            size: size, color: isDirect(frame, size) ? Self.color(frame) : .program, rotation: rotation)
    }

    /// Writes a picture's three planes tightly, one after the other.
    ///
    /// - Parameters:
    ///   - frame: the decoded picture.
    ///   - form: what `form` said.
    ///   - target: room for 3/2 × width × height bytes.
    /// - Returns: false when it can't be converted.
    func write(_ frame: UnsafeMutablePointer<AVFrame>, _ form: Form, to target: UnsafeMutablePointer<UInt8>) -> Bool {
        let width = form.size.width, height = form.size.height
        let planes = [target, target + width * height, target + width * height * 5 / 4]
        let strides = [width, width / 2, width / 2]
        guard isDirect(frame, form.size) else { return scale(frame, form.size, planes, strides) }
        let sources = [frame.pointee.data.0, frame.pointee.data.1, frame.pointee.data.2]
        let steps = [frame.pointee.linesize.0, frame.pointee.linesize.1, frame.pointee.linesize.2]
        for plane in 0..<3 {
            guard let source = sources[plane] else { return false }
            for row in 0..<(plane == 0 ? height : height / 2) {
                (planes[plane] + row * strides[plane]).update(
                    from: source + row * Int(steps[plane]), count: strides[plane])
            }
        }
        return true
    }

    private func isDirect(_ frame: UnsafeMutablePointer<AVFrame>, _ size: PixelSize) -> Bool {
        let format = AVPixelFormat(frame.pointee.format)
        return (format == AV_PIX_FMT_YUV420P || format == AV_PIX_FMT_YUVJ420P)
            && Int(frame.pointee.width) == size.width && Int(frame.pointee.height) == size.height
            && [AVCOL_SPC_BT709, AVCOL_SPC_BT470BG, AVCOL_SPC_SMPTE170M, AVCOL_SPC_UNSPECIFIED].contains(
                frame.pointee.colorspace)
    }

    /// Any format and size to the program's, by libswscale.
    private func scale(
        _ frame: UnsafeMutablePointer<AVFrame>, _ size: PixelSize, _ planes: [UnsafeMutablePointer<UInt8>],
        _ strides: [Int]
    ) -> Bool {
        scaler = sws_getCachedContext(
            scaler, frame.pointee.width, frame.pointee.height, AVPixelFormat(frame.pointee.format), Int32(size.width),
            Int32(size.height), AV_PIX_FMT_YUV420P, Int32(SWS_BICUBIC | SWS_ACCURATE_RND), nil, nil, nil)
        guard let scaler else { return false }
        let source: Int32 =
            switch frame.pointee.colorspace {
            case AVCOL_SPC_BT2020_NCL, AVCOL_SPC_BT2020_CL: SWS_CS_BT2020
            default: Self.color(frame).matrix == .bt709 ? SWS_CS_ITU709 : SWS_CS_ITU601
            }
        sws_setColorspaceDetails(
            scaler, sws_getCoefficients(source), Self.color(frame).isFullRange ? 1 : 0,
            sws_getCoefficients(SWS_CS_ITU709), 0, 0, 1 << 16, 1 << 16)
        let sources = withUnsafeBytes(of: frame.pointee.data) { raw in
            raw.bindMemory(to: UnsafePointer<UInt8>?.self).map { $0 }
        }
        let steps = withUnsafeBytes(of: frame.pointee.linesize) { Array($0.bindMemory(to: Int32.self)) }
        let targets: [UnsafeMutablePointer<UInt8>?] = planes.map { $0 } + [nil]
        let rows = sws_scale(
            scaler, sources, steps, 0, frame.pointee.height, targets, strides.map(Int32.init) + [0])
        return rows == Int32(size.height)
    }

    /// How a picture's numbers are to be read; what says nothing is read by its size, as players do.
    static func color(_ frame: UnsafeMutablePointer<AVFrame>) -> ColorDescription {
        let isFull =
            frame.pointee.color_range == AVCOL_RANGE_JPEG
            || AVPixelFormat(frame.pointee.format) == AV_PIX_FMT_YUVJ420P
        switch frame.pointee.colorspace {
        case AVCOL_SPC_BT709: return ColorDescription(matrix: .bt709, isFullRange: isFull)
        case AVCOL_SPC_BT470BG, AVCOL_SPC_SMPTE170M: return ColorDescription(matrix: .bt601, isFullRange: isFull)
        default:
            let isLarge = frame.pointee.height >= 720 || frame.pointee.width >= 1280
            return ColorDescription(matrix: isLarge ? .bt709 : .bt601, isFullRange: isFull)
        }
    }

    /// The quarter turns of a track's display matrix (ISO/IEC 14496-12 §8.3.2.3), a, b, c, d in 16.16.
    static func rotation(of stream: UnsafeMutablePointer<AVStream>) -> PictureRotation {
        guard let data = av_stream_get_side_data(stream, AV_PKT_DATA_DISPLAYMATRIX, nil) else { return .none }
        let matrix = UnsafeRawPointer(data)
        func value(_ index: Int) -> Int32 { matrix.loadUnaligned(fromByteOffset: 4 * index, as: Int32.self) }
        switch (value(0).signum(), value(1).signum(), value(3).signum(), value(4).signum()) {
        case (0, 1, -1, 0): return .clockwise90
        case (-1, 0, 0, -1): return .half
        case (0, -1, 1, 0): return .clockwise270
        default: return .none
        }
    }
}
