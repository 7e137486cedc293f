// Draws lines of text into bitmaps, made to fit.

import CText
public import Control

/// How a text is drawn.
public struct TextStyle: Hashable, Sendable {
    /// The size of the em square in pixels.
    public var pixels: Double
    /// Regular or bold.
    public var weight: FontWeight
    /// The colour.
    public var color: RGBColor
    /// A BCP 47 tag that chooses the forms of Han characters; empty for the machine's.
    public var language: String
    /// Whether all digits are as wide as each other.
    public var hasTabularDigits: Bool

    /// Creates a style.
    public init(
        pixels: Double, weight: FontWeight = .regular, color: RGBColor, language: String = "",
        hasTabularDigits: Bool = false
    ) {
        self.pixels = min(max(4, pixels.isFinite ? pixels : 4), 512)
        self.weight = weight
        self.color = color
        self.language = language
        self.hasTabularDigits = hasTabularDigits
    }
}

/// Draws text; confined to one thread, which should not be the one that renders frames: fonts are opened on first use.
public final class TextRenderer {
    /// A line that is ready to be drawn.
    public struct Line {
        let shaped: ShapedLine
        let color: RGBColor
        /// The text as drawn: shorter than asked for when it did not fit.
        public let text: String
        /// The size of the em square as drawn.
        public let pixels: Double
        /// The advance width in pixels.
        public var width: Double { shaped.width }
        /// Whether it runs from right to left.
        public var isRightToLeft: Bool { shaped.isRightToLeft }
        /// How many characters no font has.
        public var missingGlyphs: Int { shaped.glyphs.count { $0.index == 0 } }
    }

    /// The least size that a text is shrunk to before it is cut.
    public static let smallestFactor = 0.7

    private let shaper: TextShaper

    /// Opens the machine's fonts; nil when there is no fontconfig, FreeType or HarfBuzz to be had.
    public init?() {
        guard let fonts = FontCollection(), let shaper = TextShaper(fonts) else { return nil }
        self.shaper = shaper
    }

    /// Shapes a line so that it fits a width: shrunk to 70 % if need be, then cut at a grapheme with an ellipsis.
    ///
    /// - Parameters:
    ///   - text: any text in any script; line breaks become spaces.
    ///   - style: size, weight, colour.
    ///   - maximumWidth: in pixels.
    public func line(_ text: String, style: TextStyle, maximumWidth: Double) -> Line {
        var style = style
        func shaped(_ text: String) -> ShapedLine {
            shaper.shape(
                text, pixels: style.pixels, weight: style.weight, language: style.language,
                hasTabularDigits: style.hasTabularDigits)
        }
        func line(_ text: String, _ shaped: ShapedLine) -> Line {
            Line(shaped: shaped, color: style.color, text: text, pixels: style.pixels)
        }
        var result = shaped(text)
        guard result.width > maximumWidth, result.width > 0 else { return line(text, result) }
        // Sizes go in quarters of a pixel, because faces are kept at those; widths do not scale quite evenly.
        let smallest = max(4, (style.pixels * Self.smallestFactor * 4).rounded(.up) / 4)
        style.pixels = max(smallest, (style.pixels * maximumWidth / result.width * 4).rounded(.down) / 4)
        result = shaped(text)
        while result.width > maximumWidth, style.pixels > smallest {
            style.pixels = max(smallest, style.pixels - 0.25)
            result = shaped(text)
        }
        guard result.width > maximumWidth else { return line(text, result) }
        var (low, high) = (0, text.count)
        while low + 1 < high {
            let middle = (low + high) / 2
            if shaped(Self.cut(text, middle)).width <= maximumWidth { low = middle } else { high = middle }
        }
        let short = Self.cut(text, low)
        return line(short, shaped(short))
    }

    private static func cut(_ text: String, _ count: Int) -> String {
        var kept = text.prefix(count)
        while let last = kept.last, last.isWhitespace { kept.removeLast() }
        return kept + "…"
    }

