import Control
import Foundation
import Media
import Testing

@testable import Compositor

@Suite("Slides are sharp")
struct SharpSlidesTests {
    /// A page of 960 × 540 points: every second column of pixels black in the upper half, every second row in the lower.
    private static func pdf() -> Data {
        var content = "0 g\n"
        for column in 0..<960 { content += "\(column) 270 .5 270 re\n" }
        for row in 0..<270 { content += "0 \(row) 960 .5 re\n" }
        content += "f\n"
        var body = "%PDF-1.4\n", offsets: [Int] = []
        for object in [
            "<< /Type /Catalog /Pages 2 0 R >>", "<< /Type /Pages /Count 1 /Kids [3 0 R] >>",
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 960 540] /Contents 4 0 R >>",
            "<< /Length \(content.utf8.count) >>\nstream\n\(content)\nendstream",
        ] {
            offsets.append(body.utf8.count)
            body += "\(offsets.count) 0 obj\n\(object)\nendobj\n"
        }
        let start = body.utf8.count
        body += "xref\n0 5\n0000000000 65535 f \n"
        for offset in offsets {
            body += String(repeating: "0", count: 10 - String(offset).count) + "\(offset) 00000 n \n"
        }
        body += "trailer << /Size 5 /Root 1 0 R >>\nstartxref\n\(start)\n%%EOF\n"
        return Data(body.utf8)
    }

    @Test("lines of one pixel come out of a PDF onto a canvas of 1080p with full contrast, across and down")
    func lines() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "sharp-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appending(path: "deck.pdf"), pages = folder.appending(path: "pages")
        try Self.pdf().write(to: file)
        // As the decoder does it for an upload, with its own limits.
        let deck = try SlideDeck.render(file: file, into: pages)
        let canvas = PixelSize(width: 1920, height: 1080), slides = Slides(deck: "d", page: 1)
        #expect(deck.pages == [canvas])
        let store = GraphicsStore(canvas: canvas)
        store.add(slide: slides, try PictureDecoder.decode(Data(contentsOf: SlideDeck.page(1, in: pages))))
        let scene = Scene(layout: "media-full", slots: ["main": SlotSources([.slides])], slides: slides)
        let operations = SceneResolver.resolve(
            scene, layout: try LayoutTests.layout("media-full"),
            present: SourcesPresent(slide: store.size(of: slides)), time: ProgramTime(milliseconds: 0), canvas: canvas)
        let renderer = ProgramRenderer(canvas: canvas, store: store)
        let picture = try #require(renderer.render(operations, frames: [:]))
        func row(_ y: Int) -> [UInt8] {
            Array(UnsafeBufferPointer(start: picture.y + y * picture.lumaStride, count: 1920))
        }
        // Black is 16 and white is 235 in every single pixel.
        let columns = (0..<1920).map { UInt8($0 % 2 == 0 ? 16 : 235) }
        let wrong = (0..<540).filter { row($0) != columns }
        #expect(wrong.isEmpty, "rows \(wrong.prefix(3)): \(row(wrong.first ?? 0).prefix(8))")
        let black = [UInt8](repeating: 16, count: 1920), white = [UInt8](repeating: 235, count: 1920)
        let blurred = (540..<1080).filter { row($0) != ($0 % 2 == 1 ? black : white) }
        #expect(blurred.isEmpty, "rows \(blurred.prefix(3)): \(row(blurred.first ?? 0).prefix(8))")
    }
}
