// An overlay at a moment: what is drawn once, what of it changes with time, and how visible it is.

public import Control

/// One overlay as it is to be drawn in one frame.
public struct OverlayOperation: Hashable, Sendable {
    /// What is drawn once, by the painter.
    public enum Drawing: Hashable, Sendable {
        /// Name and title.
        case lowerThird(name: String, title: String?, lang: String)
        /// A line of text that runs when it is longer than its place.
        case ticker(text: String, lang: String)
        /// A picture with transparency.
        case logo(asset: String)
        /// A line and, below it, a time as wide as `shape`, whose digits all stand for each other.
        case time(title: String?, shape: String, lang: String)
        /// What somebody wrote.
        case comment(name: String, text: String, lang: String)
        /// A question with its answers, with or without bars, and room for the number of votes.
        case poll(question: String, options: [String], hasResults: Bool, hasVotes: Bool, lang: String)
    }

    /// What changes from frame to frame, or from second to second, without anything being laid out again.
    public enum Live: Hashable, Sendable {
        /// Nothing.
        case none
        /// How far a ticker has run, in pixels.
        case run(Int64)
        /// The time that is shown.
        case time(String)
        /// The shares of the answers in thousandths, and how many have voted.
        case shares([Int], votes: Int?)
    }

    /// What is drawn once.
    public var drawing: Drawing
    /// What changes.
    public var live: Live
    /// How it looks.
    public var theme: OverlayTheme
    /// The box that it lies in when it has come.
    public var rect: PixelRect
    /// Where it lies in the box: cards are as large as their text.
    public var isRight: Bool, isLow: Bool, isCentred: Bool
    /// Pixels of a grid unit.
    public var unit: Double
    /// How opaque it is when it has come.
    public var opacity: UInt8
    /// How it comes or goes, and how much of it is there, of 65536.
    public var motion: OverlayTheme.Motion.Kind, part: Int
}

extension OverlayOperation: Encodable {
    private enum Keys: String, CodingKey {
        case overlay, name, title, text, lang, asset, shape, question, options, hasResults, hasVotes, run, time, shares
        case votes, theme, rect, align, opacity, motion, part
    }

    /// Writes an object; for tests and for looking at.
    public func encode(to encoder: any Encoder) throws {
        var out = encoder.container(keyedBy: Keys.self)
        func language(_ lang: String) throws { if !lang.isEmpty { try out.encode(lang, forKey: .lang) } }
        switch drawing {
        case .lowerThird(let name, let title, let lang):
            try out.encode("lowerThird", forKey: .overlay)
            try out.encode(name, forKey: .name)
            try out.encodeIfPresent(title, forKey: .title)
            try language(lang)
        case .ticker(let text, let lang):
            try out.encode("ticker", forKey: .overlay)
            try out.encode(text, forKey: .text)
            try language(lang)
        case .logo(let asset):
            try out.encode("logo", forKey: .overlay)
            try out.encode(asset, forKey: .asset)
        case .time(let title, let shape, let lang):
            try out.encode("time", forKey: .overlay)
            try out.encodeIfPresent(title, forKey: .title)
            try out.encode(shape, forKey: .shape)
            try language(lang)
        case .comment(let name, let text, let lang):
            try out.encode("comment", forKey: .overlay)
            try out.encode(name, forKey: .name)
            try out.encode(text, forKey: .text)
            try language(lang)
        case .poll(let question, let options, let hasResults, let hasVotes, let lang):
            try out.encode("poll", forKey: .overlay)
            try out.encode(question, forKey: .question)
            try out.encode(options, forKey: .options)
            try out.encode(hasResults, forKey: .hasResults)
            try out.encode(hasVotes, forKey: .hasVotes)
            try language(lang)
        }
        switch live {
        case .none: break
        case .run(let pixels): try out.encode(pixels, forKey: .run)
        case .time(let text): try out.encode(text, forKey: .time)
        case .shares(let shares, let votes):
            try out.encode(shares, forKey: .shares)
            try out.encodeIfPresent(votes, forKey: .votes)
        }
        try out.encode(theme.name, forKey: .theme)
        try out.encode(rect, forKey: .rect)
        try out.encode(
            (isLow ? "bottom" : isCentred ? "middle" : "top") + (isRight ? " right" : isCentred ? "" : " left"),
            forKey: .align)
        if opacity < 255 { try out.encode(opacity, forKey: .opacity) }
        if motion != .none {
            try out.encode(motion, forKey: .motion)
            try out.encode(part, forKey: .part)
        }
    }
}
