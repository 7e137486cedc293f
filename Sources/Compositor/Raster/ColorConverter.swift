// Turns a rectangle of the canvas from one YCbCr into another, in place.

import Media

/// Converts planes in place with 12-bit integer coefficients; one per thread, because it owns scratch rows.
final class ColorConverter {
    private struct Key: Hashable {
        let from: ColorDescription, to: ColorDescription
    }

    /// Coefficients in 1/8192, each below 4, and an offset with the rounding inside.
    ///
    /// They are multiplied with samples times 128 or 256 and the upper halves of the products taken: one instruction for
    /// many samples, and still 1/16 or 1/32 of a code value.
    struct Coefficients {
        var yy: Int16, yu: Int16, yv: Int16, yOffset: Int16
        var uu: Int16, uv: Int16, vu: Int16, vv: Int16
        /// Whether luma is only shifted by what chroma adds.
        var keepsLuma: Bool

        init(_ matrix: ColorMatrix) {
            func fixed(_ value: Double) -> Int16 { Int16(max(-32768, min(32767, (value * 8192).rounded()))) }
            (yy, yu, yv) = (fixed(matrix.rows[0][0]), fixed(matrix.rows[0][1]), fixed(matrix.rows[0][2]))
            (uu, uv) = (fixed(matrix.rows[1][1]), fixed(matrix.rows[1][2]))
            (vu, vv) = (fixed(matrix.rows[2][1]), fixed(matrix.rows[2][2]))
            keepsLuma = yy == 8192
            // Chroma is taken around 128, which maps to 128: grey has no chroma in any of the matrices.
            // Two products, both rounded down by half a step on average, and half a code value: 1 + 16 of 32.
            let centre = matrix.offset[0] + 128 * (matrix.rows[0][1] + matrix.rows[0][2])
            yOffset = Int16((centre * 32).rounded()) &+ 17
        }
    }

    private var known: [Key: Coefficients] = [:]
    /// What chroma adds to a row of luma, then the seven coefficients, each along a whole row.
    private var words: UnsafeMutablePointer<Int16>
    /// Two rows of chroma.
    private var chroma: UnsafeMutablePointer<UInt8>
    private var capacity = 0

    init() {
        words = .allocate(capacity: 1)
        chroma = .allocate(capacity: 1)
    }

    deinit {
        words.deallocate()
        chroma.deallocate()
    }

    private func reserve(_ count: Int) {
        guard count > capacity else { return }
        words.deallocate()
        chroma.deallocate()
        words = .allocate(capacity: 8 * count)
        chroma = .allocate(capacity: 2 * count)
        capacity = count
    }

    /// A coefficient along a row: as a loop's constant it would be widened before the loop, and products of 32 bits made.
    private func row(_ index: Int, of value: Int16, count: Int) -> UnsafePointer<Int16> {
        let row = words + index * capacity
        row.update(repeating: value, count: count)
        return UnsafePointer(row)
    }

    /// Converts an even rectangle of a frame, in place; does nothing when the descriptions are equal.
    func convert(_ frame: VideoFrame, in rect: PixelRect, from: ColorDescription, to: ColorDescription) {
        let rect = rect.clipped(to: PixelRect(width: frame.width, height: frame.height)).evened
        guard from != to, !rect.isEmpty else { return }
        let key = Key(from: from, to: to)
        let coefficients = known[key] ?? Coefficients(ColorMatrix.convert(from, to: to))
        known[key] = coefficients
        let half = rect.width / 2
        reserve(rect.width)
        let c = coefficients, shift = words, blue = chroma, red = chroma + capacity
        let luma = row(1, of: c.yy, count: rect.width)
        let forShift = (row(2, of: c.yu, count: half), row(3, of: c.yv, count: half))
        let forBlue = (row(4, of: c.uu, count: half), row(5, of: c.uv, count: half))
        let forRed = (row(6, of: c.vu, count: half), row(7, of: c.vv, count: half))
        for line in 0..<(rect.height / 2) {
            let at = (rect.y / 2 + line) * frame.chromaStride + rect.x / 2
            let u = frame.u + at, v = frame.v + at
            Self.shiftRow(u, v, forShift.0, forShift.1, offset: c.yOffset, into: shift, count: half)
            Self.chromaRow(u, v, forBlue.0, forBlue.1, into: blue, count: half)
            Self.chromaRow(u, v, forRed.0, forRed.1, into: red, count: half)
            u.update(from: blue, count: half)
            v.update(from: red, count: half)
            var y = frame.y + (rect.y + 2 * line) * frame.lumaStride + rect.x
            for _ in 0..<2 {
                if c.keepsLuma {
                    Self.lumaRow(y, shift: shift, count: rect.width)
                } else {
                    Self.lumaRow(y, shift: shift, luma, count: rect.width)
                }
                y += frame.lumaStride
            }
        }
    }

    /// What two chroma rows add to luma, twice per sample, in 1/32.
    @inline(never)
    static func shiftRow(
        _ u: UnsafePointer<UInt8>, _ v: UnsafePointer<UInt8>, _ first: UnsafePointer<Int16>,
        _ second: UnsafePointer<Int16>, offset: Int16, into shift: UnsafeMutablePointer<Int16>, count: Int
    ) {
        shift.withMemoryRebound(to: UInt32.self, capacity: count) { pairs in
            for x in 0..<count {
                let luma = upper(centred(u[x]), first[x]) &+ upper(centred(v[x]), second[x]) &+ offset
                let bits = UInt32(UInt16(bitPattern: luma))
                pairs[x] = bits | bits &<< 16
            }
        }
    }

    /// One chroma row of the result; into memory of its own, because each needs both rows of the source.
    @inline(never)
    static func chromaRow(
        _ u: UnsafePointer<UInt8>, _ v: UnsafePointer<UInt8>, _ first: UnsafePointer<Int16>,
        _ second: UnsafePointer<Int16>, into target: UnsafeMutablePointer<UInt8>, count: Int
    ) {
        for x in 0..<count {
            let sum = upper(centred(u[x]), first[x]) &+ upper(centred(v[x]), second[x])
            let value = (sum &+ 17) &>> 5 &+ 128
            target[x] = UInt8(truncatingIfNeeded: max(0, min(255, value)))
        }
    }

    /// Converts a luma row whose own coefficient is 1.
    @inline(never)
    static func lumaRow(_ y: UnsafeMutablePointer<UInt8>, shift: UnsafePointer<Int16>, count: Int) {
        for x in 0..<count {
            let value = Int16(truncatingIfNeeded: y[x]) &+ shift[x] &>> 5
            y[x] = UInt8(truncatingIfNeeded: max(0, min(255, value)))
        }
    }

    /// Converts a luma row; at half the precision, because luma has no sign to lose.
    @inline(never)
    static func lumaRow(
        _ y: UnsafeMutablePointer<UInt8>, shift: UnsafePointer<Int16>, _ factor: UnsafePointer<Int16>, count: Int
    ) {
        for x in 0..<count {
            let value = upper(Int16(truncatingIfNeeded: y[x]) &<< 7, factor[x]) &+ (shift[x] &+ 1) &>> 1
            y[x] = UInt8(truncatingIfNeeded: max(0, min(255, value &>> 4)))
        }
    }

    @inline(__always)
    private static func centred(_ chroma: UInt8) -> Int16 { (Int16(truncatingIfNeeded: chroma) &- 128) &<< 8 }

    /// The upper half of a product of 32 bits.
    @inline(__always)
    private static func upper(_ a: Int16, _ b: Int16) -> Int16 {
        Int16(truncatingIfNeeded: (Int32(a) &* Int32(b)) &>> 16)
    }
}
