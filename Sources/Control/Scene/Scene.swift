// A scene: everything that the program shows, as one value.

/// What the program or the preview shows, exactly as the contract's JSON says it.
///
/// Unknown keys are refused with their name; missing ones have the defaults that stand here.
public struct Scene: Hashable, Sendable, Codable {
    /// The name of a layout.
    public var layout: String
    /// What lies behind everything; nil for the layout's own.
    public var background: Background?
    /// What fills the layout's slots, by the slot's name; a slot that is not named takes the layout's default.
    public var slots: [String: SlotSources]
    /// What lies over the picture.
    public var overlays: Overlays
    /// The deck and page that the source `slides` shows.
    public var slides: Slides?
    /// The video roll that is loaded, and what it does.
    public var media: MediaRoll?
    /// Levels of the sound.
    public var audio: SceneAudio

    /// Creates a scene.
    public init(
        layout: String, background: Background? = nil, slots: [String: SlotSources] = [:],
        overlays: Overlays = Overlays(), slides: Slides? = nil, media: MediaRoll? = nil,
        audio: SceneAudio = SceneAudio()
    ) {
        self.layout = layout
        self.background = background
        self.slots = slots
        self.overlays = overlays
        self.slides = slides
        self.media = media
        self.audio = audio
    }

    private enum CodingKeys: String, CodingKey, CaseIterable {
        case layout, background, slots, overlays, slides, media, audio
    }

    /// Reads a scene.
    public init(from decoder: any Decoder) throws {
        try decoder.refuseUnknownKeys(CodingKeys.self)
        let values = try decoder.container(keyedBy: CodingKeys.self)
        layout = try values.text(.layout, limit: 128)
        guard !layout.isEmpty else { throw values.invalid(.layout, "empty") }
        background = try values.decodeIfPresent(Background.self, forKey: .background)
        slots = try values.decodeIfPresent([String: SlotSources].self, forKey: .slots) ?? [:]
        guard slots.count <= 64 else { throw values.invalid(.slots, "more than 64 slots") }
        overlays = try values.decodeIfPresent(Overlays.self, forKey: .overlays) ?? Overlays()
        slides = try values.decodeIfPresent(Slides.self, forKey: .slides)
        media = try values.decodeIfPresent(MediaRoll.self, forKey: .media)
        audio = try values.decodeIfPresent(SceneAudio.self, forKey: .audio) ?? SceneAudio()
    }
}

/// What lies behind everything: a colour written `#RRGGBB`, or a picture written `image:ASSET`.
public enum Background: Hashable, Sendable, Codable {
    /// One colour.
    case color(RGBColor)
    /// A picture that fills the canvas, cropped in its middle.
    case image(String)

    /// Reads the string.
    public init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        if let color = RGBColor(text) {
            self = .color(color)
        } else if case .image(let asset)? = SceneSource(text) {
            self = .image(asset)
        } else {
            throw decoder.invalid("a background is a colour #RRGGBB or image:ASSET")
        }
    }

    /// Writes the string.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .color(let color): try container.encode(color.text)
        case .image(let asset): try container.encode("image:" + asset)
        }
    }
}

/// A page of a deck.
public struct Slides: Hashable, Sendable, Codable {
    /// The deck.
    public var deck: String
    /// The page, from 1.
    public var page: Int

    /// Creates a reference to a page, counted from 1.
    public init(deck: String, page: Int) {
        self.deck = deck
        self.page = page
    }

    private enum CodingKeys: String, CodingKey, CaseIterable { case deck, page }

    /// Reads deck and page.
    public init(from decoder: any Decoder) throws {
        try decoder.refuseUnknownKeys(CodingKeys.self)
        let values = try decoder.container(keyedBy: CodingKeys.self)
        deck = try values.text(.deck, limit: 128)
        page = try values.decode(Int.self, forKey: .page)
        guard (1...10_000).contains(page) else { throw values.invalid(.page, "pages are counted from 1") }
    }
}
