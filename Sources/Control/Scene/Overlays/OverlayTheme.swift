// A theme: how overlays look and move, read from a file as strictly as a layout, and checked.

/// How overlays look, and how they come and go.
///
/// Lengths are in grid units of 1/36 of the canvas's short side, as in layouts.
public struct OverlayTheme: Hashable, Sendable, Codable {
    /// The name that scenes use; a slug.
    public var name: String
    /// What a producer reads.
    public var title: String
    /// What lies behind the text; nil for nothing.
    public var panel: Panel?
    /// A bar at an edge of the panel, and the colour of what stands out; nil for none.
    public var accent: Accent?
    /// The family of the font; scripts that it lacks are drawn with others.
    public var font: String

    /// The family of a font that was uploaded.
    ///
    /// - Parameter asset: its id.
    public static func family(ofFont asset: String) -> String { "asset:" + asset }
    /// Names, questions, digits; titles and what is below.
    public var primary: TextLook, secondary: TextLook
    /// A line around the letters; nil for none.
    public var outline: Outline?
    /// A shadow below the letters; nil for none.
    public var shadow: Shadow?
    /// How overlays come and go.
    public var animation: Motion

    /// What lies behind the text.
    public struct Panel: Hashable, Sendable, Codable {
        /// Its colour.
        public var color: RGBColor
        /// 0…1.
        public var opacity: Double
        /// The radius of its corners, 0…4.
        public var corner: Double
        /// Between the edge and the text: above and below, and at the sides, 0…4.
        public var paddingY: Double, paddingX: Double
    }

    /// A bar at an edge of the panel.
    public struct Accent: Hashable, Sendable, Codable {
        /// The edge; `start` is where the text begins, so it is on the right for Arabic and Hebrew.
        public enum Edge: String, Sendable, Codable, CaseIterable { case start, end, top, bottom }
        /// Its colour.
        public var color: RGBColor
        /// How thick it is, 0…2.
        public var width: Double
        /// Where it lies.
        public var edge: Edge
    }

    /// How letters look.
    public struct TextLook: Hashable, Sendable, Codable {
        /// Two weights, which every font has.
        public enum Weight: String, Sendable, Codable, CaseIterable { case regular, bold }
        /// The colour.
        public var color: RGBColor
        /// The size of the em square, 0.4…6.
        public var size: Double
        /// The weight.
        public var weight: Weight
    }

    /// A line around the letters.
    public struct Outline: Hashable, Sendable, Codable {
        /// Its colour.
        public var color: RGBColor
        /// How thick it is, 0…0.5.
        public var width: Double
    }

    /// A shadow below the letters.
    public struct Shadow: Hashable, Sendable, Codable {
        /// Its colour.
        public var color: RGBColor
        /// 0…1.
        public var opacity: Double
        /// To the right and downwards, −1…1.
        public var x: Double, y: Double
        /// How soft it is, 0…1.
        public var blur: Double
    }

    /// How overlays come and go.
    public struct Motion: Hashable, Sendable, Codable {
        /// At once; through each other; from the nearest edge; uncovered from where the text begins.
        public enum Kind: String, Sendable, Codable, CaseIterable { case none, fade, slide, wipe }
        /// Even; fast, then slower; slow at both ends.
        public enum Ease: String, Sendable, Codable, CaseIterable { case linear, out, inOut }
        /// The kind.
        public var kind: Kind
        /// How long it takes, 0…1000 ms.
        public var milliseconds: Int64
        /// How fast when.
        public var ease: Ease
    }

    /// The name that is meant when none is named.
    public static let standardName = "default"

    /// The theme of a scene that names none, where no file says otherwise.
    public static let standard = OverlayTheme(
        name: standardName, title: "Dark panel, blue bar",
        panel: Panel(
            color: RGBColor(red: 12, green: 18, blue: 32), opacity: 0.85, corner: 0.32, paddingY: 0.5, paddingX: 1.1),
        accent: Accent(color: RGBColor(red: 64, green: 156, blue: 255), width: 0.25, edge: .start), font: "Noto Sans",
        primary: TextLook(color: RGBColor(red: 255, green: 255, blue: 255), size: 1.8, weight: .bold),
        secondary: TextLook(color: RGBColor(red: 196, green: 206, blue: 222), size: 1.2, weight: .regular),
        outline: nil, shadow: nil, animation: Motion(kind: .slide, milliseconds: 300, ease: .out))
}

extension OverlayTheme {
    private enum CodingKeys: String, CodingKey, CaseIterable {
        case name, title, panel, accent, font, primary, secondary, outline, shadow, animation
    }

    /// Reads and checks a theme.
    public init(from decoder: any Decoder) throws {
        try decoder.refuseUnknownKeys(CodingKeys.self)
        let values = try decoder.container(keyedBy: CodingKeys.self)
        name = try values.text(.name, limit: 64)
        guard Layout.isSlug(name) else { throw values.invalid(.name, "lower-case letters, digits and hyphens") }
        title = try values.textIfPresent(.title, limit: 128) ?? name
        panel = try values.decodeIfPresent(Panel.self, forKey: .panel)
        accent = try values.decodeIfPresent(Accent.self, forKey: .accent)
        font = try values.textIfPresent(.font, limit: 128) ?? Self.standard.font
        primary = try values.decode(TextLook.self, forKey: .primary)
        secondary = try values.decode(TextLook.self, forKey: .secondary)
        outline = try values.decodeIfPresent(Outline.self, forKey: .outline)
        shadow = try values.decodeIfPresent(Shadow.self, forKey: .shadow)
        animation = try values.decodeIfPresent(Motion.self, forKey: .animation) ?? Self.standard.animation
    }
}

