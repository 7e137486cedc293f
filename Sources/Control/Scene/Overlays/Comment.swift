// A comment or a question of somebody, on a card.

/// What somebody wrote or asked.
public struct Comment: Hashable, Sendable, Codable {
    /// Who; may be empty.
    public var name: String
    /// What.
    public var text: String
    /// Where the card lies.
    public var corner: OverlayCorner
    /// The language of the text, as BCP 47 writes it.
    public var lang: String?
    /// How long it is seen, in milliseconds from when it came; nil until it is taken away.
    public var durationMs: Int64?

    /// Creates a comment.
    public init(
        name: String, text: String, corner: OverlayCorner = .bottomLeft, lang: String? = nil, durationMs: Int64? = nil
    ) {
        self.name = name
        self.text = text
        self.corner = corner
        self.lang = lang
        self.durationMs = durationMs
    }

    private enum CodingKeys: String, CodingKey, CaseIterable { case name, text, corner, lang, durationMs }

    /// Reads a comment; it lies at the lower left when it does not say otherwise.
    public init(from decoder: any Decoder) throws {
        try decoder.refuseUnknownKeys(CodingKeys.self)
        let values = try decoder.container(keyedBy: CodingKeys.self)
        name = try values.text(.name, limit: 512)
        text = try values.text(.text, limit: 2048)
        corner = try values.choice(.corner, OverlayCorner.self, standard: .bottomLeft)
        lang = try values.languageIfPresent(.lang)
        durationMs = try values.durationIfPresent(.durationMs)
    }
}
