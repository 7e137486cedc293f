// Turns a rectangle of the canvas from one YCbCr into another, in place.

import Media

/// Converts planes in place with 12-bit integer coefficients; one per thread, because it owns scratch rows.
final class ColorConverter {
    private struct Key: Hashable {
        let from: ColorDescription, to: ColorDescription
    }

    /// Coefficients in 1/4096 around the neutral point, with the rounding inside the offsets.
    struct Coefficients {
        var yy: Int32, yu: Int32, yv: Int32, yOffset: Int32
        var uu: Int32, uv: Int32, vu: Int32, vv: Int32

        init(_ matrix: ColorMatrix) {
            func fixed(_ value: Double) -> Int32 { Int32((value * 4096).rounded()) }
            (yy, yu, yv) = (fixed(matrix.rows[0][0]), fixed(matrix.rows[0][1]), fixed(matrix.rows[0][2]))
            (uu, uv) = (fixed(matrix.rows[1][1]), fixed(matrix.rows[1][2]))
            (vu, vv) = (fixed(matrix.rows[2][1]), fixed(matrix.rows[2][2]))
            // Chroma is taken around 128, which maps to 128: grey has no chroma in any of the matrices.
            let centre = matrix.offset[0] + 128 * (matrix.rows[0][1] + matrix.rows[0][2])
            yOffset = fixed(centre) &+ 2048
        }
    }

    private var known: [Key: Coefficients] = [:]
    private var rows: UnsafeMutablePointer<Int32>
    private var rowCount = 0

    init() { rows = .allocate(capacity: 1) }

    deinit { rows.deallocate() }

    /// Converts an even rectangle of a frame, in place; does nothing when the descriptions are equal.
    func convert(_ frame: VideoFrame, in rect: PixelRect, from: ColorDescription, to: ColorDescription) {
        let rect = rect.clipped(to: PixelRect(width: frame.width, height: frame.height)).evened
        guard from != to, !rect.isEmpty else { return }
        let key = Key(from: from, to: to)
        let coefficients = known[key] ?? Coefficients(ColorMatrix.convert(from, to: to))
        known[key] = coefficients
        let half = rect.width / 2
        if rect.width > rowCount {
            rows.deallocate()
            rows = .allocate(capacity: rect.width)
            rowCount = rect.width
        }
        for line in 0..<(rect.height / 2) {
            let chroma = (rect.y / 2 + line) * frame.chromaStride + rect.x / 2
            Self.chromaRow(frame.u + chroma, frame.v + chroma, shift: rows, coefficients, count: half)
            for y in [rect.y + 2 * line, rect.y + 2 * line + 1] {
                Self.lumaRow(frame.y + y * frame.lumaStride + rect.x, shift: rows, coefficients, count: rect.width)
            }
        }
    }

    /// Converts a chroma row, and leaves what it adds to luma in `shift`, twice per chroma sample.
    @inline(never)
    static func chromaRow(
        _ u: UnsafeMutablePointer<UInt8>, _ v: UnsafeMutablePointer<UInt8>, shift: UnsafeMutablePointer<Int32>,
        _ c: Coefficients, count: Int
    ) {
        for x in 0..<count {
            let blue = Int32(truncatingIfNeeded: u[x]) &- 128, red = Int32(truncatingIfNeeded: v[x]) &- 128
            let luma = c.yu &* blue &+ c.yv &* red &+ c.yOffset
            shift[2 &* x] = luma
            shift[2 &* x &+ 1] = luma
            let newBlue = (c.uu &* blue &+ c.uv &* red &+ 2048) &>> 12 &+ 128
            let newRed = (c.vu &* blue &+ c.vv &* red &+ 2048) &>> 12 &+ 128
            u[x] = UInt8(truncatingIfNeeded: max(0, min(255, newBlue)))
            v[x] = UInt8(truncatingIfNeeded: max(0, min(255, newRed)))
        }
    }

    /// Converts a luma row by what its chroma adds.
    @inline(never)
    static func lumaRow(
        _ y: UnsafeMutablePointer<UInt8>, shift: UnsafePointer<Int32>, _ c: Coefficients, count: Int
    ) {
        for x in 0..<count {
            let value = (c.yy &* Int32(truncatingIfNeeded: y[x]) &+ shift[x]) &>> 12
            y[x] = UInt8(truncatingIfNeeded: max(0, min(255, value)))
        }
    }
}
