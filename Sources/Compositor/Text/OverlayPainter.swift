// Draws overlays once: lower thirds, tickers, times, comments, logos; polls have a file of their own.

import Control
import Foundation

/// What a graphic is drawn from: an overlay without what changes in time.
struct OverlayDrawing: Hashable, Sendable {
    let drawing: OverlayOperation.Drawing
    let theme: OverlayTheme
    let width: Int, height: Int
    let isRight: Bool, isLow: Bool, isCentred: Bool
    let unit: Double
    private let identity: [UInt8]

    init(_ operation: OverlayOperation) {
        drawing = operation.drawing
        theme = operation.theme
        width = min(max(2, operation.rect.width), 8192)
        height = min(max(2, operation.rect.height), 8192)
        isRight = operation.isRight
        isLow = operation.isLow
        isCentred = operation.isCentred
        unit = operation.unit
        identity = drawing.identity
    }

    // Texts are compared byte by byte: a hash of Unicode's equality sorts marks, and takes minutes for piles of them.

    static func == (a: Self, b: Self) -> Bool {
        a.identity == b.identity && a.width == b.width && a.height == b.height && a.isRight == b.isRight
            && a.isLow == b.isLow && a.isCentred == b.isCentred && a.unit == b.unit && a.theme == b.theme
    }

    func hash(into hasher: inout Hasher) {
        hasher.combine(identity)
        hasher.combine(width)
        hasher.combine(height)
    }

    /// Where something of a size lies in the box.
    func place(_ width: Int, _ height: Int) -> PixelRect {
        let width = min(self.width, (width + 1) & ~1), height = min(self.height, (height + 1) & ~1)
        let x = isRight ? self.width - width : isCentred ? (self.width - width) / 2 : 0
        let y = isLow ? self.height - height : isCentred ? (self.height - height) / 2 : 0
        return PixelRect(x: x & ~1, y: y & ~1, width: width, height: height)
    }

    /// Pixels of units of the theme.
    func pixels(_ units: Double) -> Double { units * unit }

    func style(_ look: OverlayTheme.TextLook, factor: Double = 1, _ language: String) -> TextStyle {
        TextStyle(look, of: theme, unit: unit, factor: factor, language: language)
    }
}

extension OverlayOperation.Drawing {
    /// The kind and all texts, as bytes that are different for different drawings.
    fileprivate var identity: [UInt8] {
        var bytes: [UInt8] = []
        func add(_ kind: UInt8, _ texts: [String]) {
            bytes.append(kind)
            for text in texts {
                bytes += text.utf8
                // No UTF-8 has this byte.
                bytes.append(0xFF)
            }
        }
        switch self {
        case .lowerThird(let name, let title, let lang): add(1, [name, title ?? "", lang])
        case .ticker(let text, let lang): add(2, [text, lang])
        case .logo(let asset): add(3, [asset])
        case .time(let title, let shape, let lang): add(4, [title ?? "", shape, lang])
        case .comment(let name, let text, let lang): add(5, [name, text, lang])
        case .poll(let question, let options, let hasResults, let hasVotes, let lang):
            add(6, [question, lang, hasResults ? "r" : "", hasVotes ? "v" : ""] + options)
        }
        return bytes
    }
}

extension GraphicsPainter {
    /// Draws an overlay; nil for a logo whose picture is not there.
    ///
    /// - Parameters:
    ///   - drawing: what, how large, in which theme.
    ///   - image: finds the picture of a logo.
    func overlay(_ drawing: OverlayDrawing, image: (String) -> RGBABitmap?) -> OverlayGraphic? {
        switch drawing.drawing {
        case .lowerThird(let name, let title, let language):
            return lowerThird(drawing, name, title ?? "", language)
        case .ticker(let text, let language): return ticker(drawing, text, language)
        case .time(let title, let shape, let language): return time(drawing, title ?? "", shape, language)
        case .comment(let name, let text, let language): return comment(drawing, name, text, language)
        case .poll(let question, let options, let hasResults, let hasVotes, let language):
            return poll(drawing, question, options, hasResults, hasVotes, language)
        case .logo(let asset):
            guard let bitmap = image(asset)?.scaled(width: drawing.width, height: drawing.height) else { return nil }
            return Self.graphic(bitmap)
        }
    }

