// A picture in RGBA that says what its alpha means: what text and panels are drawn on, and what PNG and JPEG become.

import Control
public import Media

/// A picture in full-range RGBA, 8 bits per channel.
public struct RGBABitmap: Sendable, Equatable {
    /// Whether colours are already multiplied with alpha.
    public enum Alpha: Sendable, Hashable { case premultiplied, straight }

    /// How the colours are to be read; what draws on a picture, or draws it, makes it premultiplied first.
    public private(set) var alpha: Alpha
    /// The size in pixels.
    public let width: Int, height: Int
    /// Row by row, `width * 4` bytes each: red, green, blue, alpha.
    public var pixels: [UInt8]

    /// Creates a transparent picture; sizes are held within 1…8192.
    ///
    /// - Parameters:
    ///   - width: in pixels.
    ///   - height: in pixels.
    ///   - alpha: what will be written into it.
    public init(width: Int, height: Int, alpha: Alpha = .premultiplied) {
        self.alpha = alpha
        self.width = min(max(1, width), 8192)
        self.height = min(max(1, height), 8192)
        pixels = [UInt8](repeating: 0, count: self.width * self.height * 4)
    }

    /// Whether no pixel lets anything through.
    public var isOpaque: Bool {
        pixels.withUnsafeBufferPointer { bytes in
            var alpha: UInt8 = 255
            for at in stride(from: 3, to: bytes.count, by: 4) { alpha &= bytes[at] }
            return alpha == 255
        }
    }

    /// The same picture with colours that are multiplied with alpha.
    public var premultiplied: RGBABitmap {
        guard alpha == .straight else { return self }
        var result = self
        result.alpha = .premultiplied
        result.pixels.withUnsafeMutableBufferPointer { pixels in
            for at in stride(from: 0, to: pixels.count - 3, by: 4) where pixels[at + 3] != 255 {
                let cover = UInt16(pixels[at + 3])
                for channel in at..<(at + 3) { pixels[channel] = Self.product(UInt16(pixels[channel]), cover) }
            }
        }
        return result
    }

    /// Lays one pixel over what is there.
    ///
    /// - Parameters:
    ///   - x: column; outside the picture nothing happens.
    ///   - y: row.
    ///   - color: the colour, not premultiplied.
    ///   - coverage: how much of it, 0…255.
    mutating func over(x: Int, y: Int, color: RGBColor, coverage: UInt8) {
        let c = UInt16(coverage)
        over(
            x: x, y: y, red: Self.product(UInt16(color.red), c), green: Self.product(UInt16(color.green), c),
            blue: Self.product(UInt16(color.blue), c), alpha: coverage)
    }

    /// Lays one premultiplied pixel over what is there.
    mutating func over(x: Int, y: Int, red: UInt8, green: UInt8, blue: UInt8, alpha: UInt8) {
        guard alpha > 0, x >= 0, y >= 0, x < width, y < height else { return }
        if self.alpha == .straight { self = premultiplied }
        let at = (y * width + x) * 4, rest = 255 - UInt16(alpha)
        pixels[at] = red &+ Self.product(UInt16(pixels[at]), rest)
        pixels[at + 1] = green &+ Self.product(UInt16(pixels[at + 1]), rest)
        pixels[at + 2] = blue &+ Self.product(UInt16(pixels[at + 2]), rest)
        pixels[at + 3] = alpha &+ Self.product(UInt16(pixels[at + 3]), rest)
    }

