// A countdown: how long it is until a moment of the program.

/// Time until a moment.
public struct Countdown: Hashable, Sendable, Codable {
    /// What becomes of it at zero: it stays at 0:00, goes away, or counts upwards from there.
    public enum AtZero: String, Sendable, Codable, Hashable, CaseIterable { case stay, hide, countUp }

    /// The program time at which it reaches zero.
    public var untilProgramTime: Int64
    /// A line above it.
    public var title: String?
    /// What becomes of it at zero.
    public var atZero: AtZero
    /// Where it lies; nil for the middle.
    public var corner: OverlayCorner?
    /// The language of the title, as BCP 47 writes it.
    public var lang: String?

    /// Creates a countdown.
    public init(
        untilProgramTime: Int64, title: String? = nil, atZero: AtZero = .stay, corner: OverlayCorner? = nil,
        lang: String? = nil
    ) {
        self.untilProgramTime = untilProgramTime
        self.title = title
        self.atZero = atZero
        self.corner = corner
        self.lang = lang
    }

    private enum CodingKeys: String, CodingKey, CaseIterable { case untilProgramTime, title, atZero, corner, lang }

    /// Reads a countdown; in the middle, and staying at zero, when it does not say otherwise.
    public init(from decoder: any Decoder) throws {
        try decoder.refuseUnknownKeys(CodingKeys.self)
        let values = try decoder.container(keyedBy: CodingKeys.self)
        untilProgramTime = try values.decode(Int64.self, forKey: .untilProgramTime)
        title = try values.textIfPresent(.title, limit: 256)
        atZero = try values.choice(.atZero, AtZero.self, standard: .stay)
        corner = try values.choiceIfPresent(.corner, OverlayCorner.self)
        lang = try values.languageIfPresent(.lang)
    }

    /// What it shows at a moment: `M:SS`, or `H:MM:SS`; seconds are rounded up, so that 0:00 is the moment itself.
    public func text(at programTime: Int64) -> String {
        let left = max(
            -359_999_000, min(untilProgramTime.subtractingReportingOverflow(programTime).partialValue, 359_999_000))
        var seconds = left > 0 ? (left + 999) / 1000 : 0
        if atZero == .countUp, left < 0 { seconds = -left / 1000 }
        func two(_ value: Int64) -> String { value < 10 ? "0\(value)" : "\(value)" }
        let (hours, minutes) = (seconds / 3600, seconds / 60 % 60)
        return hours > 0 ? "\(hours):\(two(minutes)):\(two(seconds % 60))" : "\(minutes):\(two(seconds % 60))"
    }
}
