// RGBA turned into premultiplied Y′CbCr with an alpha plane for luma and one for chroma.

import Media

/// Four planes of an overlay: premultiplied, BT.709 limited, chroma and its alpha at half the size.
///
/// Code values may be premultiplied although black is 16 and grey 128, because blending is affine: the offset is
/// premultiplied like the rest. Chroma is the mean of 2×2 premultiplied pixels, so that transparent ones weigh nothing.
final class OverlayPlanes: @unchecked Sendable {
    /// Even size.
    let width: Int, height: Int
    let y: UnsafeMutablePointer<UInt8>, a: UnsafeMutablePointer<UInt8>
    let u: UnsafeMutablePointer<UInt8>, v: UnsafeMutablePointer<UInt8>, chromaAlpha: UnsafeMutablePointer<UInt8>

    init(_ bitmap: RGBABitmap) {
        let bitmap = bitmap.premultiplied
        width = (bitmap.width + 1) & ~1
        height = (bitmap.height + 1) & ~1
        let luma = width * height, chroma = luma / 4
        let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: 2 * luma + 3 * chroma + 64)
        memory.initialize(repeating: 0, count: 2 * luma + 3 * chroma + 64)
        y = memory
        a = memory + luma
        u = memory + 2 * luma
        v = u + chroma
        chromaAlpha = v + chroma
        // An odd edge of a picture is repeated, so that a background of odd size has no dark line.
        let matrix = FixedMatrix(ColorMatrix.fromRGB(to: .program))
        bitmap.pixels.withUnsafeBufferPointer { pixels in
            func at(_ x: Int, _ y: Int) -> Int {
                (min(y, bitmap.height - 1) * bitmap.width + min(x, bitmap.width - 1)) * 4
            }
            for row in 0..<height {
                for column in 0..<width {
                    let p = at(column, row), alpha = Int32(pixels[p + 3])
                    y[row * width + column] = matrix.value(
                        0, Int32(pixels[p]), Int32(pixels[p + 1]), Int32(pixels[p + 2]), alpha, samples: 1)
                    a[row * width + column] = UInt8(truncatingIfNeeded: alpha)
                }
            }
            for row in 0..<(height / 2) {
                for column in 0..<(width / 2) {
                    var sum: (Int32, Int32, Int32, Int32) = (0, 0, 0, 0)
                    for p in [
                        at(2 * column, 2 * row), at(2 * column + 1, 2 * row), at(2 * column, 2 * row + 1),
                        at(2 * column + 1, 2 * row + 1),
                    ] {
                        sum.0 += Int32(pixels[p])
                        sum.1 += Int32(pixels[p + 1])
                        sum.2 += Int32(pixels[p + 2])
                        sum.3 += Int32(pixels[p + 3])
                    }
                    let out = row * width / 2 + column
                    u[out] = matrix.value(1, sum.0, sum.1, sum.2, sum.3, samples: 4)
                    v[out] = matrix.value(2, sum.0, sum.1, sum.2, sum.3, samples: 4)
                    chromaAlpha[out] = UInt8(truncatingIfNeeded: (sum.3 + 2) / 4)
                }
            }
        }
    }

    deinit { y.deallocate() }
}

/// RGB to YCbCr in 16-bit fixed point, for premultiplied input.
struct FixedMatrix {
    private var rows: [(Int32, Int32, Int32, Int32)]

    init(_ matrix: ColorMatrix) {
        func fixed(_ value: Double) -> Int32 { Int32((value * 65536).rounded()) }
        rows = (0..<3).map { row in
            let r = matrix.rows[row]
            return (fixed(r[0]), fixed(r[1]), fixed(r[2]), fixed(matrix.offset[row] / 255))
        }
    }

    /// One channel of a sum of `samples` (1 or 4) premultiplied pixels, as their mean.
    func value(_ row: Int, _ r: Int32, _ g: Int32, _ b: Int32, _ a: Int32, samples: Int32) -> UInt8 {
        let m = rows[row]
        let sum = m.0 &* r &+ m.1 &* g &+ m.2 &* b &+ m.3 &* a
        let shift: Int32 = samples == 4 ? 18 : 16
        return UInt8(truncatingIfNeeded: max(0, min(255, (sum &+ (1 &<< (shift &- 1))) &>> shift)))
    }
}