    /// Fills a rectangle with rounded corners, laid over what is there.
    ///
    /// - Parameters:
    ///   - rect: where.
    ///   - radius: of the corners, in pixels.
    ///   - color: the colour, not premultiplied.
    ///   - alpha: how opaque, 0…255.
    mutating func fill(_ rect: PixelRect, radius: Int = 0, color: RGBColor, alpha: UInt8 = 255) {
        let inside = rect.clipped(to: PixelRect(width: width, height: height))
        let radius = min(max(0, radius), min(rect.width, rect.height) / 2)
        let corner = CornerMask(radius: radius)
        for y in inside.y..<inside.bottom {
            let edgeY = min(y - rect.y, rect.bottom - 1 - y)
            for x in inside.x..<inside.right {
                let edgeX = min(x - rect.x, rect.right - 1 - x)
                let cover = edgeX < radius && edgeY < radius ? corner.coverage[edgeY * radius + edgeX] : 255
                over(x: x, y: y, color: color, coverage: Self.product(UInt16(alpha), UInt16(cover)))
            }
        }
    }

    /// The picture in another size: each pixel is the mean of the area that it covers.
    ///
    /// Of premultiplied colours, so that transparent pixels weigh nothing.
    func scaled(width: Int, height: Int) -> RGBABitmap {
        guard alpha == .premultiplied else { return premultiplied.scaled(width: width, height: height) }
        var result = RGBABitmap(width: width, height: height)
        let stepX = Double(self.width) / Double(result.width), stepY = Double(self.height) / Double(result.height)
        for row in 0..<result.height {
            let top = Double(row) * stepY, bottom = min(Double(self.height), top + stepY)
            for column in 0..<result.width {
                let left = Double(column) * stepX, right = min(Double(self.width), left + stepX)
                var sum = (0.0, 0.0, 0.0, 0.0), area = 0.0
                for y in Int(top)..<max(Int(top) + 1, min(self.height, Int(bottom.rounded(.up)))) {
                    let high = min(bottom, Double(y + 1)) - max(top, Double(y))
                    for x in Int(left)..<max(Int(left) + 1, min(self.width, Int(right.rounded(.up)))) {
                        let part = high * (min(right, Double(x + 1)) - max(left, Double(x)))
                        let at = (min(y, self.height - 1) * self.width + min(x, self.width - 1)) * 4
                        sum.0 += part * Double(pixels[at])
                        sum.1 += part * Double(pixels[at + 1])
                        sum.2 += part * Double(pixels[at + 2])
                        sum.3 += part * Double(pixels[at + 3])
                        area += part
                    }
                }
                func mean(_ value: Double) -> UInt8 { UInt8(max(0, min(255, (value / max(area, 1e-9)).rounded()))) }
                let at = (row * result.width + column) * 4
                result.pixels[at] = mean(sum.0)
                result.pixels[at + 1] = mean(sum.1)
                result.pixels[at + 2] = mean(sum.2)
                result.pixels[at + 3] = mean(sum.3)
            }
        }
        return result
    }

    /// `a · b / 255`, rounded; exact for 0 and 255.
    static func product(_ a: UInt16, _ b: UInt16) -> UInt8 {
        let t = a &* b &+ 128
        return UInt8(truncatingIfNeeded: (t &+ (t &>> 8)) &>> 8)
    }
}

extension VideoFrame {
    /// Converts a picture to an opaque one in the program's I420; transparency shows black, an odd edge is repeated.
    public convenience init(_ bitmap: RGBABitmap) {
        self.init(width: bitmap.width, height: bitmap.height)
        let overlay = OverlayPlanes(bitmap)
        let black = RGBColor(red: 0, green: 0, blue: 0).program
        fill(y: black.y, u: black.u, v: black.v)
        for row in 0..<height {
            RowKernels.over(
                overlay.y + row * overlay.width, alpha: overlay.a + row * overlay.width, onto: y + row * lumaStride,
                count: width)
        }
        for row in 0..<(height / 2) {
            let at = row * overlay.width / 2
            RowKernels.over(
                overlay.u + at, alpha: overlay.chromaAlpha + at, onto: u + row * chromaStride, count: width / 2)
            RowKernels.over(
                overlay.v + at, alpha: overlay.chromaAlpha + at, onto: v + row * chromaStride, count: width / 2)
        }
    }
}
