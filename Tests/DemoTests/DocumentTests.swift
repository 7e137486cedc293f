// The deck and the background, read by what reads uploads.

import Compositor
import Foundation
import Testing

@testable import Demo

@Suite("Generated documents")
struct DocumentTests {
    @Test("the deck opens, and every page shows something else")
    func deck() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "deck-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appending(path: "deck.pdf")
        try SlidesPDF.make(DemoCast.slides).write(to: file)
        let pages = folder.appending(path: "pages")
        let description = try SlideDeck.render(pdf: file, into: pages)
        #expect(description.pages.count == DemoCast.slides.count && description.pages.count >= 3)
        #expect(description.pages.allSatisfy { $0.width == 1920 && $0.height == 1080 })
        var seen: Set<Data> = []
        for number in 1...description.pages.count {
            let data = try Data(contentsOf: SlideDeck.page(number, in: pages))
            let picture = try PictureDecoder.decode(data)
            #expect(picture.width == 1920 && picture.height == 1080)
            // The title is white on dark: both are there in its band.
            let band = (60..<200).flatMap { y in (90..<1200).map { x in picture.pixels[4 * (y * 1920 + x)] } }
            #expect(band.contains { $0 > 240 } && band.contains { $0 < 30 }, "page \(number) has no title")
            seen.insert(data)
        }
        #expect(seen.count == description.pages.count)
    }

    @Test("text is escaped, and the cross-reference table points at the objects")
    func escaping() throws {
        let text = String(
            decoding: SlidesPDF.make([Slide(title: #"A (b\c"#, lines: ["Zoë"])]), as: UTF8.self)
        #expect(text.contains(#"(A \(b\\c) Tj"#) && text.contains("(Zo) Tj"))
        let table = try #require(text.range(of: "xref\n")).upperBound
        let offsets = text[table...].split(separator: "\n").dropFirst(2).prefix { $0.hasSuffix(" n ") }
            .compactMap { Int($0.prefix(10)) }
        #expect(offsets.count == 6)
        for (index, offset) in offsets.enumerated() {
            #expect(text.utf8.dropFirst(offset).starts(with: "\(index + 1) 0 obj".utf8))
        }
    }

    @Test("the background is a picture with the colours asked for in its corners")
    func background() throws {
        let file = BackgroundPNG.gradient(width: 480, height: 270, from: (10, 20, 200), to: (250, 30, 0))
        let picture = try PictureDecoder.decode(file)
        #expect(picture.width == 480 && picture.height == 270)
        #expect(Array(picture.pixels.prefix(4)) == [10, 20, 200, 255])
        #expect(Array(picture.pixels.suffix(4)) == [250, 30, 0, 255])
        let middle = 4 * (135 * 480 + 240)
        #expect(abs(Int(picture.pixels[middle]) - 130) < 2)
    }
}
