// Draws pictures on the canvas: scaled straight into place, cropped, with rounded corners, in the program's colours.

public import Control
public import Media

/// Draws on canvases; one per thread, because it owns scratch memory and caches.
public final class Rasterizer {
    private let scaler = PlaneScaler()
    private let converter = ColorConverter()
    private let transparent: TransparentPainter
    private var corners: [Int: Corners] = [:]
    private var saved: [UInt8] = []

    /// The four masks of one radius, ready for the row kernels: what is behind shows where the round ends.
    private struct Corners {
        /// Upper left and upper right, `radius` bytes per row, 255 where the saved pixels come back.
        let left: [UInt8], right: [UInt8], chromaLeft: [UInt8], chromaRight: [UInt8]

        init(_ mask: CornerMask) {
            func outside(_ coverage: [UInt8]) -> [UInt8] { coverage.map { 255 - $0 } }
            func mirrored(_ rows: [UInt8], _ side: Int) -> [UInt8] {
                guard side > 0 else { return [] }
                return stride(from: 0, to: rows.count, by: side).flatMap { rows[$0..<($0 + side)].reversed() }
            }
            left = outside(mask.coverage)
            right = mirrored(left, mask.radius)
            chromaLeft = outside(mask.chromaCoverage)
            chromaRight = mirrored(chromaLeft, mask.radius / 2)
        }
    }

    /// Creates a rasterizer.
    public init() { transparent = TransparentPainter(scaler: scaler) }

    /// Fills an even rectangle with a colour.
    public func fill(_ canvas: VideoFrame, _ rect: PixelRect, color: RGBColor) {
        let rect = rect.clipped(to: PixelRect(width: canvas.width, height: canvas.height)).evened
        guard !rect.isEmpty else { return }
        let (y, u, v) = color.program
        for row in rect.y..<rect.bottom {
            (canvas.y + row * canvas.lumaStride + rect.x).update(repeating: y, count: rect.width)
        }
        for row in (rect.y / 2)..<(rect.bottom / 2) {
            let at = row * canvas.chromaStride + rect.x / 2
            (canvas.u + at).update(repeating: u, count: rect.width / 2)
            (canvas.v + at).update(repeating: v, count: rect.width / 2)
        }
    }

    /// Draws a part of a picture into a rectangle of the canvas.
    ///
    /// The source is turned as its `rotation` says, scaled by area when it shrinks and bilinearly when it grows, converted
    /// to the canvas's colours, and its corners let through what was there before, as does the whole picture where it has
    /// alpha.
    ///
    /// - Parameters:
    ///   - source: the picture; its `color` says how to read it, its `rotation` how it is seen.
    ///   - crop: the part of it, in pixels of the picture as it is seen; made even and held inside it.
    ///   - canvas: the picture to draw on.
    ///   - rect: where; made even. A rectangle that is not wholly inside the canvas is not drawn.
    ///   - cornerRadius: in pixels of the canvas.
    ///   - isMirrored: whether left and right change places, of the picture as it is seen.
    public func draw(
        _ source: VideoFrame, crop: PixelRect, on canvas: VideoFrame, in rect: PixelRect, cornerRadius: Int = 0,
        isMirrored: Bool = false
    ) {
        let seen = source.displaySize
        let crop = crop.clipped(to: PixelRect(width: seen.width, height: seen.height)).evened
        let rect = rect.evened
        guard !crop.isEmpty, !rect.isEmpty,
            rect == rect.clipped(to: PixelRect(width: canvas.width, height: canvas.height))
        else { return }
        let radius = Self.radius(cornerRadius, in: rect)
        if radius > 0 { saveCorners(canvas, rect, radius) }
        let stored = Self.stored(crop, of: source)
        if let alpha = source.alpha {
            transparent.draw(source, alpha, stored, on: canvas, in: rect, isMirrored: isMirrored)
        } else {
            cover(canvas, rect, with: source, stored, isMirrored: isMirrored)
        }
        if radius > 0 { restoreCorners(canvas, rect, radius) }
    }

    /// Draws a part of a picture that lets nothing through straight into its place.
    private func cover(
        _ canvas: VideoFrame, _ rect: PixelRect, with source: VideoFrame, _ stored: PixelRect, isMirrored: Bool
    ) {
        for (input, output, isChroma) in [
            (source.y, canvas.y, false), (source.u, canvas.u, true), (source.v, canvas.v, true),
        ] {
            let shift = isChroma ? 1 : 0
            let from = isChroma ? source.chromaStride : source.lumaStride
            let to = isChroma ? canvas.chromaStride : canvas.lumaStride
            scaler.scale(
                .init(
                    pointer: input + (stored.y >> shift) * from + (stored.x >> shift), stride: from,
                    width: stored.width >> shift, height: stored.height >> shift),
                turned: source.rotation,
                onto: .init(
                    pointer: output + (rect.y >> shift) * to + (rect.x >> shift), stride: to,
                    width: rect.width >> shift,
                    height: rect.height >> shift), isMirrored: isMirrored)
        }
        converter.convert(canvas, in: rect, from: source.color, to: canvas.color)
    }

