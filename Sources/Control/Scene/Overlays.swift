// What a scene lays over the picture.

/// The overlays of a scene.
public struct Overlays: Hashable, Sendable, Codable {
    /// Name and title of who is seen; at most 8.
    public var lowerThirds: [LowerThird]
    /// A line of text at the lower edge that runs when it is longer than the picture is wide.
    public var ticker: Ticker?
    /// A picture in a corner.
    public var logo: Logo?
    /// Time until a moment.
    public var countdown: Countdown?
    /// What somebody wrote.
    public var comment: Comment?
    /// A question and its bars.
    public var poll: PollCard?

    /// Creates overlays.
    public init(
        lowerThirds: [LowerThird] = [], ticker: Ticker? = nil, logo: Logo? = nil, countdown: Countdown? = nil,
        comment: Comment? = nil, poll: PollCard? = nil
    ) {
        self.lowerThirds = lowerThirds
        self.ticker = ticker
        self.logo = logo
        self.countdown = countdown
        self.comment = comment
        self.poll = poll
    }

    private enum CodingKeys: String, CodingKey, CaseIterable {
        case lowerThirds, ticker, logo, countdown, comment, poll
    }

    /// Reads overlays; each may be missing.
    public init(from decoder: any Decoder) throws {
        try decoder.refuseUnknownKeys(CodingKeys.self)
        let values = try decoder.container(keyedBy: CodingKeys.self)
        lowerThirds = try values.decodeIfPresent([LowerThird].self, forKey: .lowerThirds) ?? []
        guard lowerThirds.count <= 8 else { throw values.invalid(.lowerThirds, "more than 8 lower thirds") }
        ticker = try values.decodeIfPresent(Ticker.self, forKey: .ticker)
        logo = try values.decodeIfPresent(Logo.self, forKey: .logo)
        countdown = try values.decodeIfPresent(Countdown.self, forKey: .countdown)
        comment = try values.decodeIfPresent(Comment.self, forKey: .comment)
        poll = try values.decodeIfPresent(PollCard.self, forKey: .poll)
    }
}

/// Name and title of who is seen.
public struct LowerThird: Hashable, Sendable, Codable {
    /// The name.
    public var name: String
    /// What they are; may be missing.
    public var title: String?
    /// When it comes and goes, in program time; nil for always.
    public var fromProgramTime: Int64?, untilProgramTime: Int64?

    /// Creates a lower third.
    public init(name: String, title: String? = nil, fromProgramTime: Int64? = nil, untilProgramTime: Int64? = nil) {
        self.name = name
        self.title = title
        self.fromProgramTime = fromProgramTime
        self.untilProgramTime = untilProgramTime
    }

    private enum CodingKeys: String, CodingKey, CaseIterable { case name, title, fromProgramTime, untilProgramTime }

    /// Reads a lower third.
    public init(from decoder: any Decoder) throws {
        try decoder.refuseUnknownKeys(CodingKeys.self)
        let values = try decoder.container(keyedBy: CodingKeys.self)
        name = try values.text(.name, limit: 512)
        title = try values.textIfPresent(.title, limit: 512)
        fromProgramTime = try values.decodeIfPresent(Int64.self, forKey: .fromProgramTime)
        untilProgramTime = try values.decodeIfPresent(Int64.self, forKey: .untilProgramTime)
    }
}

/// A line of text at the lower edge.
public struct Ticker: Hashable, Sendable, Codable {
    /// The text.
    public var text: String

    /// Creates a ticker.
    public init(text: String) { self.text = text }

    private enum CodingKeys: String, CodingKey, CaseIterable { case text }

    /// Reads a ticker.
    public init(from decoder: any Decoder) throws {
        try decoder.refuseUnknownKeys(CodingKeys.self)
        text = try decoder.container(keyedBy: CodingKeys.self).text(.text, limit: 1024)
    }
}

/// A picture in a corner.
public struct Logo: Hashable, Sendable, Codable {
    /// Where it lies.
    public enum Corner: String, Sendable, Codable { case topLeft, topRight, bottomLeft, bottomRight }
    /// The picture.
    public var asset: String
    /// Where it lies.
    public var corner: Corner

    /// Creates a logo.
    public init(asset: String, corner: Corner = .topRight) {
        self.asset = asset
        self.corner = corner
    }