    /// Cuts what is transparent off, so that it takes neither time nor memory.
    static func graphic(
        _ bitmap: RGBABitmap, isRightToLeft: Bool = false, live: OverlayGraphic.Live = .none,
        including area: PixelRect? = nil
    ) -> OverlayGraphic {
        let (trimmed, x, y) = bitmap.trimmed()
        let rect = PixelRect(x: x, y: y, width: trimmed.width, height: trimmed.height)
        var bounds = area.map { rect.union($0) } ?? rect
        bounds = bounds.clipped(to: PixelRect(width: bitmap.width, height: bitmap.height))
        return OverlayGraphic(
            still: [PlacedOverlay(overlay: Overlay(trimmed), x: x, y: y)], bounds: bounds,
            isRightToLeft: isRightToLeft, live: live)
    }

    // MARK: - Panels

    /// Draws the panel and its bar; says where text may lie.
    static func panel(
        _ theme: OverlayTheme, _ unit: Double, on bitmap: inout RGBABitmap, _ rect: PixelRect, isRightToLeft: Bool
    ) {
        func even(_ units: Double) -> Int { Int((units * unit / 2).rounded()) * 2 }
        if let panel = theme.panel {
            bitmap.fill(
                rect, radius: Int((panel.corner * unit).rounded()), color: panel.color,
                alpha: UInt8(clamping: Int((panel.opacity * 255).rounded())))
        }
        guard let accent = theme.accent, accent.width > 0 else { return }
        let thick = max(2, even(accent.width)), radius = theme.panel.map { $0.corner > 0 } ?? true ? thick / 2 : 0
        var bar = rect
        switch accent.edge {
        case .start, .end:
            bar.width = thick
            if (accent.edge == .start) == isRightToLeft { bar.x = rect.right - thick }
        case .top: bar.height = thick
        case .bottom:
            bar.height = thick
            bar.y = rect.bottom - thick
        }
        bitmap.fill(bar, radius: radius, color: accent.color)
    }

    /// What panel and bar take from a box: at the start and the end of the text, above and below.
    static func insets(
        _ theme: OverlayTheme, _ unit: Double
    ) -> (start: Double, end: Double, top: Double, bottom: Double) {
        var insets = (
            start: (theme.panel?.paddingX ?? 0.2) * unit, end: (theme.panel?.paddingX ?? 0.2) * unit,
            top: (theme.panel?.paddingY ?? 0.2) * unit, bottom: (theme.panel?.paddingY ?? 0.2) * unit
        )
        if let accent = theme.accent {
            let thick = accent.width * unit
            switch accent.edge {
            case .start: insets.start += thick
            case .end: insets.end += thick
            case .top: insets.top += thick
            case .bottom: insets.bottom += thick
            }
        }
        return insets
    }

    /// A block of lines on a panel that is as large as they need, each at the side at which it begins.
    private func block(
        _ drawing: OverlayDrawing, _ lines: [TextRenderer.Line], gaps: [Double], isRightToLeft: Bool
    ) -> OverlayGraphic {
        let insets = Self.insets(drawing.theme, drawing.unit)
        let wide = (lines.map(\.width).max() ?? 0) + insets.start + insets.end
        var high = insets.top + insets.bottom
        for (line, gap) in zip(lines, gaps) { high += line.ascent + line.descent + gap }
        let panel = drawing.place(Int(wide.rounded(.up)), Int(high.rounded(.up)))
        var bitmap = RGBABitmap(width: drawing.width, height: drawing.height)
        Self.panel(drawing.theme, drawing.unit, on: &bitmap, panel, isRightToLeft: isRightToLeft)
        let left = isRightToLeft ? insets.end : insets.start
        let right = Double(panel.width) - (isRightToLeft ? insets.start : insets.end)
        // Where the box was too low for all, what there is is spread over it.
        var y = Double(panel.y) + insets.top + min(0, Double(panel.height) - high) / 2
        for (line, gap) in zip(lines, gaps) {
            y += gap + line.ascent
            let begins = line.isRightToLeft || isRightToLeft ? right - line.width : left
            text.draw(line, on: &bitmap, x: Double(panel.x) + begins, baseline: y.rounded())
            y += line.descent
        }
        return Self.graphic(bitmap, isRightToLeft: isRightToLeft)
    }

    // MARK: - Kinds

