// The same stage composed in floating point, and how far a picture is from it.

import Control
import Media

/// A plane of numbers.
struct FloatPlane {
    let width: Int, height: Int
    var values: [Float]

    init(width: Int, height: Int, repeating value: Float = 0) {
        (self.width, self.height) = (width, height)
        values = [Float](repeating: value, count: width * height)
    }

    /// A plane of bytes.
    init(_ bytes: UnsafePointer<UInt8>, stride: Int, width: Int, height: Int) {
        self.init(width: width, height: height)
        for y in 0..<height { for x in 0..<width { values[y * width + x] = Float(bytes[y * stride + x]) } }
    }

    /// Shrunk by area, or grown between pixel centres, in each axis.
    func scaled(width toWidth: Int, height toHeight: Int) -> FloatPlane {
        let across = Self.weights(width, toWidth), down = Self.weights(height, toHeight)
        var wide = FloatPlane(width: toWidth, height: height)
        for y in 0..<height {
            for x in 0..<toWidth {
                wide.values[y * toWidth + x] = across[x].reduce(0) { $0 + $1.weight * values[y * width + $1.index] }
            }
        }
        var result = FloatPlane(width: toWidth, height: toHeight)
        for y in 0..<toHeight {
            for tap in down[y] {
                for x in 0..<toWidth {
                    result.values[y * toWidth + x] += tap.weight * wide.values[tap.index * toWidth + x]
                }
            }
        }
        return result
    }

    private static func weights(_ source: Int, _ target: Int) -> [[(index: Int, weight: Float)]] {
        let ratio = Double(source) / Double(target)
        return (0..<target).map { x in
            if source < target {
                let place = min(max((Double(x) + 0.5) * ratio - 0.5, 0), Double(source - 1)), index = Int(place)
                let part = Float(place - Double(index))
                return [(index, 1 - part), (min(index + 1, source - 1), part)]
            }
            let from = Double(x) * ratio, to = from + ratio
            return (Int(from)..<min(source, Int(to.rounded(.up)))).map {
                ($0, Float((min(to, Double($0 + 1)) - max(from, Double($0))) / ratio))
            }
        }
    }

    /// The mean of 2×2.
    var halved: FloatPlane {
        var result = FloatPlane(width: width / 2, height: height / 2)
        for y in 0..<(height / 2) {
            for x in 0..<(width / 2) {
                let at = 2 * y * width + 2 * x
                result.values[y * (width / 2) + x] =
                    (values[at] + values[at + 1] + values[at + width] + values[at + width + 1]) / 4
            }
        }
        return result
    }

    /// Lays another plane over this one: `this · (1 − alpha) + other`, the other being multiplied already.
    mutating func lay(_ other: FloatPlane, alpha: FloatPlane? = nil, x left: Int, y top: Int) {
        for y in 0..<other.height {
            for x in 0..<other.width {
                let at = (top + y) * width + left + x, from = y * other.width + x
                values[at] = other.values[from] + values[at] * (1 - (alpha?.values[from] ?? 1))
            }
        }
    }
}

/// A picture in floating point, not rounded.
struct FloatPicture {
    var y: FloatPlane, u: FloatPlane, v: FloatPlane

    /// The stage with its cameras, read as BT.709 limited whatever they say.
    init(_ stills: BenchStage.Stills, cameras: [VideoFrame]) {
        let background = FloatRGBA(stills.background)
        (y, u, v) = (background.y, background.u.halved, background.v.halved)
        let place = BenchStage.slide, slide = FloatRGBA(stills.slide)
        y.lay(slide.y.scaled(width: place.width, height: place.height), x: place.x, y: place.y)
        u.lay(slide.u.scaled(width: place.width, height: place.height).halved, x: place.x / 2, y: place.y / 2)
        v.lay(slide.v.scaled(width: place.width, height: place.height).halved, x: place.x / 2, y: place.y / 2)
        for (frame, rect) in zip(cameras, BenchStage.cameras) {
            func plane(_ bytes: UnsafePointer<UInt8>, _ stride: Int, _ half: Int) -> FloatPlane {
                FloatPlane(bytes, stride: stride, width: frame.width / half, height: frame.height / half)
                    .scaled(width: rect.width / half, height: rect.height / half)
            }
            y.lay(plane(frame.y, frame.lumaStride, 1), x: rect.x, y: rect.y)
            u.lay(plane(frame.u, frame.chromaStride, 2), x: rect.x / 2, y: rect.y / 2)
            v.lay(plane(frame.v, frame.chromaStride, 2), x: rect.x / 2, y: rect.y / 2)
        }
        let third = FloatRGBA(stills.lowerThird), at = BenchStage.lowerThird
        y.lay(third.y, alpha: third.alpha, x: at.x, y: at.y)
        u.lay(third.u.halved, alpha: third.alpha.halved, x: at.x / 2, y: at.y / 2)
        v.lay(third.v.halved, alpha: third.alpha.halved, x: at.x / 2, y: at.y / 2)
    }

