// Text on several lines: broken where its language allows it, made to fit a box.

import CTextBreaks
import Control

extension TextRenderer {
    /// How far base lines are apart, of the size of the em square.
    static let lineHeight = 1.3

    /// Breaks a text into lines that fit a box: shrunk to 70 % if need be, then cut with an ellipsis.
    ///
    /// Lines end where UAX #14 and ICU's dictionaries allow it; a word that is longer than a line is broken between
    /// graphemes.
    ///
    /// - Parameters:
    ///   - text: any text in any script; what must begin a new line does.
    ///   - style: size, weight, colour.
    ///   - maximumWidth: in pixels.
    ///   - maximumHeight: in pixels; one line there is in any case.
    func paragraph(_ text: String, style: TextStyle, maximumWidth: Double, maximumHeight: Double) -> [Line] {
        let words = Self.words(Self.bounded(text), language: style.language)
        guard !words.isEmpty else { return [] }
        // Measured once: the width of a word changes with the size, nearly evenly.
        let widths = words.map { shaper.shape($0.text, style: style).width }
        let bare = words.map { shaper.shape($0.trimmed, style: style).width }
        for factor in [1, 0.9, 0.8, Self.smallestFactor] {
            var style = style
            style.pixels = max(4, (style.pixels * factor * 4).rounded() / 4)
            let limit = max(1, Int(maximumHeight / (style.pixels * Self.lineHeight)))
            if let lines = broken(words, widths, bare, factor, style, maximumWidth, limit, mayCut: factor < 0.75) {
                return lines
            }
        }
        return []
    }

    /// A part of a text after which a line may end.
    struct Word {
        var text: String
        /// Whether a line must end after it.
        var isLast: Bool
        var trimmed: String { String(text.reversed().drop { $0.isWhitespace }.reversed()) }
    }

    /// Where lines may end.
    static func words(_ text: String, language: String) -> [Word] {
        let units = Array(text.utf16)
        guard !units.isEmpty else { return [] }
        var places = [Int32](repeating: 0, count: units.count)
        let count = text_line_breaks(units, Int32(units.count), language, &places, Int32(places.count))
        // Without ICU's data every grapheme is a word.
        guard count > 0 else { return text.map { Word(text: String($0), isLast: $0.isNewline) } }
        var words: [Word] = [], start = text.utf16.startIndex, offset = 0
        for place in places.prefix(Int(count)) {
            let isLast = place < 0, end = Int(isLast ? ~place : place)
            guard end > offset, let next = text.utf16.index(start, offsetBy: end - offset, limitedBy: text.endIndex)
            else { continue }
            words.append(Word(text: String(text[start..<next]), isLast: isLast))
            (start, offset) = (next, end)
        }
        return words
    }

    private func broken(
        _ words: [Word], _ widths: [Double], _ bare: [Double], _ factor: Double, _ style: TextStyle, _ width: Double,
        _ limit: Int, mayCut: Bool
    ) -> [Line]? {
        var lines: [Line] = [], at = 0, rest = ""
        while at < words.count || !rest.isEmpty {
            if lines.count == limit - 1 {
                // The last line takes what is left, or as much of it as there is room for.
                let text = (rest + words[at...].map(\.text).joined()).split(whereSeparator: \.isNewline)
                    .joined(separator: " ")
                let line = shaper.shape(text, style: style)
                if line.width <= width { return lines + [Line(shaped: line, style: style, text: text)] }
                return mayCut ? lines + [cut(text, style: style, maximumWidth: width)] : nil
            }
            let first = at
            var sum = rest.isEmpty ? 0 : shaper.shape(rest, style: style).width
            while at < words.count, at == first && rest.isEmpty || sum + bare[at] * factor <= width {
                sum += widths[at] * factor
                at += 1
                if words[at - 1].isLast { break }
            }
            func whole() -> String { rest + words[first..<at].map(\.text).joined() }
            func line() -> String { Word(text: whole(), isLast: false).trimmed }
            var text = line(), shaped = shaper.shape(text, style: style)
            // What was measured in parts may be a little wider in one piece.
            while shaped.width > width, at - first > 1 {
                at -= 1
                text = line()
                shaped = shaper.shape(text, style: style)
            }
            let all = whole()
            rest = ""
            if shaped.width > width {
                let head = fitting(text, style: style, width)
                // With the space that parts it from what follows.
                rest = String(all.dropFirst(head.count))
                text = head
                shaped = shaper.shape(head, style: style)
            }
            if text.isEmpty, at >= words.count { break }
            lines.append(Line(shaped: shaped, style: style, text: text))
        }
        return lines
    }

    /// The longest beginning of a word that fits; one grapheme at least.
    private func fitting(_ text: String, style: TextStyle, _ width: Double) -> String {
        let graphemes = Array(text)
        var (low, high) = (1, graphemes.count)
        while low + 1 < high {
            let middle = (low + high) / 2
            if shaper.shape(String(graphemes[..<middle]), style: style).width <= width {
                low = middle
            } else {
                high = middle
            }
        }
        return String(graphemes[..<max(1, low)])
    }
}
