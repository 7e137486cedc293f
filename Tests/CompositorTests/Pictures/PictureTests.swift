import Foundation
import Media
import Testing

@testable import Compositor

@Suite("Pictures and slides")
struct PictureTests {
    static let jpeg =
        "/9j/4AAQSkZJRgABAgAAAQABAAD//gAQTGF2YzU5LjM3LjEwMAD/2wBDAAgEBAQEBAUFBQUFBQYGBgYGBgYGBgYGBgYHBwcI"
        + "CAgHBwcGBgcHCAgICAkJCQgICAgJCQoKCgwMCwsODg4RERT/xABNAAEBAAAAAAAAAAAAAAAAAAAABgEBAQEAAAAAAAAAAAAA"
        + "AAAAAAYHEAEAAAAAAAAAAAAAAAAAAAAAEQEAAAAAAAAAAAAAAAAAAAAA/8AAEQgAEAAYAwEiAAIRAAMRAP/aAAwDAQACEQMR"
        + "AD8AiwEo38AB/9k="
    static let png =
        "iVBORw0KGgoAAAANSUhEUgAAAAYAAAAECAYAAACtBE5DAAAACXBIWXMAAAABAAAAAQBPJcTWAAAAEUlEQVR4nGNgYPhfjx1T"
        + "TQIA4Y4j0aVrp7AAAAAASUVORK5CYII="

    /// 6 × 4 blue without loss, and 24 × 16 red with loss.
    static let webP = [
        "UklGRhwAAABXRUJQVlA4TA8AAAAvBcAAAAcQ0f/+ByKi/wEA",
        "UklGRkgAAABXRUJQVlA4IDwAAAAQAwCdASoYABAAPpE4l0eloyIhMAgAsBIJQBdl0AAQNgAA/u7T3/4DdfFtMv/3OB/3OB/3OB/HM1mAAAA=",
    ]

    /// A PDF with one page per entry, each with its size and a coloured rectangle over its left half.
    static func pdf(_ pages: [(width: Int, height: Int)]) -> Data {
        var body = "%PDF-1.4\n", offsets: [Int] = []
        func object(_ text: String) {
            offsets.append(body.utf8.count)
            body += "\(offsets.count) 0 obj\n\(text)\nendobj\n"
        }
        object("<< /Type /Catalog /Pages 2 0 R >>")
        object(
            "<< /Type /Pages /Count \(pages.count) /Kids [\(pages.indices.map { "\(3 + 2 * $0) 0 R" }.joined(separator: " "))] >>"
        )
        for (index, page) in pages.enumerated() {
            object(
                "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 \(page.width) \(page.height)] /Contents \(4 + 2 * index) 0 R >>"
            )
            let content = "1 0 0 rg 0 0 \(page.width / 2) \(page.height) re f"
            object("<< /Length \(content.utf8.count) >>\nstream\n\(content)\nendstream")
        }
        let start = body.utf8.count
        body += "xref\n0 \(offsets.count + 1)\n0000000000 65535 f \n"
        for offset in offsets {
            body += String(repeating: "0", count: 10 - String(offset).count) + "\(offset) 00000 n \n"
        }
        body += "trailer << /Size \(offsets.count + 1) /Root 1 0 R >>\nstartxref\n\(start)\n%%EOF\n"
        return Data(body.utf8)
    }

