// One overlay on screen: since when, until when, and how visible it is at a moment.

public import Control
public import Media

/// What is laid over the picture, one by one.
public enum OverlayItem: Hashable, Sendable {
    /// Who is seen.
    case lowerThird(LowerThird)
    /// A line of text at the lower edge.
    case ticker(Ticker)
    /// A picture in a corner.
    case logo(Logo)
    /// Time until a moment.
    case countdown(Countdown)
    /// The time of day.
    case clock(WallClock)
    /// What somebody wrote.
    case comment(Comment)
    /// A question and its bars.
    case poll(PollCard)

    /// Kinds are drawn in this order, the last one on top.
    var rank: Int {
        switch self {
        case .logo: 0
        case .countdown: 1
        case .clock: 2
        case .poll: 3
        case .comment: 4
        case .lowerThird: 5
        case .ticker: 6
        }
    }

    /// How long the scene lets it be seen, and between which program times.
    var limits: (durationMs: Int64?, from: Int64?, until: Int64?) {
        switch self {
        case .lowerThird(let third): (third.durationMs, third.fromProgramTime, third.untilProgramTime)
        case .comment(let comment): (comment.durationMs, nil, nil)
        case .ticker, .logo, .countdown, .clock, .poll: (nil, nil, nil)
        }
    }
}

/// An overlay with the moments at which it came and went: how it looks at any other follows from these.
public struct OverlayPresence: Hashable, Sendable {
    /// How an overlay comes or goes.
    public enum Passage: Hashable, Sendable {
        /// At once: it was there from the beginning, or a transition of the whole picture brings it.
        case cut
        /// As its theme says.
        case theme
        /// Through another one in its place.
        case dissolve
    }

    /// What it shows.
    public var item: OverlayItem
    /// How it looks.
    public var theme: OverlayTheme
    /// Of lower thirds: how many are below it, and how many were before, and since when.
    var place = 0, formerPlace = 0
    var movedAt: ProgramTime?
    /// When it came; nil for always.
    public var shownAt: ProgramTime?
    /// When it was taken away; nil while it is wanted.
    public var hiddenAt: ProgramTime?
    /// How it comes and goes.
    public var entry = Passage.cut, exit = Passage.theme
    /// Of polls: the shares in thousandths that the bars come from, and since when.
    var formerShares: [Int] = []
    var countedAt: ProgramTime?

    /// Creates an overlay that is there.
    public init(_ item: OverlayItem, theme: OverlayTheme, place: Int = 0) {
        self.item = item
        self.theme = theme
        self.place = place
        formerPlace = place
    }

    /// A change is seen in the frame that carries its program time, so a motion has begun one frame before.
    static let leadMs: Int64 = 33
    /// How long it takes one overlay to become another in its place, and bars to grow.
    static let dissolveMs: Int64 = 240, growMs: Int64 = 500
    /// All of it.
    static let whole = 1 << 16

    private func length(_ passage: Passage) -> Int64 {
        switch passage {
        case .cut: 0
        case .theme: theme.animation.kind == .none ? 0 : theme.animation.milliseconds
        case .dissolve: Self.dissolveMs
        }
    }

    /// When it starts to come and how, and when it starts to go and how.
    private var course: (start: Int64?, entry: Passage, leave: Int64?, exit: Passage) {
        let limits = item.limits
        var start = shownAt?.milliseconds, entry = entry
        if let from = limits.from, from > start ?? .min { (start, entry) = (from, .theme) }
        var leave = hiddenAt?.milliseconds, exit = exit
        var gone = limits.until
        if let duration = limits.durationMs, let start {
            gone = min(gone ?? .max, start.addingReportingOverflow(duration).partialValue)
        }
        // What has a time to be gone by is gone by then: it goes before.
        if let gone {
            let early = gone.subtractingReportingOverflow(length(.theme) &+ Self.leadMs).partialValue
            if early < leave ?? .max { (leave, exit) = (early, .theme) }
        }
        return (start, entry, leave, exit)
    }