    /// Draws a line with its left end at `x` on a base line.
    ///
    /// - Parameters:
    ///   - line: what to draw.
    ///   - bitmap: what to draw on; what lies outside is left out.
    ///   - x: in pixels; parts of one are honoured.
    ///   - baseline: in pixels from the top.
    public func draw(_ line: Line, on bitmap: inout RGBABitmap, x: Double, baseline: Double) {
        for glyph in line.shaped.glyphs {
            draw(glyph, color: line.color, on: &bitmap, x: x + glyph.x, y: baseline - glyph.y)
        }
    }

    private func draw(_ glyph: PlacedGlyph, color: RGBColor, on bitmap: inout RGBABitmap, x: Double, y: Double) {
        let face = glyph.face.face
        guard FT_Load_Glyph(face, glyph.index, FontCollection.Face.loadFlags) == 0, let slot = face.pointee.glyph else {
            return
        }
        let left = x.rounded(.down), top = y.rounded(.down)
        if slot.pointee.format == FT_GLYPH_FORMAT_OUTLINE {
            // Quarters of a pixel, so that spacing stays even at small sizes.
            let fraction = ((x - left) * 4).rounded(.down) * 16, drop = ((y - top) * 4).rounded(.down) * 16
            FT_Outline_Translate(&slot.pointee.outline, FT_Pos(fraction), FT_Pos(-drop))
            guard FT_Render_Glyph(slot, FT_RENDER_MODE_NORMAL) == 0 else { return }
        } else if slot.pointee.format != FT_GLYPH_FORMAT_BITMAP {
            return
        }
        let image = slot.pointee.bitmap
        guard let pixels = image.buffer else { return }
        let width = Int(image.width), rows = Int(image.rows), pitch = Int(image.pitch)
        if image.pixel_mode == UInt8(FT_PIXEL_MODE_GRAY.rawValue) {
            for row in 0..<rows {
                for column in 0..<width {
                    bitmap.over(
                        x: Int(left) + Int(slot.pointee.bitmap_left) + column,
                        y: Int(top) - Int(slot.pointee.bitmap_top) + row, color: color,
                        coverage: pixels[row * pitch + column])
                }
            }
        } else if image.pixel_mode == UInt8(FT_PIXEL_MODE_BGRA.rawValue) {
            drawColor(
                pixels, width, rows, pitch, scale: glyph.face.scale,
                x: x + Double(slot.pointee.bitmap_left) * glyph.face.scale,
                y: y - Double(slot.pointee.bitmap_top) * glyph.face.scale, on: &bitmap)
        }
    }

    /// Draws a premultiplied BGRA picture at a scale.
    private func drawColor(
        _ pixels: UnsafePointer<UInt8>, _ width: Int, _ rows: Int, _ pitch: Int, scale: Double, x: Double, y: Double,
        on bitmap: inout RGBABitmap
    ) {
        let left = Int(x.rounded()), top = Int(y.rounded())
        let outWidth = Int((Double(width) * scale).rounded(.up)), outRows = Int((Double(rows) * scale).rounded(.up))
        guard outWidth > 0, outRows > 0, outWidth <= 1024, outRows <= 1024 else { return }
        var picture = RGBABitmap(width: width, height: rows)
        for row in 0..<min(rows, picture.height) {
            for column in 0..<min(width, picture.width) {
                let from = pixels + row * pitch + column * 4, to = (row * picture.width + column) * 4
                picture.pixels[to] = from[2]
                picture.pixels[to + 1] = from[1]
                picture.pixels[to + 2] = from[0]
                picture.pixels[to + 3] = from[3]
            }
        }
        let small = picture.scaled(width: outWidth, height: outRows)
        for row in 0..<outRows {
            for column in 0..<outWidth {
                let at = (row * outWidth + column) * 4
                bitmap.over(
                    x: left + column, y: top + row, red: small.pixels[at], green: small.pixels[at + 1],
                    blue: small.pixels[at + 2], alpha: small.pixels[at + 3])
            }
        }
    }
}