    private enum CodingKeys: String, CodingKey, CaseIterable { case asset, corner }

    /// Reads a logo; without a corner it lies at the upper right.
    public init(from decoder: any Decoder) throws {
        try decoder.refuseUnknownKeys(CodingKeys.self)
        let values = try decoder.container(keyedBy: CodingKeys.self)
        asset = try values.text(.asset, limit: 128)
        corner = try values.decodeIfPresent(Corner.self, forKey: .corner) ?? .topRight
    }
}

/// Time until a moment.
public struct Countdown: Hashable, Sendable, Codable {
    /// The program time at which it reaches zero.
    public var untilProgramTime: Int64
    /// A line above it.
    public var title: String?

    /// Creates a countdown.
    public init(untilProgramTime: Int64, title: String? = nil) {
        self.untilProgramTime = untilProgramTime
        self.title = title
    }

    private enum CodingKeys: String, CodingKey, CaseIterable { case untilProgramTime, title }

    /// Reads a countdown.
    public init(from decoder: any Decoder) throws {
        try decoder.refuseUnknownKeys(CodingKeys.self)
        let values = try decoder.container(keyedBy: CodingKeys.self)
        untilProgramTime = try values.decode(Int64.self, forKey: .untilProgramTime)
        title = try values.textIfPresent(.title, limit: 256)
    }

    /// What it shows at a moment: `M:SS`, or `H:MM:SS`; seconds are rounded up, so that 0:00 is the moment itself.
    public func text(at programTime: Int64) -> String {
        let left = max(0, min(untilProgramTime.subtractingReportingOverflow(programTime).partialValue, 359_999_000))
        let seconds = (left + 999) / 1000
        func two(_ value: Int64) -> String { value < 10 ? "0\(value)" : "\(value)" }
        let (hours, minutes) = (seconds / 3600, seconds / 60 % 60)
        return hours > 0 ? "\(hours):\(two(minutes)):\(two(seconds % 60))" : "\(minutes):\(two(seconds % 60))"
    }
}

/// What somebody wrote.
public struct Comment: Hashable, Sendable, Codable {
    /// Who.
    public var name: String
    /// What.
    public var text: String

    /// Creates a comment.
    public init(name: String, text: String) {
        self.name = name
        self.text = text
    }

    private enum CodingKeys: String, CodingKey, CaseIterable { case name, text }

    /// Reads a comment.
    public init(from decoder: any Decoder) throws {
        try decoder.refuseUnknownKeys(CodingKeys.self)
        let values = try decoder.container(keyedBy: CodingKeys.self)
        name = try values.text(.name, limit: 512)
        text = try values.text(.text, limit: 1024)
    }
}

/// A question and the share of each answer.
public struct PollCard: Hashable, Sendable, Codable {
    /// One answer.
    public struct Option: Hashable, Sendable, Codable {
        /// The answer.
        public var text: String
        /// How many of 100 chose it; nil while results are hidden.
        public var percent: Int?

        /// Creates an answer.
        public init(text: String, percent: Int? = nil) {
            self.text = text
            self.percent = percent
        }

        private enum CodingKeys: String, CodingKey, CaseIterable { case text, percent }

        /// Reads an answer.
        public init(from decoder: any Decoder) throws {
            try decoder.refuseUnknownKeys(CodingKeys.self)
            let values = try decoder.container(keyedBy: CodingKeys.self)
            text = try values.text(.text, limit: 256)
            percent = try values.decodeIfPresent(Int.self, forKey: .percent)
            if let percent, !(0...100).contains(percent) { throw values.invalid(.percent, "outside 0…100") }
        }
    }

    /// The question.
    public var question: String
    /// The answers; at most 8.
    public var options: [Option]

    /// Creates a card.
    public init(question: String, options: [Option]) {
        self.question = question
        self.options = options
    }

    private enum CodingKeys: String, CodingKey, CaseIterable { case question, options }

    /// Reads a card.
    public init(from decoder: any Decoder) throws {
        try decoder.refuseUnknownKeys(CodingKeys.self)
        let values = try decoder.container(keyedBy: CodingKeys.self)
        question = try values.text(.question, limit: 512)
        options = try values.decode([Option].self, forKey: .options)
        guard options.count <= 8 else { throw values.invalid(.options, "more than 8 options") }
    }
}
