// What can fill a slot.

/// A source of a scene, written as the contract's string.
public enum SceneSource: Hashable, Sendable, Codable {
    /// The camera of a participant.
    case participant(String)
    /// The shared screen of a participant.
    case screen(String)
    /// The page of the deck that the scene shows.
    case slides
    /// A video roll.
    case media(String)
    /// A picture.
    case image(String)
    /// A stream that comes in over RTMPS.
    case ingest(String)
    /// The next speaker on stage who is not shown elsewhere.
    case auto
    /// Nothing.
    case none

    /// Reads the contract's string; nil when it is none of them.
    public init?(_ text: String) {
        switch text {
        case "slides": self = .slides
        case "auto": self = .auto
        case "none": self = .none
        default:
            guard let colon = text.firstIndex(of: ":") else { return nil }
            let id = String(text[text.index(after: colon)...])
            guard !id.isEmpty, id.utf8.count <= 128, id.unicodeScalars.allSatisfy({ $0.value > 32 && $0.value != 127 })
            else { return nil }
            switch text[..<colon] {
            case "participant": self = .participant(id)
            case "screen": self = .screen(id)
            case "media": self = .media(id)
            case "image": self = .image(id)
            case "ingest": self = .ingest(id)
            default: return nil
            }
        }
    }

    /// The kind that layouts accept; nil for `auto` and `none`.
    package var kind: Layout.Kind? {
        switch self {
        case .participant: .participant
        case .screen: .screen
        case .slides: .slides
        case .media: .media
        case .image: .image
        case .ingest: .ingest
        case .auto, .none: nil
        }
    }

    /// The contract's string.
    public var text: String {
        switch self {
        case .participant(let id): "participant:" + id
        case .screen(let id): "screen:" + id
        case .slides: "slides"
        case .media(let id): "media:" + id
        case .image(let id): "image:" + id
        case .ingest(let name): "ingest:" + name
        case .auto: "auto"
        case .none: "none"
        }
    }

    /// Reads the contract's string.
    public init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        guard let source = Self(text) else {
            throw decoder.invalid(
                "a source is participant:ID, screen:ID, slides, media:ASSET, image:ASSET, ingest:NAME, auto or none")
        }
        self = source
    }

    /// Writes the contract's string.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}

/// What fills a slot: one source or several, written as a string or an array of strings.
public struct SlotSources: Hashable, Sendable, Codable {
    /// The sources, in order; at most 64.
    public var sources: [SceneSource]

    /// Creates the content of a slot.
    public init(_ sources: [SceneSource]) { self.sources = sources }

    /// Reads a string or an array.
    public init(from decoder: any Decoder) throws {
        if let one = try? decoder.singleValueContainer().decode(String.self) {
            _ = one
            sources = [try SceneSource(from: decoder)]
            return
        }
        sources = try [SceneSource](from: decoder)
        guard sources.count <= 64 else { throw decoder.invalid("more than 64 sources") }
    }

    /// Writes a string for one source, an array otherwise.
    public func encode(to encoder: any Encoder) throws {
        if sources.count == 1 {
            try sources[0].encode(to: encoder)
        } else {
            var container = encoder.singleValueContainer()
            try container.encode(sources)
        }
    }
}
