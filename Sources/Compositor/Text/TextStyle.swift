// How a text is drawn: font, size, colours, what lies around its letters.

public import Control

/// How a text is drawn.
public struct TextStyle: Hashable, Sendable {
    /// The size of the em square in pixels.
    public var pixels: Double
    /// The family that is asked first.
    public var family: String
    /// Regular or bold.
    public var weight: FontWeight
    /// The colour.
    public var color: RGBColor
    /// A BCP 47 tag that chooses the forms of Han characters; empty for what the letters give away.
    public var language: String
    /// Whether all digits are as wide as each other.
    public var hasTabularDigits: Bool
    /// A line around the letters.
    public var outline: Outline?
    /// A shadow below them.
    public var shadow: Shadow?

    /// A line around letters.
    public struct Outline: Hashable, Sendable {
        /// Its colour.
        var color: RGBColor
        /// How far it reaches beyond the letter, in pixels.
        var pixels: Double
    }

    /// A shadow below letters.
    public struct Shadow: Hashable, Sendable {
        /// Its colour.
        var color: RGBColor
        /// 0…255.
        var opacity: UInt8
        /// To the right, downwards, and how far it is smeared, in whole pixels.
        var x: Int, y: Int, blur: Int
    }

    /// Creates a style.
    public init(
        pixels: Double, family: String = "Noto Sans", weight: FontWeight = .regular, color: RGBColor,
        language: String = "", hasTabularDigits: Bool = false
    ) {
        self.pixels = min(max(4, pixels.isFinite ? pixels : 4), 512)
        self.family = family
        self.weight = weight
        self.color = color
        self.language = language
        self.hasTabularDigits = hasTabularDigits
    }

    /// The style of a theme's letters.
    ///
    /// - Parameters:
    ///   - look: which letters.
    ///   - theme: font, outline and shadow.
    ///   - unit: pixels of a grid unit.
    ///   - factor: how much larger than the theme says.
    ///   - language: a BCP 47 tag, or empty.
    init(
        _ look: OverlayTheme.TextLook, of theme: OverlayTheme, unit: Double, factor: Double = 1, language: String = ""
    ) {
        self.init(
            pixels: look.size * unit * factor, family: theme.font, weight: look.weight == .bold ? .bold : .regular,
            color: look.color, language: language)
        if let outline = theme.outline, outline.width > 0 {
            self.outline = Outline(color: outline.color, pixels: max(0.5, min(16, outline.width * unit)))
        }
        if let shadow = theme.shadow, shadow.opacity > 0 {
            func pixels(_ units: Double) -> Int { max(-32, min(32, Int((units * unit).rounded()))) }
            self.shadow = Shadow(
                color: shadow.color, opacity: UInt8(clamping: Int((shadow.opacity * 255).rounded())),
                x: pixels(shadow.x), y: pixels(shadow.y), blur: pixels(shadow.blur))
        }
    }

    /// How far beyond the letters something is drawn.
    var margin: Int {
        let around = outline.map { Int($0.pixels.rounded(.up)) } ?? 0
        guard let shadow else { return around }
        return around + shadow.blur * 3 / 2 + max(abs(shadow.x), abs(shadow.y))
    }
}
