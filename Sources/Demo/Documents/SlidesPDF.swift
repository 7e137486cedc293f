// A deck of slides, written as a PDF by hand.

import Foundation

/// A page: a title, some lines, and bars that grow from page to page.
struct Slide: Sendable, Hashable {
    var title: String
    var lines: [String]
}

/// Writes PDF 1.4 (ISO 32000-1) with the standard fonts, which need no embedding.
enum SlidesPDF {
    static let width = 960, height = 540

    /// Returns a file with a page for each slide; characters outside of ASCII are left out.
    static func make(_ slides: [Slide]) -> Data {
        // Objects from 1: catalog, page tree, two fonts, then page and content in turn.
        let pages = slides.indices.map { 5 + 2 * $0 }
        var objects = [
            "<< /Type /Catalog /Pages 2 0 R >>",
            "<< /Type /Pages /Count \(slides.count) /Kids [\(pages.map { "\($0) 0 R" }.joined(separator: " "))] >>",
            "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold /Encoding /WinAnsiEncoding >>",
            "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        ]
        for (index, slide) in slides.enumerated() {
            let content = content(slide, number: index + 1, of: slides.count)
            objects.append(
                "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 \(width) \(height)] "
                    + "/Resources << /Font << /F1 3 0 R /F2 4 0 R >> >> /Contents \(pages[index] + 1) 0 R >>")
            objects.append("<< /Length \(content.utf8.count) >>\nstream\n\(content)\nendstream")
        }
        var file = "%PDF-1.4\n", offsets: [Int] = []
        for (index, object) in objects.enumerated() {
            offsets.append(file.utf8.count)
            file += "\(index + 1) 0 obj\n\(object)\nendobj\n"
        }
        let table = file.utf8.count
        // Every entry of the table has 20 bytes with its two-byte line end (§7.5.4).
        file += "xref\n0 \(objects.count + 1)\n0000000000 65535 f \n"
        for offset in offsets { file += String(repeating: "0", count: 10 - "\(offset)".count) + "\(offset) 00000 n \n" }
        file += "trailer\n<< /Size \(objects.count + 1) /Root 1 0 R >>\nstartxref\n\(table)\n%%EOF\n"
        return Data(file.utf8)
    }

    private static func content(_ slide: Slide, number: Int, of count: Int) -> String {
        var parts = [
            "0.98 0.98 0.96 rg 0 0 \(width) \(height) re f",
            "0.06 0.09 0.16 rg 0 \(height - 110) \(width) 110 re f",
            text(slide.title, font: "F1", size: 48, x: 48, y: height - 72, gray: 1),
        ]
        for (index, line) in slide.lines.enumerated() {
            let y = height - 180 - 56 * index
            parts.append("0.9 0.45 0.1 rg 48 \(y + 4) 16 16 re f")
            parts.append(text(line, font: "F2", size: 32, x: 84, y: y, gray: 0.1))
        }
        for bar in 0..<count {
            let color = bar < number ? "0.1 0.45 0.8" : "0.8 0.82 0.86"
            parts.append("\(color) rg \(48 + 60 * bar) 40 44 \(30 + 24 * bar) re f")
        }
        parts.append(text("\(number) / \(count)", font: "F1", size: 28, x: width - 130, y: 44, gray: 0.3))
        return parts.joined(separator: "\n")
    }

    private static func text(_ text: String, font: String, size: Int, x: Int, y: Int, gray: Double) -> String {
        let escaped = text.unicodeScalars.filter { $0.value >= 32 && $0.value < 127 }
            .map { "()\\".unicodeScalars.contains($0) ? "\\\($0)" : "\($0)" }.joined()
        return "BT \(gray) g /\(font) \(size) Tf \(x) \(y) Td (\(escaped)) Tj ET"
    }
}