    private func lowerThird(
        _ drawing: OverlayDrawing, _ name: String, _ title: String, _ language: String
    ) -> OverlayGraphic {
        let theme = drawing.theme, insets = Self.insets(theme, drawing.unit)
        let room = Double(drawing.width) - insets.start - insets.end
        func lines(_ factor: Double) -> [TextRenderer.Line] {
            var lines = [
                text.line(name, style: drawing.style(theme.primary, factor: factor, language), maximumWidth: room)
            ]
            if !title.isEmpty {
                lines.append(
                    text.line(
                        title, style: drawing.style(theme.secondary, factor: factor, language), maximumWidth: room))
            }
            return lines
        }
        func height(_ lines: [TextRenderer.Line]) -> Double { lines.reduce(0) { $0 + $1.ascent + $1.descent } }
        var made = lines(1)
        // A place that is lower than the theme is large makes the letters smaller.
        let limit = Double(drawing.height) - insets.top - insets.bottom, needed = height(made)
        if needed > limit, needed > 0 { made = lines(max(0.3, limit / needed)) }
        return block(
            drawing, made, gaps: made.map { _ in 0 }, isRightToLeft: made.first?.isRightToLeft ?? false)
    }

    private func comment(
        _ drawing: OverlayDrawing, _ name: String, _ body: String, _ language: String
    ) -> OverlayGraphic {
        let theme = drawing.theme, insets = Self.insets(theme, drawing.unit)
        let room = Double(drawing.width) - insets.start - insets.end
        var who = theme.secondary, what = theme.primary
        who.weight = .bold
        (what.size, what.weight) = (theme.primary.size * 0.8, .regular)
        let nameLine = name.isEmpty ? nil : text.line(name, style: drawing.style(who, language), maximumWidth: room)
        let head = nameLine.map { $0.ascent + $0.descent } ?? 0
        let gap = drawing.pixels(0.2)
        let limit = Double(drawing.height) - insets.top - insets.bottom - head - gap
        let lines = text.paragraph(
            body, style: drawing.style(what, language), maximumWidth: room, maximumHeight: limit)
        let isRightToLeft = lines.first?.isRightToLeft ?? nameLine?.isRightToLeft ?? false
        let gaps = (nameLine == nil ? [] : [0]) + lines.indices.map { $0 == 0 && nameLine != nil ? gap : 0 }
        return block(drawing, (nameLine.map { [$0] } ?? []) + lines, gaps: gaps, isRightToLeft: isRightToLeft)
    }

    private func ticker(_ drawing: OverlayDrawing, _ body: String, _ language: String) -> OverlayGraphic {
        let theme = drawing.theme, box = PixelRect(width: drawing.width, height: drawing.height)
        var bitmap = RGBABitmap(width: drawing.width, height: drawing.height)
        var flat = theme
        flat.panel?.corner = 0
        // A bar at the side would cut into letters that run.
        if theme.accent?.edge == .start || theme.accent?.edge == .end { flat.accent = nil }
        Self.panel(flat, drawing.unit, on: &bitmap, box, isRightToLeft: false)
        var look = theme.primary
        (look.size, look.weight) = (1.12, .regular)
        let style = drawing.style(look, language), line = text.line(body, style: style, maximumWidth: .infinity)
        let baseline = ((Double(drawing.height) - line.ascent - line.descent) / 2 + line.ascent).rounded()
        let margin = drawing.pixels(1)
        guard line.width > Double(drawing.width) - 2 * margin else {
            let x = line.isRightToLeft ? Double(drawing.width) - margin - line.width : margin
            text.draw(line, on: &bitmap, x: x, baseline: baseline)
            return Self.graphic(bitmap, isRightToLeft: line.isRightToLeft)
        }
        let around = style.margin + 2, stripWidth = 1024
        let width = min(Int(line.width.rounded(.up)) + 2 * around, 65_536)
        let strips = (0...1).map { phase in
            stride(from: 0, to: width + phase, by: stripWidth).map { start in
                var strip = RGBABitmap(width: min(stripWidth, width + phase - start), height: drawing.height)
                text.draw(line, on: &strip, x: Double(around + phase - start), baseline: baseline)
                return Overlay(strip)
            }
        }
        let run = TickerRun(
            strips: strips, stripWidth: stripWidth, width: width, gap: Int(drawing.pixels(6)),
            isRightToLeft: line.isRightToLeft)
        return Self.graphic(bitmap, isRightToLeft: line.isRightToLeft, live: .run(run), including: box)
    }