extension OverlayTheme.Panel {
    private enum CodingKeys: String, CodingKey, CaseIterable { case color, opacity, corner, padding }

    /// Reads a panel; `padding` is `[above and below, at the sides]`.
    public init(from decoder: any Decoder) throws {
        try decoder.refuseUnknownKeys(CodingKeys.self)
        let values = try decoder.container(keyedBy: CodingKeys.self)
        color = try values.decode(RGBColor.self, forKey: .color)
        opacity = try values.number(.opacity, 0...1, standard: 1)
        corner = try values.number(.corner, 0...4, standard: 0)
        let padding = try values.decodeIfPresent([Double].self, forKey: .padding) ?? [0.5, 1]
        guard padding.count == 2, padding.allSatisfy({ (0...4).contains($0) }) else {
            throw values.invalid(.padding, "a padding is [above and below, at the sides], both in 0…4")
        }
        (paddingY, paddingX) = (padding[0], padding[1])
    }

    /// Writes a panel.
    public func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CodingKeys.self)
        try values.encode(color, forKey: .color)
        try values.encode(opacity, forKey: .opacity)
        try values.encode(corner, forKey: .corner)
        try values.encode([paddingY, paddingX], forKey: .padding)
    }
}

extension OverlayTheme.Accent {
    private enum CodingKeys: String, CodingKey, CaseIterable { case color, width, edge }

    /// Reads a bar; it lies at the start when it does not say otherwise.
    public init(from decoder: any Decoder) throws {
        try decoder.refuseUnknownKeys(CodingKeys.self)
        let values = try decoder.container(keyedBy: CodingKeys.self)
        color = try values.decode(RGBColor.self, forKey: .color)
        width = try values.number(.width, 0...2, standard: 0.25)
        edge = try values.choice(.edge, Edge.self, standard: .start)
    }
}

extension OverlayTheme.TextLook {
    private enum CodingKeys: String, CodingKey, CaseIterable { case color, size, weight }

    /// Reads the look of letters.
    public init(from decoder: any Decoder) throws {
        try decoder.refuseUnknownKeys(CodingKeys.self)
        let values = try decoder.container(keyedBy: CodingKeys.self)
        color = try values.decode(RGBColor.self, forKey: .color)
        guard values.contains(.size) else { throw values.invalid(.size, "missing") }
        size = try values.number(.size, 0.4...6, standard: 1)
        weight = try values.choice(.weight, Weight.self, standard: .regular)
    }
}

extension OverlayTheme.Outline {
    private enum CodingKeys: String, CodingKey, CaseIterable { case color, width }

    /// Reads an outline.
    public init(from decoder: any Decoder) throws {
        try decoder.refuseUnknownKeys(CodingKeys.self)
        let values = try decoder.container(keyedBy: CodingKeys.self)
        color = try values.decode(RGBColor.self, forKey: .color)
        width = try values.number(.width, 0...0.5, standard: 0.08)
    }
}

extension OverlayTheme.Shadow {
    private enum CodingKeys: String, CodingKey, CaseIterable { case color, opacity, offset, blur }

    /// Reads a shadow; `offset` is `[to the right, downwards]`.
    public init(from decoder: any Decoder) throws {
        try decoder.refuseUnknownKeys(CodingKeys.self)
        let values = try decoder.container(keyedBy: CodingKeys.self)
        color = try values.decode(RGBColor.self, forKey: .color)
        opacity = try values.number(.opacity, 0...1, standard: 0.6)
        let offset = try values.decodeIfPresent([Double].self, forKey: .offset) ?? [0, 0.06]
        guard offset.count == 2, offset.allSatisfy({ (-1...1).contains($0) }) else {
            throw values.invalid(.offset, "an offset is [to the right, downwards], both in −1…1")
        }
        (x, y) = (offset[0], offset[1])
        blur = try values.number(.blur, 0...1, standard: 0.15)
    }

    /// Writes a shadow.
    public func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CodingKeys.self)
        try values.encode(color, forKey: .color)
        try values.encode(opacity, forKey: .opacity)
        try values.encode([x, y], forKey: .offset)
        try values.encode(blur, forKey: .blur)
    }
}

extension OverlayTheme.Motion {
    private enum CodingKeys: String, CodingKey, CaseIterable { case kind, milliseconds = "ms", ease }

    /// Reads a motion.
    public init(from decoder: any Decoder) throws {
        try decoder.refuseUnknownKeys(CodingKeys.self)
        let values = try decoder.container(keyedBy: CodingKeys.self)
        kind = try values.choice(.kind, Kind.self, standard: .fade)
        milliseconds = try values.decodeIfPresent(Int64.self, forKey: .milliseconds) ?? 250
        guard (0...1000).contains(milliseconds) else { throw values.invalid(.milliseconds, "outside 0…1000") }
        ease = try values.choice(.ease, Ease.self, standard: .out)
    }
}