    /// Reads I420 without padding.
    init(i420 bytes: UnsafeBufferPointer<UInt8>, _ size: PixelSize) {
        let luma = size.width * size.height
        guard let start = bytes.baseAddress, bytes.count >= luma * 3 / 2 else {
            y = FloatPlane(width: size.width, height: size.height)
            u = FloatPlane(width: size.width / 2, height: size.height / 2)
            v = u
            return
        }
        y = FloatPlane(start, stride: size.width, width: size.width, height: size.height)
        u = FloatPlane(start + luma, stride: size.width / 2, width: size.width / 2, height: size.height / 2)
        v = FloatPlane(start + luma * 5 / 4, stride: size.width / 2, width: size.width / 2, height: size.height / 2)
    }

    /// Structural similarity of all planes, luma counting four times; 8×8 windows, four pixels apart (Wang et al., 2004).
    func similarity(to other: FloatPicture) -> Double {
        (4 * Self.similarity(y, other.y) + Self.similarity(u, other.u) + Self.similarity(v, other.v)) / 6
    }

    private static func similarity(_ a: FloatPlane, _ b: FloatPlane) -> Double {
        let c1 = 6.5025, c2 = 58.5225
        var sum = 0.0, count = 0.0
        for top in stride(from: 0, through: a.height - 8, by: 4) {
            for left in stride(from: 0, through: a.width - 8, by: 4) {
                var sa = 0.0, sb = 0.0, saa = 0.0, sbb = 0.0, sab = 0.0
                for y in top..<(top + 8) {
                    for x in left..<(left + 8) {
                        let p = Double(a.values[y * a.width + x]), q = Double(b.values[y * a.width + x])
                        sa += p
                        sb += q
                        saa += p * p
                        sbb += q * q
                        sab += p * q
                    }
                }
                let ma = sa / 64, mb = sb / 64
                let va = saa / 64 - ma * ma, vb = sbb / 64 - mb * mb, cross = sab / 64 - ma * mb
                sum += (2 * ma * mb + c1) * (2 * cross + c2) / ((ma * ma + mb * mb + c1) * (va + vb + c2))
                count += 1
            }
        }
        return sum / count
    }

    /// The 16×16 block of luma whose mean difference is the largest.
    func worstBlock(_ other: FloatPicture) -> (difference: Double, x: Int, y: Int) {
        var worst = (difference: 0.0, x: 0, y: 0)
        for top in stride(from: 0, to: y.height, by: 16) {
            for left in stride(from: 0, to: y.width, by: 16) {
                let width = min(16, y.width - left), height = min(16, y.height - top)
                var sum = 0.0
                for row in top..<(top + height) {
                    for x in left..<(left + width) {
                        sum += Double(abs(y.values[row * y.width + x] - other.y.values[row * y.width + x]))
                    }
                }
                let mean = sum / Double(width * height)
                if mean > worst.difference { worst = (mean, left, top) }
            }
        }
        return worst
    }
}

/// A bitmap as multiplied Y′CbCr with alpha in 0…1, every plane at full size.
private struct FloatRGBA {
    var y: FloatPlane, u: FloatPlane, v: FloatPlane, alpha: FloatPlane

    init(_ bitmap: RGBABitmap) {
        alpha = FloatPlane(width: bitmap.width, height: bitmap.height)
        (y, u, v) = (alpha, alpha, alpha)
        let matrix = ColorMatrix.fromRGB(to: .program)
        for at in 0..<(bitmap.width * bitmap.height) {
            let p = bitmap.pixels[(4 * at)..<(4 * at + 4)].map(Double.init)
            let cover = p[3] / 255, scale = bitmap.alpha == .straight || cover == 0 ? 1 : 1 / cover
            let code = matrix.apply(p[0] * scale, p[1] * scale, p[2] * scale)
            alpha.values[at] = Float(cover)
            y.values[at] = Float(code[0] * cover)
            u.values[at] = Float(code[1] * cover)
            v.values[at] = Float(code[2] * cover)
        }
    }
}
