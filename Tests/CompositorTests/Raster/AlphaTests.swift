import Control
import Foundation
import Media
import Testing

@testable import Compositor

@Suite("What alpha means")
struct AlphaTests {
    private func straight(_ size: Int, white alpha: UInt8) -> RGBABitmap {
        var bitmap = RGBABitmap(width: size, height: size, alpha: .straight)
        for at in stride(from: 0, to: bitmap.pixels.count, by: 4) {
            bitmap.pixels.replaceSubrange(at..<(at + 4), with: [255, 255, 255, alpha])
        }
        return bitmap
    }

    @Test(
        "half-transparent white over 64 is 150, from straight colours as from multiplied ones, and once multiplied stays so"
    )
    func modes() {
        let bitmap = straight(16, white: 128), multiplied = bitmap.premultiplied
        #expect(bitmap.alpha == .straight && multiplied.alpha == .premultiplied)
        #expect(multiplied.pixels.prefix(4) == [128, 128, 128, 128])
        #expect(multiplied.premultiplied == multiplied)
        for each in [bitmap, multiplied, multiplied.premultiplied] {
            let canvas = Pictures.plain(32, 32, y: 64)
            Overlay(each).draw(on: canvas, x: 0, y: 0)
            // 235 · 128/255 + 64 · 127/255
            #expect(canvas.y[5 * canvas.lumaStride + 5] == 150)
        }
    }

    @Test("drawing on a picture with straight colours multiplies them first")
    func drawnOn() {
        var bitmap = straight(4, white: 0)
        bitmap.fill(PixelRect(width: 2, height: 2), color: RGBColor(red: 200, green: 100, blue: 0), alpha: 255)
        #expect(bitmap.alpha == .premultiplied)
        #expect(bitmap.pixels[0..<4] == [200, 100, 0, 255])
        #expect(bitmap.pixels[8..<12] == [0, 0, 0, 0])
    }

    @Test("what is transparent weighs nothing when a picture is made smaller, and a file says straight")
    func scaled() throws {
        // Red at the left, and bright green that nobody sees at the right.
        var bitmap = RGBABitmap(width: 64, height: 64, alpha: .straight)
        for at in 0..<(64 * 64) {
            bitmap.pixels.replaceSubrange(
                (4 * at)..<(4 * at + 4), with: at % 64 < 33 ? [255, 0, 0, 255] : [0, 255, 0, 0])
        }
        let small = bitmap.scaled(width: 16, height: 16)
        #expect(small.alpha == .premultiplied)
        for at in 0..<(16 * 16) { #expect(small.pixels[4 * at + 1] == 0) }
        let file = FileManager.default.temporaryDirectory.appending(path: "alpha-\(UUID().uuidString).png")
        defer { try? FileManager.default.removeItem(at: file) }
        try PNGWriter.write(straight(8, white: 64), to: file)
        let read = try PictureDecoder.decode(Data(contentsOf: file))
        #expect(read.alpha == .straight)
        #expect(read.pixels.prefix(4) == [255, 255, 255, 64])
        #expect(read.premultiplied.pixels.prefix(4) == [64, 64, 64, 64])
    }
}
