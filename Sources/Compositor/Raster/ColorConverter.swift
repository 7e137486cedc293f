// Turns a rectangle of the canvas from one YCbCr into another, in place.

import CRaster
import Media

/// Converts planes in place with integer coefficients; one per thread, because it owns a scratch row.
final class ColorConverter {
    private struct Key: Hashable {
        let from: ColorDescription, to: ColorDescription
    }

    private var known: [Key: proscenium_raster_color] = [:]
    /// What chroma adds to a row of luma.
    private var shift: UnsafeMutablePointer<Int16>
    private var capacity = 0

    init() { shift = .allocate(capacity: 1) }

    deinit { shift.deallocate() }

    private func reserve(_ count: Int) {
        guard count > capacity else { return }
        shift.deallocate()
        shift = .allocate(capacity: count)
        capacity = count
    }

    /// Converts an even rectangle of a frame, in place; does nothing when the descriptions are equal.
    func convert(_ frame: VideoFrame, in rect: PixelRect, from: ColorDescription, to: ColorDescription) {
        let rect = rect.clipped(to: PixelRect(width: frame.width, height: frame.height)).evened
        guard from != to, !rect.isEmpty else { return }
        let key = Key(from: from, to: to)
        var coefficients = known[key] ?? proscenium_raster_color(ColorMatrix.convert(from, to: to))
        known[key] = coefficients
        reserve(rect.width)
        for line in 0..<(rect.height / 2) {
            let at = (rect.y / 2 + line) * frame.chromaStride + rect.x / 2
            proscenium_raster_convert_chroma(frame.u + at, frame.v + at, &coefficients, shift, rect.width / 2)
            let y = frame.y + (rect.y + 2 * line) * frame.lumaStride + rect.x
            proscenium_raster_convert_luma(y, shift, &coefficients, rect.width)
            proscenium_raster_convert_luma(y + frame.lumaStride, shift, &coefficients, rect.width)
        }
    }
}

extension proscenium_raster_color {
    /// Coefficients in 1/8192, each held below 4, and an offset with the rounding inside.
    ///
    /// They are multiplied with samples times 128 or 256 and the upper halves of the products taken: one instruction for
    /// many samples, and still 1/16 or 1/32 of a code value.
    init(_ matrix: ColorMatrix) {
        func held(_ value: Double) -> Int16 { Int16(max(-32768, min(32767, value.rounded()))) }
        func fixed(_ row: Int, _ column: Int) -> Int16 { held(matrix.rows[row][column] * 8192) }
        // Chroma is taken around 128, which maps to 128: grey has no chroma in any of the matrices.
        // Two products, both rounded down by half a step on average, and half a code value: 1 + 16 of 32.
        let centre = matrix.offset[0] + 128 * (matrix.rows[0][1] + matrix.rows[0][2])
        self.init(
            yy: fixed(0, 0), yu: fixed(0, 1), yv: fixed(0, 2), y_offset: held(centre * 32 + 17), uu: fixed(1, 1),
            uv: fixed(1, 2), vu: fixed(2, 1), vv: fixed(2, 2))
    }
}