    private func time(
        _ drawing: OverlayDrawing, _ title: String, _ shape: String, _ language: String
    ) -> OverlayGraphic {
        let theme = drawing.theme, insets = Self.insets(theme, drawing.unit)
        let room = Double(drawing.width) - insets.start - insets.end
        let high = Double(drawing.height) - insets.top - insets.bottom
        let titleLine =
            title.isEmpty
            ? nil
            : text.line(
                title,
                style: drawing.style(
                    theme.secondary, factor: min(1.4, high * 0.22 / drawing.pixels(theme.secondary.size)), language),
                maximumWidth: room)
        let head = titleLine.map { $0.ascent + $0.descent } ?? 0
        // Digits have no descenders.
        var look = theme.primary
        look.size = (high - head) / 0.95 / drawing.unit
        look.weight = .bold
        var style = drawing.style(look, "")
        style.hasTabularDigits = true
        let fitted = text.line(shape, style: style, maximumWidth: .infinity)
        if fitted.width > room * 0.94 { style.pixels = max(4, style.pixels * room * 0.94 / fitted.width) }
        let cells = cells("0123456789" + shape + (shape.hasSuffix("M") ? "AP" : ""), style: style)
        let rowHeight = cells.height, rowWidth = cells.width(shape)
        let wide = max(Double(rowWidth), titleLine?.width ?? 0) + insets.start + insets.end
        let panel = drawing.place(
            Int(wide.rounded(.up)), Int((insets.top + head + Double(rowHeight) + insets.bottom).rounded(.up)))
        var bitmap = RGBABitmap(width: drawing.width, height: drawing.height)
        let isRightToLeft = titleLine?.isRightToLeft ?? false
        Self.panel(theme, drawing.unit, on: &bitmap, panel, isRightToLeft: isRightToLeft)
        let middle =
            Double(panel.x)
            + ((isRightToLeft ? insets.end : insets.start)
                + Double(panel.width) - (isRightToLeft ? insets.start : insets.end)) / 2
        if let titleLine {
            text.draw(
                titleLine, on: &bitmap, x: middle - titleLine.width / 2,
                baseline: (Double(panel.y) + insets.top + titleLine.ascent).rounded())
        }
        let row = PixelRect(
            x: Int(middle) - rowWidth / 2, y: Int(Double(panel.y) + insets.top + head), width: rowWidth,
            height: rowHeight
        ).evened
        return Self.graphic(
            bitmap, isRightToLeft: isRightToLeft, live: .digits(DigitRow(cells: cells, rect: row)), including: row)
    }

    /// Each character by itself; digits all as wide as each other, on even pixels.
    func cells(_ characters: String, style: TextStyle) -> DigitCells {
        var style = style
        style.hasTabularDigits = true
        let lines = Set(characters).map { ($0, text.line(String($0), style: style, maximumWidth: .infinity)) }
        let above = style.pixels * 0.78 + Double(style.margin), below = style.pixels * 0.04 + Double(style.margin)
        let height = (Int((above + below).rounded(.up)) + 1) & ~1
        var cells: [Character: DigitCells.Cell] = [:]
        for (character, line) in lines {
            let advance = max(2, Int((line.width / 2).rounded(.up)) * 2)
            var bitmap = RGBABitmap(width: advance, height: height)
            text.draw(line, on: &bitmap, x: (Double(advance) - line.width) / 2, baseline: above.rounded())
            cells[character] = .init(overlay: Overlay(bitmap), advance: advance)
        }
        return DigitCells(cells: cells, height: height)
    }
}

extension RGBABitmap {
    /// The part that is not transparent, on even places; a transparent picture becomes 2×2.
    func trimmed() -> (bitmap: RGBABitmap, x: Int, y: Int) {
        var left = width, right = 0, top = height, bottom = 0
        pixels.withUnsafeBufferPointer { bytes in
            for y in 0..<height {
                for x in 0..<width where bytes[(y * width + x) * 4 + 3] > 0 {
                    left = min(left, x)
                    right = max(right, x + 1)
                    top = min(top, y)
                    bottom = y + 1
                }
            }
        }
        guard left < right, top < bottom else { return (RGBABitmap(width: 2, height: 2), 0, 0) }
        (left, top) = (left & ~1, top & ~1)
        var part = RGBABitmap(width: right - left, height: bottom - top, alpha: alpha)
        for y in 0..<part.height {
            let from = ((top + y) * width + left) * 4, to = y * part.width * 4
            part.pixels.replaceSubrange(to..<(to + part.width * 4), with: pixels[from..<(from + part.width * 4)])
        }
        return (part, left, top)
    }
}

extension PixelRect {
    /// The least rectangle that holds both.
    func union(_ other: Self) -> Self {
        guard !isEmpty else { return other }
        guard !other.isEmpty else { return self }
        let left = min(x, other.x), top = min(y, other.y)
        return Self(x: left, y: top, width: max(right, other.right) - left, height: max(bottom, other.bottom) - top)
    }
}
