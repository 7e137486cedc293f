// A poll as the public sees it, and what a producer may write into it.

public import Media

/// One option of a poll.
public struct PollOption: Codable, Hashable, Sendable {
    /// The option's id, unique in the poll.
    public let id: String
    /// Plain text, never markup.
    public let text: String
}

/// A poll as it stands in the log and in answers.
public struct Poll: Codable, Hashable, Sendable {
    /// What kind of answer a poll takes.
    public enum Kind: String, Codable, Sendable { case single }
    /// Where a poll is in its life.
    public enum State: String, Codable, Sendable { case draft, open, closed }
    /// Who sees results, and from when.
    public enum ResultsVisibility: String, Codable, Sendable { case live, afterVote, afterClose, onReveal, never }
    /// Whether a voter may choose anew.
    public enum VoteChange: String, Codable, Sendable { case never, untilClose }

    /// The poll's id, unique in the event.
    public let id: String
    /// The run, from 1; a poll that is held again counts its votes afresh.
    public var run: Int
    /// What kind of answer it takes.
    public var kind: Kind
    /// Plain text, never markup.
    public var question: String
    /// The options, in the order in which they are shown.
    public var options: [PollOption]
    /// Where it is in its life.
    public var state: State
    /// When it opened, on the program clock.
    public var openedAt: ProgramTime?
    /// When it closes or closed, on the program clock.
    public var closeAt: ProgramTime?
    /// How long it is open once it is opened, in milliseconds; nil until it is closed by hand.
    public var durationMs: Int64?
    /// Who sees results, and from when.
    public var resultsVisibility: ResultsVisibility
    /// Whether a voter may choose anew.
    public var voteChange: VoteChange
}

/// What a producer writes: a new poll, or a changed draft.
public struct PollDraft: Codable, Hashable, Sendable {
    /// What kind of answer it takes.
    public var kind: Poll.Kind
    /// The question, 1…500 characters.
    public var question: String
    /// 2…20 different options of 1…200 characters.
    public var options: [String]
    /// 1 s … 24 h, in milliseconds; nil until it is closed by hand.
    public var durationMs: Int64?
    /// Who sees results; `live` unless said otherwise.
    public var resultsVisibility: Poll.ResultsVisibility
    /// Whether a voter may choose anew; `never` unless said otherwise.
    public var voteChange: Poll.VoteChange

    /// Creates a draft.
    public init(
        kind: Poll.Kind = .single, question: String, options: [String], durationMs: Int64? = nil,
        resultsVisibility: Poll.ResultsVisibility = .live, voteChange: Poll.VoteChange = .never
    ) {
        self.kind = kind
        self.question = question
        self.options = options
        self.durationMs = durationMs
        self.resultsVisibility = resultsVisibility
        self.voteChange = voteChange
    }

    /// Checks the draft and returns it with its texts cleaned.
    ///
    /// - Throws: `InteractivityError.invalid` with the pointer of the first field that does not fit.
    public func checked() throws(InteractivityError) -> PollDraft {
        var draft = self
        draft.question = PlainText.clean(question)
        guard (1...500).contains(draft.question.count) else {
            throw .invalid("A question has 1 to 500 characters.", pointer: "/question")
        }
        guard (2...20).contains(options.count) else {
            throw .invalid("A poll has 2 to 20 options.", pointer: "/options")
        }
        draft.options = options.map(PlainText.clean)
        for (index, option) in draft.options.enumerated() {
            guard (1...200).contains(option.count) else {
                throw .invalid("An option has 1 to 200 characters.", pointer: "/options/\(index)")
            }
            guard draft.options.firstIndex(of: option) == index else {
                throw .invalid("Two options read the same.", pointer: "/options/\(index)")
            }
        }
        if let durationMs, !(1_000...86_400_000).contains(durationMs) {
            throw .invalid("A poll is open for 1 second to 24 hours.", pointer: "/durationMs")
        }
        return draft
    }
}

/// Text from people, made fit to be shown as text.
public enum PlainText {
    /// Trims a text and drops what could disturb its surroundings: control characters and explicit bidi marks.
    public static func clean(_ text: String) -> String {
        // A grapheme may hold any number of scalars; 4 per character are plenty for every script.
        let kept = text.unicodeScalars.prefix(4 * 2000).filter { scalar in
            switch scalar.value {
            case 0x202A...0x202E, 0x2066...0x2069, 0xFEFF: false
            case 0x09, 0x0A, 0x0D: true
            default: scalar.properties.generalCategory != .control
            }
        }
        let cleaned = String(String.UnicodeScalarView(kept))
        return cleaned.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }
}
