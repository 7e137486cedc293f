// A ticker: a line of text that runs.

/// A line of text at the lower edge.
public struct Ticker: Hashable, Sendable, Codable {
    /// The text.
    public var text: String
    /// How fast it runs, in grid units (1/36 of the canvas's short side) per second, 0.5…20.
    public var speed: Double
    /// The language of the text, as BCP 47 writes it.
    public var lang: String?

    /// At 1080p and 30 frames per second it runs by four whole pixels a frame.
    public static let standardSpeed = 4.0

    /// Creates a ticker.
    public init(text: String, speed: Double = standardSpeed, lang: String? = nil) {
        self.text = text
        self.speed = speed
        self.lang = lang
    }

    private enum CodingKeys: String, CodingKey, CaseIterable { case text, speed, lang }

    /// Reads a ticker.
    public init(from decoder: any Decoder) throws {
        try decoder.refuseUnknownKeys(CodingKeys.self)
        let values = try decoder.container(keyedBy: CodingKeys.self)
        text = try values.text(.text, limit: 2048)
        speed = try values.number(.speed, 0.5...20, standard: Self.standardSpeed)
        lang = try values.languageIfPresent(.lang)
    }
}
