// A line of one colour just inside the edge of a rectangle, with round corners.

import Control
import Media

/// Draws borders; one per thread, because it keeps the masks of corners.
final class BorderPainter {
    /// The part of a corner that the line covers: a square from the outer corner, 255 where the line is.
    private struct Corner {
        let side: Int
        /// Upper left and upper right, for luma and for chroma, row by row.
        let left: [UInt8], right: [UInt8], chromaLeft: [UInt8], chromaRight: [UInt8]

        init(radius: Int, width: Int) {
            let side = max(radius, width)
            self.side = side
            let outer = CornerMask(radius: radius), inner = CornerMask(radius: max(0, radius - width))
            func coverage(_ mask: CornerMask, _ x: Int, _ y: Int) -> Int {
                x < mask.radius && y < mask.radius ? Int(mask.coverage[y * mask.radius + x]) : 255
            }
            var left = [UInt8](repeating: 0, count: side * side)
            for y in 0..<side {
                for x in 0..<side {
                    let hole = x < width || y < width ? 0 : coverage(inner, x - width, y - width)
                    left[y * side + x] = UInt8(max(0, coverage(outer, x, y) - hole))
                }
            }
            let half = side / 2
            let chroma = (0..<(half * half)).map { at -> UInt8 in
                let first = 2 * (at / max(1, half)) * side + 2 * (at % max(1, half))
                return UInt8([0, 1, side, side + 1].reduce(2) { $0 + Int(left[first + $1]) } / 4)
            }
            func mirrored(_ rows: [UInt8], _ side: Int) -> [UInt8] {
                guard side > 0 else { return [] }
                return stride(from: 0, to: rows.count, by: side).flatMap { rows[$0..<($0 + side)].reversed() }
            }
            self.left = left
            right = mirrored(left, side)
            chromaLeft = chroma
            chromaRight = mirrored(chroma, half)
        }
    }

    private struct Key: Hashable { let radius: Int, width: Int }

    private let rasterizer: Rasterizer
    private var corners: [Key: Corner] = [:]
    private var row = [UInt8](repeating: 0, count: 512)

    init(rasterizer: Rasterizer) { self.rasterizer = rasterizer }

    /// The width that is really drawn: even, and no more than fits.
    static func width(_ width: Int, in rect: PixelRect) -> Int {
        min(max(2, width), min(rect.width, rect.height) / 2) & ~1
    }

    /// Draws a border; a rectangle that is not wholly inside the canvas gets none.
    ///
    /// - Parameters:
    ///   - canvas: the picture to draw on, in the program's colours.
    ///   - rect: its outer edge, made even.
    ///   - width: in pixels, made even.
    ///   - color: of the line.
    ///   - cornerRadius: of its outer edge, in pixels.
    func draw(on canvas: VideoFrame, in rect: PixelRect, width: Int, color: RGBColor, cornerRadius: Int) {
        let rect = rect.evened
        guard rect == rect.clipped(to: PixelRect(width: canvas.width, height: canvas.height)) else { return }
        let width = Self.width(width, in: rect), radius = Rasterizer.radius(cornerRadius, in: rect)
        guard width > 0 else { return }
        let key = Key(radius: radius, width: width), corner = corners[key] ?? Corner(radius: radius, width: width)
        if corners.count >= 64 { corners.removeAll() }
        corners[key] = corner
        let side = corner.side, across = rect.width - 2 * side, down = rect.height - 2 * side
        for y in [rect.y, rect.bottom - width] {
            rasterizer.fill(canvas, PixelRect(x: rect.x + side, y: y, width: across, height: width), color: color)
        }
        for x in [rect.x, rect.right - width] {
            rasterizer.fill(canvas, PixelRect(x: x, y: rect.y + side, width: width, height: down), color: color)
        }
        let (y, u, v) = color.program
        blend(corner.left, corner.right, side, y, canvas.y, canvas.lumaStride, rect)
        let half = PixelRect(x: rect.x / 2, y: rect.y / 2, width: rect.width / 2, height: rect.height / 2)
        blend(corner.chromaLeft, corner.chromaRight, side / 2, u, canvas.u, canvas.chromaStride, half)
        blend(corner.chromaLeft, corner.chromaRight, side / 2, v, canvas.v, canvas.chromaStride, half)
    }

    private func blend(
        _ left: [UInt8], _ right: [UInt8], _ side: Int, _ value: UInt8, _ plane: UnsafeMutablePointer<UInt8>,
        _ stride: Int, _ rect: PixelRect
    ) {
        guard side > 0 else { return }
        if row.count < side { row = [UInt8](repeating: 0, count: side) }
        for index in 0..<side { row[index] = value }
        row.withUnsafeBufferPointer { row in
            guard let row = row.baseAddress else { return }
            for (mask, x) in [(left, rect.x), (right, rect.right - side)] {
                mask.withUnsafeBufferPointer { mask in
                    guard let mask = mask.baseAddress else { return }
                    for line in 0..<side {
                        for y in [rect.y + line, rect.bottom - 1 - line] {
                            RowKernels.blend(row, mask: mask + line * side, onto: plane + y * stride + x, count: side)
                        }
                    }
                }
            }
        }
    }
}
