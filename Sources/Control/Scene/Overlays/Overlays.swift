// What a scene lays over the picture.

/// The overlays of a scene.
public struct Overlays: Hashable, Sendable, Codable {
    /// The name of the theme of all of them; nil for `default`.
    public var theme: String?
    /// The id of a font of the event, in which all of them are written; nil for those of the themes.
    public var font: String?
    /// Name and title of who is seen; at most 8, from the lower edge upwards.
    public var lowerThirds: [LowerThird]
    /// A line of text at the lower edge that runs when it is longer than the picture is wide.
    public var ticker: Ticker?
    /// A picture in a corner.
    public var logo: Logo?
    /// Time until a moment.
    public var countdown: Countdown?
    /// The time of day.
    public var clock: WallClock?
    /// What somebody wrote or asked.
    public var comment: Comment?
    /// A question and its bars.
    public var poll: PollCard?

    /// Creates overlays.
    public init(
        theme: String? = nil, font: String? = nil, lowerThirds: [LowerThird] = [], ticker: Ticker? = nil,
        logo: Logo? = nil,
        countdown: Countdown? = nil, clock: WallClock? = nil, comment: Comment? = nil, poll: PollCard? = nil
    ) {
        self.theme = theme
        self.font = font
        self.lowerThirds = lowerThirds
        self.ticker = ticker
        self.logo = logo
        self.countdown = countdown
        self.clock = clock
        self.comment = comment
        self.poll = poll
    }

    private enum CodingKeys: String, CodingKey, CaseIterable {
        case theme, font, lowerThirds, ticker, logo, countdown, clock, comment, poll
    }

    /// Reads overlays; each may be missing.
    public init(from decoder: any Decoder) throws {
        try decoder.refuseUnknownKeys(CodingKeys.self)
        let values = try decoder.container(keyedBy: CodingKeys.self)
        theme = try values.textIfPresent(.theme, limit: 64)
        font = try values.textIfPresent(.font, limit: 64)
        lowerThirds = try values.decodeIfPresent([LowerThird].self, forKey: .lowerThirds) ?? []
        guard lowerThirds.count <= 8 else { throw values.invalid(.lowerThirds, "more than 8 lower thirds") }
        let ids = lowerThirds.compactMap(\.id)
        guard Set(ids).count == ids.count else { throw values.invalid(.lowerThirds, "two have the same id") }
        ticker = try values.decodeIfPresent(Ticker.self, forKey: .ticker)
        logo = try values.decodeIfPresent(Logo.self, forKey: .logo)
        countdown = try values.decodeIfPresent(Countdown.self, forKey: .countdown)
        clock = try values.decodeIfPresent(WallClock.self, forKey: .clock)
        comment = try values.decodeIfPresent(Comment.self, forKey: .comment)
        poll = try values.decodeIfPresent(PollCard.self, forKey: .poll)
    }

    /// The themes that are named, with the JSON pointers below the overlays at which they are.
    public var namedThemes: [(name: String, pointer: String)] {
        (theme.map { [($0, "/theme")] } ?? [])
            + lowerThirds.enumerated().compactMap { at, third in
                third.theme.map { ($0, "/lowerThirds/\(at)/theme") }
            }
    }
}

/// Where a card lies.
public enum OverlayCorner: String, Sendable, Codable, Hashable, CaseIterable {
    /// One of the four corners, inside the margin.
    case topLeft, topRight, bottomLeft, bottomRight

    /// Whether it is on the right side.
    public var isRight: Bool { self == .topRight || self == .bottomRight }
    /// Whether it is at the lower edge.
    public var isLow: Bool { self == .bottomLeft || self == .bottomRight }
}

extension KeyedDecodingContainer {
    /// Decodes a language as BCP 47 writes it, such as `ja` or `zh-Hant`, when it is there.
    func languageIfPresent(_ key: Key) throws -> String? {
        guard let tag = try textIfPresent(key, limit: 35) else { return nil }
        let parts = tag.split(separator: "-", omittingEmptySubsequences: false)
        guard
            parts.allSatisfy({ part in
                (1...8).contains(part.utf8.count)
                    && part.utf8.allSatisfy { ($0 | 32 >= 97 && $0 | 32 <= 122) || ($0 >= 48 && $0 <= 57) }
            }), let first = parts.first, (2...3).contains(first.utf8.count)
        else { throw invalid(key, "a language is written as in BCP 47, such as ja or zh-Hant") }
        return tag
    }

    /// Decodes a number within bounds, when it is there.
    func number(_ key: Key, _ range: ClosedRange<Double>, standard: Double) throws -> Double {
        guard let value = try decodeIfPresent(Double.self, forKey: key) else { return standard }
        guard range.contains(value) else {
            func short(_ value: Double) -> String { value == value.rounded() ? String(Int(value)) : String(value) }
            throw invalid(key, "outside \(short(range.lowerBound))…\(short(range.upperBound))")
        }
        return value
    }

    /// Decodes how long something is seen, 500 ms to a day, when it is there.
    func durationIfPresent(_ key: Key) throws -> Int64? {
        guard let value = try decodeIfPresent(Int64.self, forKey: key) else { return nil }
        guard (500...86_400_000).contains(value) else { throw invalid(key, "outside 500…86400000") }
        return value
    }

    /// Decodes one word of several, when it is there.
    func choiceIfPresent<Choice: RawRepresentable & CaseIterable>(
        _ key: Key, _ type: Choice.Type
    ) throws -> Choice? where Choice.RawValue == String {
        guard let text = try decodeIfPresent(String.self, forKey: key) else { return nil }
        guard let choice = Choice(rawValue: text) else {
            throw invalid(key, "one of " + Choice.allCases.map(\.rawValue).joined(separator: ", "))
        }
        return choice
    }

    /// Decodes one word of several, or takes the usual one.
    func choice<Choice: RawRepresentable & CaseIterable>(
        _ key: Key, _ type: Choice.Type, standard: Choice
    ) throws -> Choice where Choice.RawValue == String {
        try choiceIfPresent(key, type) ?? standard
    }
}