    private func folder() throws -> URL {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("deck-" + UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        return folder
    }

    @Test("JPEG and PNG become RGBA that says how its alpha is to be read")
    func decode() throws {
        let jpeg = try #require(Data(base64Encoded: Self.jpeg)), png = try #require(Data(base64Encoded: Self.png))
        #expect(try PictureDecoder.size(jpeg) == PixelSize(width: 24, height: 16))
        let red = try PictureDecoder.decode(jpeg)
        #expect(red.width == 24 && red.height == 16 && red.isOpaque)
        #expect(red.pixels[0] > 245 && red.pixels[1] < 10 && red.pixels[2] < 10)
        let straight = try PictureDecoder.decode(png), blue = straight.premultiplied
        #expect(straight.alpha == .straight && straight.pixels[2] > 245)
        #expect(blue.width == 6 && blue.height == 4 && !blue.isOpaque)
        #expect(blue.pixels[3] > 120 && blue.pixels[3] < 132 && abs(Int(blue.pixels[2]) - Int(blue.pixels[3])) < 4)
    }

    @Test("WebP is read in both its forms, and its size before anything else")
    func webP() throws {
        let files = try Self.webP.map { try #require(Data(base64Encoded: $0)) }
        #expect(try PictureDecoder.size(files[0]) == PixelSize(width: 6, height: 4))
        #expect(try PictureDecoder.size(files[1]) == PixelSize(width: 24, height: 16))
        let blue = try PictureDecoder.decode(files[0]), red = try PictureDecoder.decode(files[1])
        #expect(blue.width == 6 && blue.height == 4 && blue.pixels[2] > 245 && blue.pixels[0] < 10)
        #expect(red.width == 24 && red.height == 16 && red.pixels[0] > 240 && red.pixels[2] < 15)
        var bomb = files[0]
        bomb.replaceSubrange(21..<25, with: [0xFF, 0xFF, 0xFF, 0x0F])
        #expect(throws: PictureError.tooManyPixels(width: 16384, height: 16384)) { try PictureDecoder.decode(bomb) }
        #expect(throws: PictureError.self) { try PictureDecoder.decode(files[1].prefix(20)) }
    }

    @Test("a picture larger than its box is made to fit it, and PNG brings every pixel back")
    func written() throws {
        let folder = try folder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appendingPathComponent("picture.png")
        let png = try #require(Data(base64Encoded: Self.png)), jpeg = try #require(Data(base64Encoded: Self.jpeg))
        let small = try PictureDecoder.decode(jpeg, fitting: PixelSize(width: 12, height: 100))
        #expect(small.width == 12 && small.height == 8 && small.pixels[0] > 245 && small.isOpaque)
        for bitmap in [small, try PictureDecoder.decode(png, fitting: PixelSize(width: 3840, height: 2160))] {
            try PNGWriter.write(bitmap, to: file)
            let again = try PictureDecoder.decode(Data(contentsOf: file))
            #expect(again.width == bitmap.width && again.height == bitmap.height)
            #expect(zip(again.pixels, bitmap.pixels).allSatisfy { abs(Int($0) - Int($1)) <= 1 })
        }
        #expect(throws: PictureError.cannotWrite) {
            try PNGWriter.write(small, to: folder.appendingPathComponent("nowhere/picture.png"))
        }
    }

    @Test("what is too large, damaged or something else is refused, before memory is taken for it")
    func refused() throws {
        let png = try #require(Data(base64Encoded: Self.png)), jpeg = try #require(Data(base64Encoded: Self.jpeg))
        #expect(throws: PictureError.unknownFormat) { try PictureDecoder.decode(Data("GIF89a".utf8)) }
        #expect(throws: PictureError.unknownFormat) { try PictureDecoder.decode(Data()) }
        #expect(throws: PictureError.fileTooLarge(bytes: png.count)) {
            try PictureDecoder.decode(png, limits: .init(bytes: 10))
        }
        var bomb = png
        bomb.replaceSubrange(16..<24, with: [0, 0, 0xEA, 0x60, 0, 0, 0xEA, 0x60])
        #expect(throws: PictureError.tooManyPixels(width: 60_000, height: 60_000)) { try PictureDecoder.decode(bomb) }
        #expect(throws: PictureError.self) { try PictureDecoder.decode(png.prefix(40)) }
        var random = SeededRandom(8)
        for source in [png, jpeg] + Self.webP.compactMap({ Data(base64Encoded: $0) }) {
            for _ in 0..<300 {
                var changed = source
                for _ in 0..<3 {
                    changed[Int.random(in: 0..<changed.count, using: &random)] = .random(in: 0...255, using: &random)
                }
                if Bool.random(using: &random) {
                    changed = changed.prefix(Int.random(in: 0...changed.count, using: &random))
                }
                _ = try? PictureDecoder.decode(changed, limits: .init(pixels: 100_000))
            }
        }
    }

    @Test("each page of a PDF becomes a picture that fits the box, and the folder says so last")
    func slides() throws {
        let folder = try folder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appendingPathComponent("deck.pdf"), pages = folder.appendingPathComponent("pages")
        try Self.pdf([(720, 405), (600, 800)]).write(to: file)
        let limits = SlideDeck.Limits(size: PixelSize(width: 640, height: 360))
        let deck = try SlideDeck.render(pdf: file, into: pages, limits: limits)
        #expect(deck.pages == [PixelSize(width: 640, height: 360), PixelSize(width: 270, height: 360)])
        #expect(SlideDeck.description(of: pages) == deck)
        let page = try PictureDecoder.decode(Data(contentsOf: SlideDeck.page(1, in: pages)))
        #expect(page.width == 640 && Array(page.pixels[0..<4]) == [255, 0, 0, 255])
        #expect(Array(page.pixels[(639 * 4)..<(640 * 4)]) == [255, 255, 255, 255])
    }

    @Test("a deck that is no PDF, too long or too large is refused, and leaves no complete folder")
    func refusedDecks() throws {
        let folder = try folder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appendingPathComponent("deck.pdf"), pages = folder.appendingPathComponent("pages")
        #expect(throws: SlideError.unreadable) { try SlideDeck.render(pdf: file, into: pages) }
        try Data("hello".utf8).write(to: file)
        #expect(throws: SlideError.notPDF("no PDF header")) { try SlideDeck.render(pdf: file, into: pages) }
        let good = Self.pdf([(100, 100), (100, 100), (100, 100)])
        try good.write(to: file)
        #expect(throws: SlideError.pageCount(3)) {
            try SlideDeck.render(pdf: file, into: pages, limits: .init(pages: 2))
        }
        #expect(throws: SlideError.fileTooLarge(bytes: good.count)) {
            try SlideDeck.render(pdf: file, into: pages, limits: .init(bytes: 100))
        }
        #expect(throws: SlideError.timeOver(page: 1)) {
            try SlideDeck.render(pdf: file, into: pages, limits: .init(seconds: 0))
        }
        #expect(SlideDeck.description(of: pages) == nil)
        var random = SeededRandom(9)
        let small = SlideDeck.Limits(pages: 5, size: PixelSize(width: 64, height: 64))
        for _ in 0..<60 {
            var changed = good
            for _ in 0..<4 {
                changed[Int.random(in: 0..<changed.count, using: &random)] = .random(in: 0...255, using: &random)
            }
            try changed.write(to: file)
            _ = try? SlideDeck.render(pdf: file, into: pages, limits: small)
        }
    }
}
