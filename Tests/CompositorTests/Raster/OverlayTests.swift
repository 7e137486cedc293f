import Control
import Media
import Testing

@testable import Compositor

@Suite("Overlays and corners")
struct OverlayTests {
    @Test("half-transparent white lies half-way, and an empty overlay costs nothing")
    func alpha() {
        var bitmap = RGBABitmap(width: 64, height: 32)
        bitmap.fill(PixelRect(x: 16, y: 8, width: 32, height: 16), color: RGBColor("#ffffff")!, alpha: 128)
        let canvas = Pictures.plain(128, 64, y: 64)
        let overlay = Overlay(bitmap)
        overlay.draw(on: canvas, x: 10, y: 6)
        #expect(overlay.drawnPixels == 32 * 16)
        // 235 · 128/255 + 64 · 127/255 = 149.8
        #expect(canvas.y[20 * canvas.lumaStride + 40] == 150)
        #expect(canvas.y[13 * canvas.lumaStride + 40] == 64 && canvas.y[20 * canvas.lumaStride + 25] == 64)
        #expect(Overlay(RGBABitmap(width: 1920, height: 1080)).drawnPixels == 0)
    }

    @Test("agrees with floating point blending per pixel, at any place and opacity")
    func reference() {
        var random = SeededRandom(11)
        for _ in 0..<40 {
            var bitmap = RGBABitmap(
                width: .random(in: 1...70, using: &random), height: .random(in: 1...20, using: &random))
            for _ in 0..<6 {
                bitmap.fill(
                    PixelRect(
                        x: .random(in: -5...60, using: &random), y: .random(in: -5...15, using: &random),
                        width: .random(in: 1...50, using: &random), height: .random(in: 1...12, using: &random)),
                    radius: .random(in: 0...6, using: &random),
                    color: RGBColor(
                        red: .random(in: 0...255, using: &random), green: .random(in: 0...255, using: &random),
                        blue: .random(in: 0...255, using: &random)),
                    alpha: .random(in: 0...255, using: &random))
            }
            let opacity: UInt8 = [255, 255, 130].randomElement(using: &random)!
            let x = Int.random(in: -30...80, using: &random) & ~1, y = Int.random(in: -10...50, using: &random) & ~1
            let seed = random.next()
            let canvas = Pictures.noise(96, 64, seed: seed), before = Pictures.noise(96, 64, seed: seed)
            Overlay(bitmap).draw(on: canvas, x: x, y: y, opacity: opacity)
            let matrix = ColorMatrix.fromRGB(to: .program), o = Double(opacity) / 255
            for row in 0..<64 {
                for column in 0..<96 {
                    let bx = column - x, by = row - y
                    var want = Double(before.y[row * before.lumaStride + column])
                    if bx >= 0, by >= 0, bx < bitmap.width, by < bitmap.height {
                        let p = (by * bitmap.width + bx) * 4, c = bitmap.pixels[p..<(p + 4)].map(Double.init)
                        let luma =
                            c[0] * matrix.rows[0][0] + c[1] * matrix.rows[0][1] + c[2] * matrix.rows[0][2] + 16 * c[3]
                            / 255
                        want = luma * o + want * (1 - c[3] / 255 * o)
                    } else if bx == bitmap.width || by == bitmap.height {
                        continue  // the repeated edge of an odd size
                    }
                    #expect(
                        abs(Double(canvas.y[row * canvas.lumaStride + column]) - want) <= (opacity == 255 ? 1.01 : 1.6))
                }
            }
        }
    }

    @Test("stays inside a clip, and inside the canvas, from any place")
    func clip() {
        var bitmap = RGBABitmap(width: 40, height: 40)
        bitmap.fill(PixelRect(width: 40, height: 40), color: RGBColor("#ffffff")!)
        for (x, y) in [(-20, -20), (100, 50), (-100, 0), (0, 200), (50, 20)] {
            let canvas = Pictures.plain(128, 64, y: 16)
            let clip = PixelRect(x: 48, y: 24, width: 16, height: 16)
            Overlay(bitmap).draw(on: canvas, x: x, y: y, clip: clip)
            for row in 0..<64 {
                for column in 0..<128 where canvas.y[row * canvas.lumaStride + column] != 16 {
                    #expect(column >= 48 && column < 64 && row >= 24 && row < 40)
                }
            }
            Overlay(bitmap).draw(on: canvas, x: x, y: y)
        }
    }

    @Test("a rounded tile shows in its corners what was there before, whatever that is", arguments: [2, 8, 22, 64])
    func corners(radius: Int) {
        let canvas = Pictures.noise(256, 256, seed: 3), before = Pictures.noise(256, 256, seed: 3)
        let rect = PixelRect(x: 32, y: 64, width: 160, height: 128)
        Rasterizer().draw(
            Pictures.plain(320, 256, y: 200, u: 90, v: 60), crop: PixelRect(width: 320, height: 256), on: canvas,
            in: rect,
            cornerRadius: radius)
        for row in 0..<256 {
            for column in 0..<256 {
                let now = Int(canvas.y[row * canvas.lumaStride + column])
                let old = Int(before.y[row * before.lumaStride + column])
                // The distance of the pixel centre from the rounded shape, inside negative.
                let dx = max(
                    Double(rect.x + radius) - Double(column) - 0.5, Double(column) + 0.5 - Double(rect.right - radius),
                    0)
                let dy = max(
                    Double(rect.y + radius) - Double(row) - 0.5, Double(row) + 0.5 - Double(rect.bottom - radius), 0)
                let distance = (dx * dx + dy * dy).squareRoot() - Double(radius)
                if distance > 0.75 { #expect(now == old, "outside at \(column), \(row)") }
                if distance < -0.75 { #expect(now == 200, "inside at \(column), \(row)") }
                if now < min(old, 200) - 1 || now > max(old, 200) + 1 {
                    Issue.record("not between at \(column), \(row)")
                }
            }
        }
        // Chroma follows: the middle is the tile's, the outermost corner is the old one.
        #expect(canvas.u[64 * canvas.chromaStride + 50] == 90)
        if radius >= 8 {
            #expect(canvas.u[32 * canvas.chromaStride + 16] == before.u[32 * before.chromaStride + 16])
        }
    }

    @Test("a tile that would lie outside the canvas is not drawn, a crop outside the source is held inside")
    func bounds() {
        let canvas = Pictures.plain(64, 64, y: 16), source = Pictures.plain(32, 32, y: 99)
        let rasterizer = Rasterizer()
        rasterizer.draw(
            source, crop: PixelRect(width: 32, height: 32), on: canvas,
            in: PixelRect(x: 50, y: 0, width: 20, height: 20))
        #expect(canvas.y[52] == 16)
        rasterizer.draw(
            source, crop: PixelRect(x: 20, y: -8, width: 900, height: 900), on: canvas,
            in: PixelRect(width: 64, height: 64))
        #expect(canvas.y[0] == 99 && canvas.y[63 * canvas.lumaStride + 63] == 99)
        rasterizer.draw(
            source, crop: PixelRect(x: 40, y: 40, width: 4, height: 4), on: canvas, in: PixelRect(width: 64, height: 64)
        )
    }
}
