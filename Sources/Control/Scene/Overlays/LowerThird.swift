// A lower third: who is seen.

/// Name and title of who is seen.
public struct LowerThird: Hashable, Sendable, Codable {
    /// Says that it is the same one when its text changes; unique in the scene.
    public var id: String?
    /// The name.
    public var name: String
    /// What they are; may be missing.
    public var title: String?
    /// The name of its theme; nil for that of all overlays.
    public var theme: String?
    /// The language of both, as BCP 47 writes it: it chooses between the forms of Han characters.
    public var lang: String?
    /// How long it is seen, in milliseconds from when it came; nil until it is taken away.
    public var durationMs: Int64?
    /// When it comes and goes, in program time; nil for always.
    public var fromProgramTime: Int64?, untilProgramTime: Int64?

    /// Creates a lower third.
    public init(
        id: String? = nil, name: String, title: String? = nil, theme: String? = nil, lang: String? = nil,
        durationMs: Int64? = nil, fromProgramTime: Int64? = nil, untilProgramTime: Int64? = nil
    ) {
        self.id = id
        self.name = name
        self.title = title
        self.theme = theme
        self.lang = lang
        self.durationMs = durationMs
        self.fromProgramTime = fromProgramTime
        self.untilProgramTime = untilProgramTime
    }

    private enum CodingKeys: String, CodingKey, CaseIterable {
        case id, name, title, theme, lang, durationMs, fromProgramTime, untilProgramTime
    }

    /// Reads a lower third.
    public init(from decoder: any Decoder) throws {
        try decoder.refuseUnknownKeys(CodingKeys.self)
        let values = try decoder.container(keyedBy: CodingKeys.self)
        id = try values.textIfPresent(.id, limit: 64)
        name = try values.text(.name, limit: 512)
        title = try values.textIfPresent(.title, limit: 512)
        theme = try values.textIfPresent(.theme, limit: 64)
        lang = try values.languageIfPresent(.lang)
        durationMs = try values.durationIfPresent(.durationMs)
        fromProgramTime = try values.decodeIfPresent(Int64.self, forKey: .fromProgramTime)
        untilProgramTime = try values.decodeIfPresent(Int64.self, forKey: .untilProgramTime)
    }
}
