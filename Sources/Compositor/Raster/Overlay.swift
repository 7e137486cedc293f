// A picture with transparency, kept as row spans, so that only what is visible costs time.

public import Media

/// A graphic that is laid over the canvas: converted once, drawn many times.
public final class Overlay: Sendable {
    /// The size in pixels, even.
    public let width: Int, height: Int
    /// How many luma pixels are drawn at all, and how many of them are copied instead of blended.
    public let drawnPixels: Int, opaquePixels: Int
    /// How much memory it takes, about.
    public var bytes: Int { width * height * 11 / 4 + (luma.count + chroma.count) * 64 }
    private let planes: OverlayPlanes
    private let luma: [[Span]], chroma: [[Span]]

    /// A run of one row: transparent runs are left out.
    private struct Span {
        var from: Int, count: Int, isOpaque: Bool
    }

    /// Converts a bitmap.
    public init(_ bitmap: RGBABitmap) {
        planes = OverlayPlanes(bitmap)
        width = planes.width
        height = planes.height
        let planes = planes
        luma = (0..<planes.height).map { Self.spans(planes.a + $0 * planes.width, count: planes.width) }
        chroma = (0..<(planes.height / 2)).map {
            Self.spans(planes.chromaAlpha + $0 * planes.width / 2, count: planes.width / 2)
        }
        drawnPixels = luma.joined().reduce(0) { $0 + $1.count }
        opaquePixels = luma.joined().reduce(0) { $0 + ($1.isOpaque ? $1.count : 0) }
    }

    private static func spans(_ alpha: UnsafePointer<UInt8>, count: Int) -> [Span] {
        // Opaque runs shorter than this are blended with their neighbours: a call costs more than it saves.
        let shortest = 16
        var spans: [Span] = []
        var x = 0
        while x < count {
            if alpha[x] == 0 {
                x += 1
                continue
            }
            var end = x
            let isOpaque = alpha[x] == 255
            while end < count && alpha[end] != 0 && (alpha[end] == 255) == isOpaque { end += 1 }
            let run = Span(from: x, count: end - x, isOpaque: isOpaque && end - x >= shortest)
            if let last = spans.last, !last.isOpaque, !run.isOpaque, last.from + last.count == x {
                spans[spans.count - 1].count += run.count
            } else {
                spans.append(run)
            }
            x = end
        }
        return spans
    }

    /// Draws it with its upper left corner at an even place; what lies outside the canvas is left out.
    ///
    /// - Parameters:
    ///   - canvas: the picture to draw on, in the program's colours.
    ///   - x: left edge, made even; may be negative.
    ///   - y: upper edge, made even; may be negative.
    ///   - opacity: how visible as a whole, 0…255.
    ///   - clip: where drawing is allowed; nil for the whole canvas.
    public func draw(on canvas: VideoFrame, x: Int, y: Int, opacity: UInt8 = 255, clip: PixelRect? = nil) {
        let left = x & ~1, top = y & ~1
        let whole = PixelRect(width: canvas.width, height: canvas.height)
        let clip = (clip ?? whole).clipped(to: whole).evened
        guard opacity > 0, !clip.isEmpty else { return }
        draw(
            luma, [(planes.y, canvas.y)], alpha: planes.a, sourceStride: width, targetStride: canvas.lumaStride,
            at: (left, top), clip: clip, opacity: opacity)
        draw(
            chroma, [(planes.u, canvas.u), (planes.v, canvas.v)], alpha: planes.chromaAlpha, sourceStride: width / 2,
            targetStride: canvas.chromaStride, at: (left >> 1, top >> 1),
            clip: PixelRect(x: clip.x / 2, y: clip.y / 2, width: clip.width / 2, height: clip.height / 2),
            opacity: opacity)
    }

    private func draw(
        _ rows: [[Span]], _ planes: [(UnsafeMutablePointer<UInt8>, UnsafeMutablePointer<UInt8>)],
        alpha: UnsafePointer<UInt8>, sourceStride: Int, targetStride: Int, at: (x: Int, y: Int), clip: PixelRect,
        opacity: UInt8
    ) {
        for row in max(0, clip.y - at.y)..<max(max(0, clip.y - at.y), min(rows.count, clip.bottom - at.y)) {
            for span in rows[row] {
                let from = max(span.from, clip.x - at.x), to = min(span.from + span.count, clip.right - at.x)
                guard from < to else { continue }
                let source = row * sourceStride + from, target = (at.y + row) * targetStride + at.x + from
                for plane in planes {
                    if opacity < 255 {
                        RowKernels.over(
                            plane.0 + source, alpha: alpha + source, opacity: opacity, onto: plane.1 + target,
                            count: to - from)
                    } else if span.isOpaque {
                        (plane.1 + target).update(from: plane.0 + source, count: to - from)
                    } else {
                        RowKernels.over(
                            plane.0 + source, alpha: alpha + source, onto: plane.1 + target, count: to - from)
                    }
                }
            }
        }
    }
}
