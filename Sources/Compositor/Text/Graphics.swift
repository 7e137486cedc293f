// Draws what carries text; here name cards, overlays beside it.

import Control

/// Draws graphics as bitmaps; confined to one thread, as its text renderer is.
public final class GraphicsPainter {
    let text: TextRenderer

    /// Opens fonts; nil when there are none to be had.
    ///
    /// - Parameter fontConfiguration: a fontconfig file that says which there are; nil for the machine's.
    public init?(fontConfiguration: String? = nil) {
        guard let text = TextRenderer(fontConfiguration: fontConfiguration) else { return nil }
        self.text = text
    }

    private static let white = RGBColor(red: 255, green: 255, blue: 255)

    /// Initials in a circle and the name below, on a colour that follows from the key; opaque.
    public func card(name: String, key: String, width: Int, height: Int) -> RGBABitmap {
        var bitmap = RGBABitmap(width: width, height: height)
        let color = Self.color(of: key), whole = PixelRect(width: width, height: height)
        func shade(_ value: UInt8, _ percent: Int) -> UInt8 { UInt8(Int(value) * percent / 100) }
        bitmap.fill(
            whole,
            color: RGBColor(red: shade(color.red, 34), green: shade(color.green, 34), blue: shade(color.blue, 34)))
        let initials = Self.initials(of: name)
        guard !name.isEmpty else { return bitmap }
        let short = Double(min(width, height)), diameter = Int(short * 0.42) & ~1
        let top = Int(Double(height) * 0.44) - diameter / 2
        bitmap.fill(
            PixelRect(x: (width - diameter) / 2, y: top, width: diameter, height: diameter), radius: diameter / 2,
            color: color)
        let mark = text.line(
            initials, style: TextStyle(pixels: Double(diameter) * 0.42, weight: .bold, color: Self.white),
            maximumWidth: Double(diameter) * 0.8)
        text.draw(
            mark, on: &bitmap, x: (Double(width) - mark.width) / 2,
            baseline: Double(top) + Double(diameter) / 2 + mark.pixels * 0.36)
        let label = text.line(
            name, style: TextStyle(pixels: max(12, short * 0.095), weight: .regular, color: Self.white),
            maximumWidth: Double(width) * 0.9)
        text.draw(
            label, on: &bitmap, x: (Double(width) - label.width) / 2,
            baseline: Double(top + diameter) + label.pixels * 1.6)
        return bitmap
    }

    /// A line in large letters in the middle of a dark panel; digits are all as wide as each other.
    func plate(_ line: String, width: Int, height: Int) -> RGBABitmap {
        var bitmap = RGBABitmap(width: width, height: height)
        bitmap.fill(
            PixelRect(width: width, height: height), radius: height / 12,
            color: RGBColor(red: 12, green: 18, blue: 32), alpha: 216)
        let room = Double(width) * 0.9
        var style = TextStyle(pixels: Double(height) * 0.52, weight: .bold, color: Self.white, hasTabularDigits: true)
        // Words are smaller than digits, but whole.
        let wide = text.line(line, style: style, maximumWidth: .infinity).width
        if wide > room { style.pixels *= room / wide }
        let letters = text.line(line, style: style, maximumWidth: room)
        text.draw(
            letters, on: &bitmap, x: (Double(width) - letters.width) / 2,
            baseline: Double(height) / 2 + letters.pixels * 0.36)
        return bitmap
    }

    /// The first letters of the first and the last word.
    static func initials(of name: String) -> String {
        let words = name.split(whereSeparator: \.isWhitespace)
        let letters = words.compactMap { word in word.first { $0.isLetter || $0.isNumber } }
        guard let first = letters.first else { return name.first.map(String.init) ?? "" }
        return (letters.count > 1 ? String(first) + String(letters[letters.count - 1]) : String(first)).uppercased()
    }

    /// One of twelve colours, the same for the same key on every machine (FNV-1a).
    static func color(of key: String) -> RGBColor {
        let colors: [(UInt8, UInt8, UInt8)] = [
            (66, 133, 244), (219, 68, 85), (244, 160, 0), (15, 157, 88), (171, 71, 188), (0, 151, 167), (255, 112, 67),
            (92, 107, 192), (158, 157, 36), (240, 98, 146), (0, 121, 107), (121, 134, 203),
        ]
        let hash = key.utf8.reduce(UInt32(2_166_136_261)) { ($0 ^ UInt32($1)) &* 16_777_619 }
        let color = colors[Int(hash % UInt32(colors.count))]
        return RGBColor(red: color.0, green: color.1, blue: color.2)
    }
}
