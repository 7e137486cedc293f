// An overlay as it was drawn once: parts that stand still, and what its moving parts are put together from.

/// A graphic at a place, held inside a rectangle.
struct PlacedOverlay: Equatable {
    var overlay: Overlay
    var x: Int, y: Int
    /// Where it is let through; nil for everywhere.
    var clip: PixelRect?

    static func == (a: Self, b: Self) -> Bool {
        a.overlay === b.overlay && a.x == b.x && a.y == b.y && a.clip == b.clip
    }
}

/// An overlay that is ready to be laid on pictures; places are from the upper left corner of its box.
final class OverlayGraphic: Sendable {
    /// What stands still, back to front.
    let still: [PlacedOverlay]
    /// What of the box may be touched, by the still and the moving parts.
    let bounds: PixelRect
    /// Whether its text begins at the right.
    let isRightToLeft: Bool
    /// What moves.
    let live: Live

    /// What the moving parts are put together from.
    enum Live: Sendable {
        case none
        case run(TickerRun)
        case digits(DigitRow)
        case poll(PollRows)
    }

    init(still: [PlacedOverlay], bounds: PixelRect, isRightToLeft: Bool = false, live: Live = .none) {
        self.still = still
        self.bounds = bounds.evened
        self.isRightToLeft = isRightToLeft
        self.live = live
    }

    /// How much memory it takes, about.
    var bytes: Int {
        let moving: [Overlay] =
            switch live {
            case .none: []
            case .run(let run): run.strips.flatMap { $0 }
            case .digits(let row): row.cells.overlays
            case .poll(let rows): [rows.bar] + (rows.percents?.overlays ?? []) + (rows.votes?.overlays ?? [])
            }
        return (still.map(\.overlay) + moving).reduce(256) { $0 + $1.bytes }
    }
}

/// A line of text that is longer than its place, as strips.
struct TickerRun: Sendable {
    /// The strips for even places, and the same a pixel further right for odd ones: colour lies on every second pixel.
    let strips: [[Overlay]]
    /// The width of all but the last strip, even.
    let stripWidth: Int
    /// The width of the text, and of the gap before it comes again.
    let width: Int, gap: Int
    let isRightToLeft: Bool

    /// The strips that are seen when the text has run for so many pixels: it comes in at one side, and again and again.
    ///
    /// - Parameters:
    ///   - run: how far it has run.
    ///   - place: where it runs.
    func placed(after run: Int64, in place: PixelRect) -> [PlacedOverlay] {
        let period = Int64(max(1, width + gap)), run = max(0, run)
        let last = run / period
        // The first that has not yet gone out at the other side.
        let first = max(0, (run - Int64(place.width + width)) / period)
        var parts: [PlacedOverlay] = []
        for turn in first...max(first, min(last, first + 64)) {
            let way = Int(run - turn * period)
            let left = isRightToLeft ? place.x + way - width : place.right - way
            let phase = left & 1
            for (index, strip) in strips[phase].enumerated() {
                let x = left - phase + index * stripWidth
                guard x < place.right, x + strip.width > place.x else { continue }
                parts.append(PlacedOverlay(overlay: strip, x: x, y: place.y, clip: place))
            }
        }
        return parts
    }
}

/// Characters of one size that are put together to times and numbers, without anything being laid out.
struct DigitCells: Sendable {
    struct Cell: Sendable {
        let overlay: Overlay
        /// Even.
        let advance: Int
    }
    let cells: [Character: Cell]
    /// From the top of a cell to the base line, and the height of cells.
    let height: Int

    var overlays: [Overlay] { cells.values.map(\.overlay) }

    func width(_ text: String) -> Int { text.reduce(0) { $0 + (cells[$1]?.advance ?? 0) } }

    /// The characters from an even place on; those that there are none of are left out.
    func placed(_ text: String, x: Int, y: Int) -> [PlacedOverlay] {
        var x = x & ~1, parts: [PlacedOverlay] = []
        for character in text {
            guard let cell = cells[character] else { continue }
            if cell.overlay.drawnPixels > 0 { parts.append(PlacedOverlay(overlay: cell.overlay, x: x, y: y & ~1)) }
            x += cell.advance
        }
        return parts
    }
}

/// The row of a time.
struct DigitRow: Sendable {
    let cells: DigitCells
    /// Where it lies; the time is in its middle.
    let rect: PixelRect

    func placed(_ text: String) -> [PlacedOverlay] {
        cells.placed(text, x: rect.x + (rect.width - cells.width(text)) / 2, y: rect.y)
    }
}

/// The bars and numbers of a poll.
struct PollRows: Sendable {
    /// A whole bar, and where each lies.
    let bar: Overlay
    let bars: [PixelRect]
    let isRightToLeft: Bool
    /// What percentages are written with, and where their far end is.
    let percents: DigitCells?
    let percentEnds: [(x: Int, y: Int)]
    /// What the number of votes is written with, and where its near end is.
    let votes: DigitCells?
    let votesStart: (x: Int, y: Int)
    /// All that may be touched.
    let area: PixelRect

    func placed(_ shares: [Int], votes count: Int?) -> [PlacedOverlay] {
        var parts: [PlacedOverlay] = []
        for (index, share) in shares.enumerated() where index < bars.count {
            var filled = bars[index]
            filled.width = min(filled.width, (filled.width * max(0, share) / 1000 + 1) & ~1)
            if isRightToLeft { filled.x = bars[index].right - filled.width }
            if filled.width > 0 {
                parts.append(PlacedOverlay(overlay: bar, x: bars[index].x, y: bars[index].y, clip: filled))
            }
            if let percents, index < percentEnds.count {
                let text = "\((share + 5) / 10)%", end = percentEnds[index]
                let x = isRightToLeft ? end.x : end.x - percents.width(text)
                parts += percents.placed(text, x: x, y: end.y)
            }
        }
        if let votes, let count {
            let text = String(count)
            let x = isRightToLeft ? votesStart.x - votes.width(text) : votesStart.x
            parts += votes.placed(text, x: x, y: votesStart.y)
        }
        return parts
    }
}
