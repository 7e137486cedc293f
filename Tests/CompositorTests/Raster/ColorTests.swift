import Control
import Media
import Testing

@testable import Compositor

@Suite("Colour")
struct ColorTests {
    @Test("RGB becomes BT.709 limited as the standard's table says")
    func bars() {
        // 8-bit code values of 100 % bars in BT.709 (ITU-R BT.709-6 §3, rounded).
        let bars: [(String, UInt8, UInt8, UInt8)] = [
            ("#ffffff", 235, 128, 128), ("#ffff00", 219, 16, 138), ("#00ffff", 188, 154, 16), ("#00ff00", 173, 42, 26),
            ("#ff00ff", 78, 214, 230), ("#ff0000", 63, 102, 240), ("#0000ff", 32, 240, 118), ("#000000", 16, 128, 128),
        ]
        for (text, y, u, v) in bars {
            let code = RGBColor(text)?.program
            #expect(code.map { $0 == (y, u, v) } == true, "\(text): \(String(describing: code))")
            var bitmap = RGBABitmap(width: 4, height: 2)
            bitmap.fill(PixelRect(width: 4, height: 2), color: RGBColor(text)!)
            let frame = VideoFrame(bitmap)
            #expect(frame.y[1] == y && frame.u[1] == u && frame.v[0] == v, "\(text) as a bitmap")
        }
        #expect(RGBColor("#12345") == nil && RGBColor("123456") == nil && RGBColor("#12345g") == nil)
        #expect(RGBColor("#+12345") == nil)
        #expect(RGBColor("#0a0B0c")?.text == "#0a0b0c")
    }

    @Test("a picture that lets through is laid on white, however its colours are to be read")
    func paper() {
        for (alpha, level) in [(RGBABitmap.Alpha.straight, UInt8(100)), (.premultiplied, 50)] {
            var bitmap = RGBABitmap(width: 1, height: 1, alpha: alpha)
            bitmap.pixels = [level, level, level, 128]
            let paper = bitmap.onWhite()
            #expect(abs(Int(paper.pixels[0]) - 177) <= 1 && paper.pixels[3] == 255 && paper.isOpaque)
        }
    }

    @Test("what is left of a picture without its empty edges has its colours read as before")
    func trimmed() {
        var bitmap = RGBABitmap(width: 6, height: 6, alpha: .straight)
        // White that half lets through: premultiplied it would be more than its alpha, and wrap round to black.
        bitmap.pixels.replaceSubrange(4 * 14..<4 * 16, with: [255, 255, 255, 128, 255, 255, 255, 128])
        let (part, x, y) = bitmap.trimmed()
        #expect((x, y, part.width, part.height) == (2, 2, 2, 1))
        #expect(part.alpha == .straight && Array(part.premultiplied.pixels.prefix(4)) == [128, 128, 128, 128])
    }

    @Test("a camera in BT.601 shows the same colours in the program's BT.709", arguments: [false, true])
    func convert(isFullRange: Bool) {
        let from = ColorDescription(matrix: .bt601, isFullRange: isFullRange)
        let matrix = ColorMatrix.fromRGB(to: from)
        var random = SeededRandom(5)
        for _ in 0..<500 {
            let rgb = RGBColor(
                red: .random(in: 0...255, using: &random), green: .random(in: 0...255, using: &random),
                blue: .random(in: 0...255, using: &random))
            let code = matrix.apply(Double(rgb.red), Double(rgb.green), Double(rgb.blue)).map { UInt8($0.rounded()) }
            let source = Pictures.plain(16, 16, y: code[0], u: code[1], v: code[2])
            source.color = from
            let canvas = Pictures.plain(32, 32, y: 16)
            Rasterizer().draw(
                source, crop: PixelRect(width: 16, height: 16), on: canvas,
                in: PixelRect(x: 8, y: 8, width: 16, height: 16))
            let want = rgb.program, at = 10 * canvas.lumaStride + 10, c = 6 * canvas.chromaStride + 6
            #expect(abs(Int(canvas.y[at]) - Int(want.y)) <= 1, "luma of \(rgb.text)")
            #expect(abs(Int(canvas.u[c]) - Int(want.u)) <= 1, "blue of \(rgb.text)")
            #expect(abs(Int(canvas.v[c]) - Int(want.v)) <= 1, "red of \(rgb.text)")
            #expect(canvas.y[0] == 16 && canvas.u[0] == 128)
        }
    }

    @Test("converts rows of every width as floating point does", arguments: RowKernelTests.widths)
    func everyWidth(width: Int) {
        let width = (width + 1) & ~1
        for from in [
            .vp8, ColorDescription(matrix: .bt601, isFullRange: true), .init(matrix: .bt709, isFullRange: true),
        ] {
            let frame = Pictures.noise(width, 2, seed: UInt64(width)),
                before = Pictures.noise(width, 2, seed: UInt64(width))
            let converter = ColorConverter()
            // A wider one first: what it leaves in the scratch rows does not matter.
            converter.convert(
                Pictures.noise(width + 2, 2, seed: 1), in: PixelRect(width: width + 2, height: 2), from: .program,
                to: from)
            converter.convert(frame, in: PixelRect(width: width, height: 2), from: from, to: .program)
            let matrix = ColorMatrix.convert(from, to: .program)
            for x in 0..<width {
                let want = matrix.apply(Double(before.y[x]), Double(before.u[x / 2]), Double(before.v[x / 2]))
                    .map { min(255, max(0, $0)) }
                #expect(abs(Double(frame.y[x]) - want[0]) < 0.7)
                #expect(abs(Double(frame.u[x / 2]) - want[1]) < 0.6 && abs(Double(frame.v[x / 2]) - want[2]) < 0.6)
            }
        }
    }
}
