// Counting votes.

/// How many votes each option of one run has.
public struct Tally: Codable, Hashable, Sendable {
    /// Votes by option id; every option of the poll is there.
    public private(set) var votes: [String: Int]
    /// How many people have voted.
    public private(set) var voters: Int

    /// Creates the tally of a poll without votes.
    public init(options: [PollOption]) {
        votes = Dictionary(options.map { ($0.id, 0) }, uniquingKeysWith: { first, _ in first })
        voters = 0
    }

    /// Counts votes for one option; single choice, so each vote is one voter.
    public mutating func add(_ count: Int, to option: String) {
        votes[option, default: 0] += count
        voters += count
    }
}

/// Results as they stand in the log and in answers.
public struct PollResults: Codable, Hashable, Sendable {
    /// The poll's id.
    public let poll: String
    /// The run.
    public let run: Int
    /// Votes by option id.
    public let tally: [String: Int]
    /// How many people have voted.
    public let voters: Int
    /// Whether votes may still come in.
    public let provisional: Bool

    /// Puts together the results of a poll.
    public init(_ machine: PollMachine, _ tally: Tally) {
        poll = machine.poll.id
        run = machine.poll.run
        self.tally = tally.votes
        voters = tally.voters
        provisional = !machine.isFinal
    }
}