    /// Where a part of the picture as it is seen lies in the picture as it is stored.
    private static func stored(_ crop: PixelRect, of source: VideoFrame) -> PixelRect {
        switch source.rotation {
        case .none: crop
        case .half:
            PixelRect(
                x: source.width - crop.right, y: source.height - crop.bottom, width: crop.width, height: crop.height)
        case .clockwise90:
            PixelRect(x: crop.y, y: source.height - crop.right, width: crop.height, height: crop.width)
        case .clockwise270:
            PixelRect(x: source.width - crop.bottom, y: crop.x, width: crop.height, height: crop.width)
        }
    }

    /// The radius that is really drawn: even, and no more than fits.
    static func radius(_ radius: Int, in rect: PixelRect) -> Int {
        min(max(0, radius), min(rect.width, rect.height) / 2, 512) & ~1
    }

    /// Copies a whole picture of the same size.
    public func copy(_ source: VideoFrame, to target: VideoFrame) {
        guard source.width == target.width, source.height == target.height else { return }
        target.y.update(from: source.y, count: source.lumaStride * source.height)
        target.u.update(from: source.u, count: source.chromaStride * (source.height / 2))
        target.v.update(from: source.v, count: source.chromaStride * (source.height / 2))
    }

    /// Copies an even rectangle of a picture of the same size.
    public func copy(_ source: VideoFrame, to target: VideoFrame, in rect: PixelRect) {
        let whole = PixelRect(width: source.width, height: source.height), rect = rect.clipped(to: whole).evened
        guard source.width == target.width, source.height == target.height, !rect.isEmpty else { return }
        for row in rect.y..<rect.bottom {
            let at = row * source.lumaStride + rect.x
            (target.y + at).update(from: source.y + at, count: rect.width)
        }
        for row in (rect.y / 2)..<(rect.bottom / 2) {
            let at = row * source.chromaStride + rect.x / 2
            (target.u + at).update(from: source.u + at, count: rect.width / 2)
            (target.v + at).update(from: source.v + at, count: rect.width / 2)
        }
    }

    /// Mixes a whole picture of the same size into another: weight 0 changes nothing, 255 replaces it.
    public func blend(_ source: VideoFrame, weight: UInt8, onto target: VideoFrame) {
        guard source.width == target.width, source.height == target.height else { return }
        let chroma = source.chromaStride * (source.height / 2)
        RowKernels.blend(source.y, weight: weight, onto: target.y, count: source.lumaStride * source.height)
        RowKernels.blend(source.u, weight: weight, onto: target.u, count: chroma)
        RowKernels.blend(source.v, weight: weight, onto: target.v, count: chroma)
    }

    /// Calls with each corner block of each plane: offset in the plane, side, whether it is right, whether it is lower.
    private func eachCorner(
        _ canvas: VideoFrame, _ rect: PixelRect, _ radius: Int,
        _ body: (UnsafeMutablePointer<UInt8>, _ stride: Int, _ side: Int, _ isRight: Bool, _ isLower: Bool) -> Void
    ) {
        func plane(_ plane: UnsafeMutablePointer<UInt8>, _ stride: Int, _ shift: Int) {
            let side = radius >> shift
            let left = rect.x >> shift, right = (rect.right >> shift) - side
            let top = rect.y >> shift, bottom = (rect.bottom >> shift) - side
            body(plane + top * stride + left, stride, side, false, false)
            body(plane + top * stride + right, stride, side, true, false)
            body(plane + bottom * stride + left, stride, side, false, true)
            body(plane + bottom * stride + right, stride, side, true, true)
        }
        plane(canvas.y, canvas.lumaStride, 0)
        plane(canvas.u, canvas.chromaStride, 1)
        plane(canvas.v, canvas.chromaStride, 1)
    }

    private func saveCorners(_ canvas: VideoFrame, _ rect: PixelRect, _ radius: Int) {
        let needed = 6 * radius * radius
        if saved.count < needed { saved = [UInt8](repeating: 0, count: needed) }
        saved.withUnsafeMutableBufferPointer { buffer in
            guard var out = buffer.baseAddress else { return }
            eachCorner(canvas, rect, radius) { block, stride, side, _, _ in
                for row in 0..<side {
                    out.update(from: block + row * stride, count: side)
                    out += side
                }
            }
        }
    }

    private func restoreCorners(_ canvas: VideoFrame, _ rect: PixelRect, _ radius: Int) {
        let masks = corners[radius] ?? Corners(CornerMask(radius: radius))
        if corners.count >= 64 { corners.removeAll() }
        corners[radius] = masks
        saved.withUnsafeBufferPointer { buffer in
            guard var from = buffer.baseAddress else { return }
            eachCorner(canvas, rect, radius) { block, stride, side, isRight, isLower in
                let mask =
                    side == radius
                    ? (isRight ? masks.right : masks.left) : (isRight ? masks.chromaRight : masks.chromaLeft)
                mask.withUnsafeBufferPointer { mask in
                    guard let mask = mask.baseAddress else { return }
                    for row in 0..<side {
                        let line = isLower ? side - 1 - row : row
                        RowKernels.blend(from, mask: mask + line * side, onto: block + row * stride, count: side)
                        from += side
                    }
                }
            }
        }
    }
}
