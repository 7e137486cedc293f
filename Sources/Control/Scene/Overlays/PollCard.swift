// A poll on screen: a question, and a bar for each answer.

/// A question and the share of each answer.
///
/// In a producer's scene it names a poll by its id, and Studio keeps what it shows up to date; or it says itself what it
/// shows.
public struct PollCard: Hashable, Sendable, Codable {
    /// One answer.
    public struct Option: Hashable, Sendable, Codable {
        /// The answer.
        public var text: String
        /// How many of 100 chose it; nil while results are hidden.
        public var percent: Int?

        /// Creates an answer.
        public init(text: String, percent: Int? = nil) {
            self.text = text
            self.percent = percent
        }

        private enum CodingKeys: String, CodingKey, CaseIterable { case text, percent }

        /// Reads an answer.
        public init(from decoder: any Decoder) throws {
            try decoder.refuseUnknownKeys(CodingKeys.self)
            let values = try decoder.container(keyedBy: CodingKeys.self)
            text = try values.text(.text, limit: 1024)
            percent = try values.decodeIfPresent(Int.self, forKey: .percent)
            if let percent, !(0...100).contains(percent) { throw values.invalid(.percent, "outside 0…100") }
        }
    }

    /// The poll whose question, answers and results are shown; nil when the card says them itself.
    public var id: String?
    /// The question; empty while it is not known what the named poll asks.
    public var question: String
    /// The answers; at most 8 are shown.
    public var options: [Option]
    /// How many have voted; nil is not shown.
    public var votes: Int?
    /// Whether results that may be seen are seen.
    public var showsResults: Bool
    /// Where the card lies.
    public var corner: OverlayCorner
    /// The language of question and answers, as BCP 47 writes it.
    public var lang: String?

    /// Creates a card.
    public init(
        id: String? = nil, question: String = "", options: [Option] = [], votes: Int? = nil, showsResults: Bool = true,
        corner: OverlayCorner = .topRight, lang: String? = nil
    ) {
        self.id = id
        self.question = question
        self.options = options
        self.votes = votes
        self.showsResults = showsResults
        self.corner = corner
        self.lang = lang
    }

    private enum CodingKeys: String, CodingKey, CaseIterable {
        case id, question, options, votes, showsResults = "results", corner, lang
    }

    /// Reads a card: either the id of a poll, or question and answers.
    public init(from decoder: any Decoder) throws {
        try decoder.refuseUnknownKeys(CodingKeys.self)
        let values = try decoder.container(keyedBy: CodingKeys.self)
        id = try values.textIfPresent(.id, limit: 64)
        if let id {
            guard !id.isEmpty else { throw values.invalid(.id, "empty") }
            for key in [CodingKeys.question, .options, .votes] where values.contains(key) {
                throw values.invalid(key, "a card that names a poll takes this from the poll")
            }
            (question, options, votes) = ("", [], nil)
        } else {
            question = try values.text(.question, limit: 2048)
            options = try values.decode([Option].self, forKey: .options)
            guard options.count <= 8 else { throw values.invalid(.options, "more than 8 options") }
            votes = try values.decodeIfPresent(Int.self, forKey: .votes)
            if let votes, !(0...1_000_000_000).contains(votes) { throw values.invalid(.votes, "outside 0…1000000000") }
        }
        showsResults = try values.decodeIfPresent(Bool.self, forKey: .showsResults) ?? true
        corner = try values.choice(.corner, OverlayCorner.self, standard: .topRight)
        lang = try values.languageIfPresent(.lang)
    }

    /// Writes a card: of one that names a poll, no more than that.
    public func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CodingKeys.self)
        if let id {
            try values.encode(id, forKey: .id)
        } else {
            try values.encode(question, forKey: .question)
            try values.encode(options, forKey: .options)
            try values.encodeIfPresent(votes, forKey: .votes)
        }
        try values.encode(showsResults, forKey: .showsResults)
        try values.encode(corner, forKey: .corner)
        try values.encodeIfPresent(lang, forKey: .lang)
    }
}

/// What a poll shows on screen now; hidden results are not in it.
public struct PollPicture: Hashable, Sendable, Codable {
    /// The question.
    public var question: String
    /// The answers, each with its share when results may be seen.
    public var options: [PollCard.Option]
    /// How many have voted, when results may be seen.
    public var votes: Int?

    /// Creates a picture of a poll; of more than 8 answers the first 8 are kept.
    public init(question: String, options: [PollCard.Option], votes: Int?) {
        self.question = question
        self.options = Array(options.prefix(8))
        self.votes = votes
    }
}

extension PollCard {
    /// The card with what its poll shows now; without the poll it stays empty.
    public func filled(from polls: [String: PollPicture]) -> PollCard {
        guard let id, let poll = polls[id] else { return self }
        var card = self
        card.question = poll.question
        card.options = poll.options
        card.votes = poll.votes
        return card
    }
}
