import Control
import Foundation
import Media
import Testing

@testable import Compositor

@Suite("Text", .serialized)
struct TextTests {
    private let white = RGBColor(red: 255, green: 255, blue: 255)

    private func renderer() throws -> TextRenderer { try #require(TextRenderer(), "no fonts on this machine") }

    private func ink(_ bitmap: RGBABitmap, _ columns: Range<Int>? = nil) -> Int {
        var sum = 0
        for y in 0..<bitmap.height {
            for x in columns ?? 0..<bitmap.width { sum += Int(bitmap.pixels[(y * bitmap.width + x) * 4 + 3]) }
        }
        return sum / 255
    }

    @Test(
        "scripts of the fonts we depend on are drawn with a glyph for every character",
        arguments: [
            "Zoë Ångström", "Дмитрий Шостакович", "Ελένη Παπαδοπούλου", "محمد عبد الله", "שלום עולם", "श्रीमती कविता क्षत्रिय",
            "สวัสดีชาวโลก ก็ได้", "தமிழ்", "ქართული", "Հայերեն", "አማርኛ", "বাংলা", "ខ្មែរ",
        ])
    func scripts(text: String) throws {
        let renderer = try renderer()
        for weight in [FontWeight.regular, .bold] {
            let line = renderer.line(
                text, style: TextStyle(pixels: 40, weight: weight, color: white), maximumWidth: 4000)
            #expect(line.missingGlyphs == 0 && line.width > 40 && line.text == text)
            var bitmap = RGBABitmap(width: Int(line.width) + 8, height: 80)
            renderer.draw(line, on: &bitmap, x: 4, baseline: 56)
            #expect(ink(bitmap) > 100)
            #expect(line.isRightToLeft == (text.hasPrefix("م") || text.hasPrefix("ש")))
        }
    }

    @Test("Arabic letters join, and marks do not widen a letter")
    func shaping() throws {
        let renderer = try renderer(), style = TextStyle(pixels: 48, color: white)
        func width(_ text: String) -> Double { renderer.line(text, style: style, maximumWidth: 9000).width }
        // The same four letters, kept apart by a zero-width non-joiner, take another width.
        #expect(abs(width("عععع") - width("ع\u{200C}ع\u{200C}ع\u{200C}ع")) > 5)
        #expect(abs(width("e\u{301}") - width("é")) < 1)
        #expect(abs(width("กำ") - width("ก") - width("า")) < 12)
        #expect(width("क्ष") < width("क") + width("ष"), "a conjunct is one shape")
    }

    @Test("right-to-left text puts its first letter at the right, and numbers in it run left to right")
    func order() throws {
        let renderer = try renderer(), style = TextStyle(pixels: 48, color: white)
        let line = renderer.line("אw", style: style, maximumWidth: 900)
        let digits = renderer.line("א12", style: style, maximumWidth: 900)
        #expect(line.isRightToLeft && digits.isRightToLeft)
        // The last glyph from left to right is the first letter of the text.
        let alef = try #require(renderer.line("א", style: style, maximumWidth: 900).shaped.glyphs.first)
        #expect(line.shaped.glyphs.last?.index == alef.index)
        let one = try #require(renderer.line("1", style: style, maximumWidth: 900).shaped.glyphs.first)
        #expect(digits.shaped.glyphs.first?.index == one.index)
    }

    @Test("a line too long is shrunk to 70 %, then cut at a grapheme with an ellipsis")
    func fit() throws {
        let renderer = try renderer(), style = TextStyle(pixels: 40, weight: .bold, color: white)
        let text = "Professor Doctor Maximiliane Freifrau von und zu Guttenberg-Löwenstein"
        let whole = renderer.line(text, style: style, maximumWidth: 9000)
        let shrunk = renderer.line(text, style: style, maximumWidth: whole.width * 0.8)
        #expect(shrunk.text == text && shrunk.width <= whole.width * 0.8 && shrunk.pixels < 40 && shrunk.pixels >= 28)
        for width in [20.0, 100, 300, 500] {
            let cut = renderer.line(text, style: style, maximumWidth: width)
            #expect(cut.text.hasSuffix("…") && cut.width <= max(width, 40) && cut.pixels == 28)
            #expect(text.hasPrefix(cut.text.dropLast()))
        }
        // Fifteen characters are no limit.
        #expect(renderer.line("Anne-Catherine Dupont", style: style, maximumWidth: 600).text == "Anne-Catherine Dupont")
        let family = "👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦", cut = renderer.line(family, style: style, maximumWidth: 90)
        #expect(family.hasPrefix(cut.text.dropLast()), "no family is torn apart")
    }

    @Test("digits of a countdown are all as wide as each other")
    func tabular() throws {
        let renderer = try renderer()
        let style = TextStyle(pixels: 60, weight: .bold, color: white, hasTabularDigits: true)
        let widths = ["11:11", "00:00", "48:37"].map { renderer.line($0, style: style, maximumWidth: 900).width }
        #expect(widths.max()! - widths.min()! < 0.01)
    }

    @Test("hostile text is drawn or left out, and never traps")
    func hostile() throws {
        let renderer = try renderer(), style = TextStyle(pixels: 30, color: white)
        var random = SeededRandom(2)
        var texts = [
            "", " ", "\u{0}\u{1}\n\r\t", "\u{202E}abc\u{202C}", "a" + String(repeating: "\u{301}", count: 5000),
            String(repeating: "x", count: 20_000), "\u{FFFF}\u{10FFFF}\u{E000}", "\u{200D}\u{FE0F}\u{20E3}",
            String(repeating: "\u{202A}", count: 200) + "x", "ﷺ﷽",
        ]
        for _ in 0..<60 {
            texts.append(
                String(
                    String.UnicodeScalarView(
                        (0..<30).compactMap { _ in Unicode.Scalar(UInt32.random(in: 0...0x1FFFF, using: &random)) })))
        }
        for text in texts {
            let line = renderer.line(text, style: style, maximumWidth: 500)
            #expect(line.width.isFinite && line.width <= 501)
            var bitmap = RGBABitmap(width: 100, height: 40)
            renderer.draw(line, on: &bitmap, x: -20, baseline: 30)
        }
        #expect(TextStyle(pixels: .nan, color: white).pixels == 4)
    }

    @Test("graphics: a card is opaque, the same key has the same colour")
    func graphics() throws {
        let painter = try #require(GraphicsPainter())
        let card = painter.card(name: "Ana Díaz", key: "p1", width: 448, height: 252)
        #expect(card.isOpaque)
        #expect(GraphicsPainter.color(of: "p1") == GraphicsPainter.color(of: "p1"))
        #expect(GraphicsPainter.initials(of: "ana maría díaz") == "AD" && GraphicsPainter.initials(of: "李雷") == "李")
        #expect(GraphicsPainter.initials(of: "") == "" && GraphicsPainter.initials(of: "👍 ok") == "O")
    }
}
