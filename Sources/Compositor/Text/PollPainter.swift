// Draws a poll once: question, answers and empty bars; what fills them moves.

import Control

extension GraphicsPainter {
    /// A question with its answers on a panel as high as they need.
    func poll(
        _ drawing: OverlayDrawing, _ question: String, _ options: [String], _ hasResults: Bool, _ hasVotes: Bool,
        _ language: String
    ) -> OverlayGraphic {
        let theme = drawing.theme, unit = drawing.unit, insets = Self.insets(theme, unit)
        let room = Double(drawing.width) - insets.start - insets.end
        var asked = theme.primary, answer = theme.primary, figure = theme.primary
        (asked.size, asked.weight) = (theme.primary.size * 0.78, .bold)
        (answer.size, answer.weight) = (theme.primary.size * 0.62, .regular)
        (figure.size, figure.weight) = (answer.size, .bold)
        let head = text.paragraph(
            question, style: drawing.style(asked, language), maximumWidth: room, maximumHeight: 7 * unit)
        let isRightToLeft = head.first?.isRightToLeft ?? false
        let percents = hasResults ? cells("0123456789%", style: drawing.style(figure, "")) : nil
        let figures = percents.map { Double($0.width("100%")) + 0.6 * unit } ?? 0
        let labels = options.map {
            text.line($0, style: drawing.style(answer, language), maximumWidth: max(unit, room - figures))
        }
        var small = theme.secondary
        small.size *= 0.8
        let votes = hasVotes ? cells("0123456789", style: drawing.style(small, "")) : nil
        let votesLine = hasVotes ? text.line("Votes", style: drawing.style(small, "en"), maximumWidth: room) : nil

        // From top to bottom: the question, then for each answer its text and its bar, then the number of votes.
        let barHeight = hasResults ? max(4, Int((0.5 * unit / 2).rounded()) * 2) : 0
        let gap = 0.7 * unit, under = hasResults ? 0.25 * unit : 0
        var high = insets.top + insets.bottom + head.reduce(0) { $0 + $1.ascent + $1.descent }
        for label in labels { high += gap + label.ascent + label.descent + under + Double(barHeight) }
        if let votesLine { high += gap + votesLine.ascent + votesLine.descent }
        let panel = drawing.place(drawing.width, Int(high.rounded(.up)))
        var bitmap = RGBABitmap(width: drawing.width, height: drawing.height)
        Self.panel(theme, unit, on: &bitmap, panel, isRightToLeft: isRightToLeft)

        let left = Double(panel.x) + (isRightToLeft ? insets.end : insets.start), right = left + room
        func draw(_ line: TextRenderer.Line, _ y: Double) {
            text.draw(
                line, on: &bitmap, x: line.isRightToLeft || isRightToLeft ? right - line.width : left,
                baseline: y.rounded())
        }
        var y = Double(panel.y) + insets.top
        for line in head {
            draw(line, y + line.ascent)
            y += line.ascent + line.descent
        }
        var bars: [PixelRect] = [], ends: [(x: Int, y: Int)] = []
        for label in labels {
            y += gap
            let baseline = y + label.ascent
            // A label of another direction than the card's begins where the card's text does.
            text.draw(
                label, on: &bitmap, x: isRightToLeft ? right - label.width : left, baseline: baseline.rounded())
            if let percents {
                // Cells end just below the base line.
                let top = Int(baseline) - percents.height + Int((label.pixels * 0.04).rounded(.up)) + 1
                ends.append((Int(isRightToLeft ? left : right) & ~1, top & ~1))
            }
            y += label.ascent + label.descent + under
            if hasResults {
                let bar = PixelRect(x: Int(left), y: Int(y), width: Int(room), height: barHeight).evened
                bitmap.fill(bar, radius: barHeight / 2, color: theme.secondary.color, alpha: 56)
                bars.append(bar)
                y += Double(barHeight)
            }
        }
        var votesStart = (x: 0, y: 0)
        if let votesLine, let votes {
            y += gap
            let baseline = (y + votesLine.ascent).rounded()
            let top = (Int(baseline) - votes.height + Int((votesLine.pixels * 0.04).rounded(.up)) + 1) & ~1
            // The number stands after the word, so that it may grow.
            if isRightToLeft {
                text.draw(votesLine, on: &bitmap, x: max(left, right - votesLine.width), baseline: baseline)
                votesStart = (Int(right - votesLine.width - 0.4 * unit) & ~1, top)
            } else {
                text.draw(votesLine, on: &bitmap, x: left, baseline: baseline)
                votesStart = (Int(left + votesLine.width + 0.4 * unit) & ~1, top)
            }
        }
        guard let place = bars.first else { return Self.graphic(bitmap, isRightToLeft: isRightToLeft) }
        var whole = RGBABitmap(width: place.width, height: place.height)
        whole.fill(
            PixelRect(width: place.width, height: place.height), radius: barHeight / 2,
            color: theme.accent?.color ?? theme.primary.color)
        let rows = PollRows(
            bar: Overlay(whole), bars: bars, isRightToLeft: isRightToLeft, percents: percents, percentEnds: ends,
            votes: votes, votesStart: votesStart, area: panel)
        return Self.graphic(bitmap, isRightToLeft: isRightToLeft, live: .poll(rows), including: panel)
    }
}
