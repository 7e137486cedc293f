// The arithmetic between RGB, BT.601 and BT.709, as matrices.

import Control
import Media

/// An affine map of three channels: `out = matrix · in + offset`, all in code values of 0…255.
struct ColorMatrix: Equatable {
    /// Row by row.
    var rows: [[Double]]
    var offset: [Double]

    /// The map from full-range RGB to YCbCr of a description (BT.601 and BT.709, §3 of each; code values of 8 bits).
    static func fromRGB(to color: ColorDescription) -> ColorMatrix {
        let (kr, kb) = color.matrix == .bt709 ? (0.2126, 0.0722) : (0.299, 0.114)
        let kg = 1 - kr - kb
        let (lumaScale, chromaScale, black) = color.isFullRange ? (1.0, 1.0, 0.0) : (219.0 / 255, 224.0 / 255, 16.0)
        let blue = chromaScale / (2 * (1 - kb)), red = chromaScale / (2 * (1 - kr))
        return ColorMatrix(
            rows: [
                [kr * lumaScale, kg * lumaScale, kb * lumaScale],
                [-kr * blue, -kg * blue, (1 - kb) * blue],
                [(1 - kr) * red, -kg * red, -kb * red],
            ], offset: [black, 128, 128])
    }

    /// The map from YCbCr of one description to YCbCr of another.
    static func convert(_ from: ColorDescription, to: ColorDescription) -> ColorMatrix {
        fromRGB(to: to).after(fromRGB(to: from).inverse)
    }

    /// This map after another one.
    func after(_ first: ColorMatrix) -> ColorMatrix {
        var result = ColorMatrix(rows: [], offset: [])
        for row in rows {
            result.rows.append((0..<3).map { column in (0..<3).reduce(0) { $0 + row[$1] * first.rows[$1][column] } })
        }
        result.offset = apply(first.offset[0], first.offset[1], first.offset[2])
        return result
    }

    /// The result for one colour, not rounded.
    func apply(_ a: Double, _ b: Double, _ c: Double) -> [Double] {
        (0..<3).map { rows[$0][0] * a + rows[$0][1] * b + rows[$0][2] * c + offset[$0] }
    }

    /// The map back.
    var inverse: ColorMatrix {
        func minor(_ r: Int, _ c: Int) -> Double {
            let r1 = (r + 1) % 3, r2 = (r + 2) % 3, c1 = (c + 1) % 3, c2 = (c + 2) % 3
            return rows[r1][c1] * rows[r2][c2] - rows[r1][c2] * rows[r2][c1]
        }
        let determinant = (0..<3).reduce(0) { $0 + rows[0][$1] * minor(0, $1) }
        var result = ColorMatrix(
            rows: (0..<3).map { r in (0..<3).map { c in minor(c, r) / determinant } }, offset: [0, 0, 0])
        result.offset = result.apply(offset[0], offset[1], offset[2]).map { -$0 }
        return result
    }
}

extension RGBColor {
    /// The colour in the program's code values, BT.709 limited.
    var program: (y: UInt8, u: UInt8, v: UInt8) {
        let value = ColorMatrix.fromRGB(to: .program).apply(Double(red), Double(green), Double(blue))
        func code(_ value: Double) -> UInt8 { UInt8(min(255, max(0, value.rounded()))) }
        return (code(value[0]), code(value[1]), code(value[2]))
    }
}
