// Draws lines of text into bitmaps, made to fit.

import CText
import Control

/// Draws text; confined to one thread, which should not be the one that renders frames: fonts are opened on first use.
public final class TextRenderer {
    /// A line that is ready to be drawn.
    public struct Line {
        let shaped: ShapedLine
        let style: TextStyle
        /// The text as drawn: shorter than asked for when it did not fit.
        public let text: String
        /// The size of the em square as drawn.
        public var pixels: Double { style.pixels }
        /// The advance width in pixels.
        public var width: Double { shaped.width }
        /// Whether it runs from right to left.
        public var isRightToLeft: Bool { shaped.isRightToLeft }
        /// How many characters no font has.
        public var missingGlyphs: Int { shaped.glyphs.count { $0.index == 0 } }
        /// What it takes above and below its base line: enough for tall scripts, bounded for piles of marks.
        var ascent: Double { max(pixels * 0.9, min(shaped.inkTop, pixels * 1.5)) }
        var descent: Double { max(pixels * 0.22, min(shaped.inkBottom, pixels * 0.8)) }
    }

    /// The least size that a text is shrunk to before it is cut.
    public static let smallestFactor = 0.7
    /// Longer texts are cut before anything is measured: no overlay shows more.
    static let maximumScalars = 4 * TextShaper.maximumScalars

    let fonts: FontCollection
    let shaper: TextShaper
    private let glyphs: GlyphCache

    /// Opens fonts.
    ///
    /// - Parameter fontConfiguration: a fontconfig file that says which there are; nil for the machine's.
    /// - Returns: nil when there is no fontconfig, FreeType or HarfBuzz to be had.
    public init?(fontConfiguration: String? = nil) {
        guard let fonts = FontCollection(configurationFile: fontConfiguration), let shaper = TextShaper(fonts) else {
            return nil
        }
        self.fonts = fonts
        self.shaper = shaper
        glyphs = GlyphCache(fonts.freeType)
    }

    /// Shapes a line so that it fits a width: shrunk to 70 % if need be, then cut at a grapheme with an ellipsis.
    ///
    /// - Parameters:
    ///   - text: any text in any script; line breaks become spaces.
    ///   - style: size, weight, colour.
    ///   - maximumWidth: in pixels.
    public func line(_ text: String, style: TextStyle, maximumWidth: Double) -> Line {
        let text = Self.bounded(text)
        var style = style
        var result = shaper.shape(text, style: style)
        guard result.width > maximumWidth, result.width > 0 else {
            return Line(shaped: result, style: style, text: text)
        }
        // Sizes go in quarters of a pixel, because faces are kept at those; widths do not scale quite evenly.
        let smallest = max(4, (style.pixels * Self.smallestFactor * 4).rounded(.up) / 4)
        style.pixels = max(smallest, (style.pixels * maximumWidth / result.width * 4).rounded(.down) / 4)
        result = shaper.shape(text, style: style)
        var step = 0.25
        while result.width > maximumWidth, style.pixels > smallest {
            style.pixels = max(smallest, style.pixels - step)
            step *= 2
            result = shaper.shape(text, style: style)
        }
        guard result.width > maximumWidth else { return Line(shaped: result, style: style, text: text) }
        return cut(text, style: style, maximumWidth: maximumWidth)
    }

    /// The longest beginning that fits with an ellipsis, whole graphemes only.
    func cut(_ text: String, style: TextStyle, maximumWidth: Double) -> Line {
        let graphemes = Array(text.prefix(TextShaper.maximumScalars))
        func short(_ count: Int) -> String {
            var kept = String(graphemes[..<count])
            while let last = kept.last, last.isWhitespace { kept.removeLast() }
            // Of Arabic and Hebrew it comes to lie at the left: it takes the direction of the line.
            return kept + "…"
        }
        var (low, high) = (0, graphemes.count)
        while low + 1 < high {
            let middle = (low + high) / 2
            if shaper.shape(short(middle), style: style).width <= maximumWidth { low = middle } else { high = middle }
        }
        return Line(shaped: shaper.shape(short(low), style: style), style: style, text: short(low))
    }

    /// The beginning of a text that is looked at: what somebody sends is up to a megabyte.
    static func bounded(_ text: String) -> String {
        guard text.utf8.count > maximumScalars else { return text }
        return String(String.UnicodeScalarView(text.unicodeScalars.prefix(maximumScalars)))
    }