    /// How much of it is there at a moment, and by which motion.
    ///
    /// - Returns: nil when nothing is to be seen of it.
    func visibility(at time: ProgramTime) -> (kind: OverlayTheme.Motion.Kind, part: Int)? {
        let course = course, now = time.milliseconds
        func kind(_ passage: Passage) -> OverlayTheme.Motion.Kind {
            switch passage {
            case .cut: .none
            case .theme: theme.animation.kind
            case .dissolve: .fade
            }
        }
        /// The part of a way that lasts `length` and began at `start`.
        func part(_ start: Int64, _ length: Int64) -> Int {
            let elapsed = now.subtractingReportingOverflow(start).partialValue &+ Self.leadMs
            guard length > 0, elapsed < length else { return Self.whole }
            return Int(max(0, elapsed) * Int64(Self.whole) / length)
        }
        if let leave = course.leave, now >= leave {
            let left = Self.whole - part(leave, length(course.exit))
            return left > 0 ? (kind(course.exit), Self.eased(left, theme.animation.ease)) : nil
        }
        guard let start = course.start else { return (.none, Self.whole) }
        guard now >= start else { return nil }
        let come = part(start, length(course.entry))
        return come < Self.whole ? (kind(course.entry), Self.eased(come, theme.animation.ease)) : (.none, come)
    }

    /// How many places up a lower third lies at a moment, in 65536ths: it glides when others come and go.
    func height(at time: ProgramTime) -> Int {
        guard let movedAt, place != formerPlace else { return place * Self.whole }
        let length = max(1, length(.theme))
        let elapsed = max(0, time.milliseconds(since: movedAt) &+ Self.leadMs)
        guard elapsed < length else { return place * Self.whole }
        let part = Self.eased(Int(elapsed * Int64(Self.whole) / length), theme.animation.ease)
        return formerPlace * Self.whole + (place - formerPlace) * part
    }

    /// The shares of a poll's answers at a moment, in thousandths.
    func shares(at time: ProgramTime) -> [Int] {
        guard case .poll(let card) = item else { return [] }
        let goal = card.shares
        guard let countedAt else { return goal }
        let elapsed = max(0, time.milliseconds(since: countedAt) &+ Self.leadMs)
        guard elapsed < Self.growMs else { return goal }
        let part = Self.eased(Int(elapsed * Int64(Self.whole) / Self.growMs), .out)
        return goal.enumerated().map { index, goal in
            let former = index < formerShares.count ? formerShares[index] : 0
            return former + (goal - former) * part / Self.whole
        }
    }

    /// Whether nothing will be seen of it any more.
    func isOver(at time: ProgramTime) -> Bool {
        guard let hiddenAt else { return false }
        return time.milliseconds(since: hiddenAt) &+ Self.leadMs >= length(exit)
    }

    /// Whether nothing of it moves by itself from now on.
    func isSettled(at time: ProgramTime) -> Bool { visibility(at: time).map { $0.kind == .none } ?? false }

    /// How far a motion is when `part` of its time has gone, both of 65536; whole numbers, so that it is the same everywhere.
    static func eased(_ part: Int, _ ease: OverlayTheme.Motion.Ease) -> Int {
        let whole = Self.whole, rest = whole - part
        func cube(_ value: Int) -> Int { value * value / whole * value / whole }
        switch ease {
        case .linear: return part
        case .out: return whole - cube(rest)
        case .inOut: return part < whole / 2 ? 4 * cube(part) : whole - 4 * cube(rest)
        }
    }
}

extension PollCard {
    /// The shares in thousandths, as far as they are shown.
    var shares: [Int] { hasResults ? options.map { ($0.percent ?? 0) * 10 } : [] }

    /// Whether there is a share to show.
    var hasResults: Bool { showsResults && options.contains { $0.percent != nil } }

    /// Whether two cards differ in nothing but their numbers.
    func isSameQuestion(as other: PollCard) -> Bool {
        question == other.question && options.map(\.text) == other.options.map(\.text) && corner == other.corner
            && lang == other.lang && hasResults == other.hasResults && (votes == nil) == (other.votes == nil)
    }
}
