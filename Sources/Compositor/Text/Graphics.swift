// The graphics that carry text: lower thirds, name cards, tickers, countdowns, comments, polls.

public import Control

/// Draws graphics as bitmaps; confined to one thread, as its text renderer is.
public final class GraphicsPainter {
    private let text: TextRenderer

    /// Opens the machine's fonts; nil when there are none to be had.
    public init?() {
        guard let text = TextRenderer() else { return nil }
        self.text = text
    }

    private static let panel = RGBColor(red: 12, green: 18, blue: 32)
    private static let accent = RGBColor(red: 64, green: 156, blue: 255)
    private static let white = RGBColor(red: 255, green: 255, blue: 255)
    private static let grey = RGBColor(red: 196, green: 206, blue: 222)

    /// Name and title on a dark panel, as wide as its text needs and at most as wide as the rectangle.
    public func lowerThird(name: String, title: String?, width: Int, height: Int) -> RGBABitmap {
        let h = Double(height), margin = h * 0.24, bar = max(4, (height / 18) & ~1)
        let room = Double(width) - 2 * margin - Double(bar)
        let hasTitle = title?.isEmpty == false
        let first = text.line(
            name, style: TextStyle(pixels: h * (hasTitle ? 0.40 : 0.46), weight: .bold, color: Self.white),
            maximumWidth: room)
        let second =
            hasTitle
            ? text.line(
                title ?? "", style: TextStyle(pixels: h * 0.27, color: Self.grey), maximumWidth: room) : nil
        let needed = max(first.width, second?.width ?? 0) + 2 * margin + Double(bar)
        let panelWidth = min(width, (Int(needed.rounded(.up)) + 1) & ~1)
        var bitmap = RGBABitmap(width: width, height: height)
        // A name that runs from right to left belongs to the right side of its panel.
        let isRight = first.isRightToLeft
        bitmap.fill(PixelRect(width: panelWidth, height: height), radius: height / 14, color: Self.panel, alpha: 216)
        bitmap.fill(
            PixelRect(x: isRight ? panelWidth - bar : 0, y: 0, width: bar, height: height), radius: bar / 2,
            color: Self.accent)
        func place(_ line: TextRenderer.Line, _ baseline: Double) {
            let left = Double(bar) + margin
            let x = line.isRightToLeft || isRight ? Double(panelWidth) - left - line.width : left
            text.draw(line, on: &bitmap, x: x, baseline: baseline)
        }
        if let second {
            place(first, h * 0.47)
            place(second, h * 0.82)
        } else {
            place(first, h * 0.66)
        }
        return bitmap
    }

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

    /// One line, as long as the text, for a strip that it runs along.
    public func ticker(text line: String, height: Int) -> RGBABitmap {
        let shaped = text.line(
            line, style: TextStyle(pixels: Double(height) * 0.56, color: Self.white), maximumWidth: 8000)
        var bitmap = RGBABitmap(width: Int(shaped.width.rounded(.up)) + 4, height: height)
        text.draw(shaped, on: &bitmap, x: 2, baseline: Double(height) * 0.70)
        return bitmap
    }

    /// The strip that a ticker runs along.
    public func tickerStrip(width: Int, height: Int) -> RGBABitmap {
        var bitmap = RGBABitmap(width: width, height: height)
        bitmap.fill(PixelRect(width: width, height: height), color: Self.panel, alpha: 216)
        return bitmap
    }

    /// A time in large digits, all as wide as each other, with a line above.
    public func countdown(time: String, title: String?, width: Int, height: Int) -> RGBABitmap {
        var bitmap = RGBABitmap(width: width, height: height)
        bitmap.fill(PixelRect(width: width, height: height), radius: height / 12, color: Self.panel, alpha: 216)
        let h = Double(height), room = Double(width) * 0.9
        if let title, !title.isEmpty {
            let line = text.line(title, style: TextStyle(pixels: h * 0.16, color: Self.grey), maximumWidth: room)
            text.draw(line, on: &bitmap, x: (Double(width) - line.width) / 2, baseline: h * 0.26)
        }
        let digits = text.line(
            time, style: TextStyle(pixels: h * 0.52, weight: .bold, color: Self.white, hasTabularDigits: true),
            maximumWidth: room)
        text.draw(digits, on: &bitmap, x: (Double(width) - digits.width) / 2, baseline: h * 0.82)
        return bitmap
    }

    /// What somebody wrote, with their name below it.
    public func comment(name: String, text body: String, width: Int, height: Int) -> RGBABitmap {
        lowerThird(name: body, title: name, width: width, height: height)
    }

    /// A question, and a bar for each answer.
    public func poll(_ poll: PollCard, width: Int, height: Int) -> RGBABitmap {
        var bitmap = RGBABitmap(width: width, height: height)
        bitmap.fill(PixelRect(width: width, height: height), radius: width / 40, color: Self.panel, alpha: 228)
        let w = Double(width), margin = w * 0.05,
            head = Double(height) * 5 / (5 + 3 * Double(max(1, poll.options.count)))
        let row = (Double(height) - head) / Double(max(1, poll.options.count))
        let question = text.line(
            poll.question, style: TextStyle(pixels: head * 0.34, weight: .bold, color: Self.white),
            maximumWidth: w - 2 * margin)
        text.draw(question, on: &bitmap, x: margin, baseline: head * 0.62)
        for (index, option) in poll.options.enumerated() {
            let top = head + row * Double(index)
            let place = PixelRect(
                x: Int(margin), y: Int(top + row * 0.62), width: Int(w - 2 * margin), height: max(2, Int(row * 0.16)))
            bitmap.fill(place, radius: place.height / 2, color: Self.grey, alpha: 64)
            var room = w - 2 * margin
            if let percent = option.percent {
                var filled = place
                filled.width = place.width * percent / 100
                if filled.width > 0 { bitmap.fill(filled, radius: place.height / 2, color: Self.accent) }
                let figure = text.line(
                    "\(percent) %",
                    style: TextStyle(pixels: row * 0.36, weight: .bold, color: Self.white, hasTabularDigits: true),
                    maximumWidth: room)
                text.draw(figure, on: &bitmap, x: w - margin - figure.width, baseline: top + row * 0.46)
                room -= figure.width + margin
            }
            let label = text.line(
                option.text, style: TextStyle(pixels: row * 0.36, color: Self.white), maximumWidth: room)
            text.draw(label, on: &bitmap, x: margin, baseline: top + row * 0.46)
        }
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