    /// Draws a line with its left end at `x` on a base line: shadow, outline, letters.
    ///
    /// - Parameters:
    ///   - line: what to draw.
    ///   - bitmap: what to draw on; what lies outside is left out.
    ///   - x: in pixels; parts of one are honoured.
    ///   - baseline: in pixels from the top.
    public func draw(_ line: Line, on bitmap: inout RGBABitmap, x: Double, baseline: Double) {
        let style = line.style, outline = Int(((style.outline?.pixels ?? 0) * 64).rounded())
        if let shadow = style.shadow {
            var mask = CoverageMask(width: bitmap.width, height: bitmap.height)
            each(line, x: x, baseline: baseline, outline: outline) { image, left, top in
                mask.add(image, x: left + shadow.x, y: top + shadow.y)
            }
            mask.blur(radius: shadow.blur / 2)
            mask.lay(on: &bitmap, color: shadow.color, opacity: shadow.opacity)
        }
        if let color = style.outline?.color {
            each(line, x: x, baseline: baseline, outline: outline) { image, left, top in
                if !image.isColor { bitmap.lay(image, color: color, x: left, y: top) }
            }
        }
        each(line, x: x, baseline: baseline, outline: 0) { image, left, top in
            bitmap.lay(image, color: style.color, x: left, y: top)
        }
    }

    private func each(
        _ line: Line, x: Double, baseline: Double, outline: Int, _ body: (GlyphImage, _ x: Int, _ y: Int) -> Void
    ) {
        for glyph in line.shaped.glyphs {
            let left = x + glyph.x, whole = left.rounded(.down)
            // What lies beyond any picture is not worth a rounding that traps.
            guard left.isFinite, abs(left) < 1e6, abs(baseline - glyph.y) < 1e6 else { continue }
            // Quarters of a pixel, so that spacing stays even at small sizes.
            let phase = Int(((left - whole) * 4).rounded(.down))
            guard let image = glyphs.image(glyph, phase: phase, outline: outline) else { continue }
            body(image, Int(whole) + image.left, Int((baseline - glyph.y).rounded()) - image.top)
        }
    }
}

extension RGBABitmap {
    /// Lays a glyph over what is there, blended in gamma space as browsers and keyers do.
    mutating func lay(_ image: GlyphImage, color: RGBColor, x: Int, y: Int) {
        let from = max(0, -x), to = min(image.width, width - x)
        guard from < to else { return }
        for row in max(0, -y)..<max(max(0, -y), min(image.rows, height - y)) {
            for column in from..<to {
                let at = row * image.width + column
                if image.isColor {
                    over(
                        x: x + column, y: y + row, red: image.pixels[4 * at], green: image.pixels[4 * at + 1],
                        blue: image.pixels[4 * at + 2], alpha: image.pixels[4 * at + 3])
                } else if image.pixels[at] > 0 {
                    over(x: x + column, y: y + row, color: color, coverage: image.pixels[at])
                }
            }
        }
    }
}

/// Coverage without colour: what a shadow is made of.
private struct CoverageMask {
    let width: Int, height: Int
    var values: [UInt8]

    init(width: Int, height: Int) {
        self.width = width
        self.height = height
        values = [UInt8](repeating: 0, count: width * height)
    }

    mutating func add(_ image: GlyphImage, x: Int, y: Int) {
        let from = max(0, -x), to = min(image.width, width - x)
        guard from < to else { return }
        for row in max(0, -y)..<max(max(0, -y), min(image.rows, height - y)) {
            for column in from..<to {
                let at = row * image.width + column
                let cover = image.isColor ? image.pixels[4 * at + 3] : image.pixels[at]
                let target = (y + row) * width + x + column
                values[target] = max(values[target], cover)
            }
        }
    }

    /// Three box blurs, which come close to a Gaussian one.
    mutating func blur(radius: Int) {
        guard radius > 0 else { return }
        for _ in 0..<3 {
            smear(radius, count: width, lines: height, step: 1, next: width)
            smear(radius, count: height, lines: width, step: width, next: 1)
        }
    }

    private mutating func smear(_ radius: Int, count: Int, lines: Int, step: Int, next: Int) {
        var line = [UInt8](repeating: 0, count: count)
        let window = 2 * radius + 1
        for start in 0..<lines {
            let base = start * next
            for at in 0..<count { line[at] = values[base + at * step] }
            var sum = 0
            for at in 0..<min(radius, count) { sum += Int(line[at]) }
            for at in 0..<count {
                if at + radius < count { sum += Int(line[at + radius]) }
                if at - radius - 1 >= 0 { sum -= Int(line[at - radius - 1]) }
                values[base + at * step] = UInt8(sum / window)
            }
        }
    }

    func lay(on bitmap: inout RGBABitmap, color: RGBColor, opacity: UInt8) {
        for y in 0..<height {
            for x in 0..<width where values[y * width + x] > 0 {
                bitmap.over(
                    x: x, y: y, color: color,
                    coverage: RGBABitmap.product(UInt16(values[y * width + x]), UInt16(opacity)))
            }
        }
    }
}
