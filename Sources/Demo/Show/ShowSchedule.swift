// What the demo shows at each moment, as a function of the time since it began.

/// One picture of the show.
struct ShowStep: Hashable, Sendable {
    /// A layout, by its name in the API.
    enum Layout: String, Hashable, Sendable, CaseIterable {
        case grid, shareWithSpeakers = "share-with-speakers", full
    }

    var layout: Layout
    /// The slide, from 1.
    var page: Int
    /// Who fills the picture in `full` and is named beside the slides, from 0.
    var speaker: Int
}

/// The show: everybody, slides beside the speakers, one speaker; 20 s each, and again with other slides and speakers.
struct ShowSchedule: Sendable {
    /// How long a layout stays.
    static let layoutMs: Int64 = 20_000
    /// How long a slide stays: two for each turn of the slides.
    static let pageMs: Int64 = 10_000

    let pages: Int, speakers: Int

    /// Creates a schedule for a deck of `pages` pages and so many speakers, at least one of each.
    init(pages: Int, speakers: Int) {
        self.pages = max(1, pages)
        self.speakers = max(1, speakers)
    }

    /// Returns what is shown so many milliseconds after the beginning.
    func step(atMs elapsed: Int64) -> ShowStep {
        let elapsed = max(0, elapsed), count = Int64(ShowStep.Layout.allCases.count)
        let turn = elapsed / Self.layoutMs, round = turn / count
        let layout = ShowStep.Layout.allCases[Int(turn % count)]
        let perTurn = Self.layoutMs / Self.pageMs
        // Before its turn the deck stands at the page that comes next, after it at the page that was last.
        let turned: Int64 =
            switch layout {
            case .grid: 0
            case .shareWithSpeakers: elapsed % Self.layoutMs / Self.pageMs
            case .full: perTurn - 1
            }
        return ShowStep(
            layout: layout, page: Int((round * perTurn + turned) % Int64(pages)) + 1,
            speaker: Int(round % Int64(speakers)))
    }
}
