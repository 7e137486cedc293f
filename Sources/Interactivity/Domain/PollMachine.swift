// The life of a poll: draft, open, closed, final; opened again; held again as a new run.

public import Media

/// One poll with what the public does not see of it.
///
/// Invariants: only a draft is edited; only `finish` makes results final; a run never changes back.
public struct PollMachine: Codable, Hashable, Sendable {
    /// After a poll has closed, ballots may come in for so long, for viewers who are behind.
    public static let maximumLagMilliseconds: Int64 = 60_000
    /// How much later than the close a playhead may be: a finger takes time.
    public static let answerGraceMilliseconds: Int64 = 1_000

    /// The poll as the public sees it.
    public private(set) var poll: Poll
    /// Counts changes, for entity tags.
    public private(set) var revision: Int
    /// Whether a producer has shown the results of this run.
    public private(set) var isRevealed: Bool
    /// Whether the results of this run can not change any more.
    public private(set) var isFinal: Bool
    /// Wall time of `closeAt`, once closed, in milliseconds since the Unix epoch.
    public private(set) var closedWallMilliseconds: Int64?
    /// Goes into the voters' keys of this run; leaves the database nowhere.
    public private(set) var salt: String

    /// Creates a draft.
    ///
    /// - Parameters:
    ///   - id: unique in the event.
    ///   - draft: a checked draft.
    ///   - salt: random.
    public init(id: String, draft: PollDraft, salt: String) {
        poll = Poll(
            id: id, run: 1, kind: draft.kind, question: draft.question, options: Self.options(draft), state: .draft,
            openedAt: nil, closeAt: nil, durationMs: draft.durationMs, resultsVisibility: draft.resultsVisibility,
            voteChange: draft.voteChange)
        revision = 1
        isRevealed = false
        isFinal = false
        self.salt = salt
    }

    private static func options(_ draft: PollDraft) -> [PollOption] {
        draft.options.enumerated().map { PollOption(id: "o\($0.offset + 1)", text: $0.element) }
    }

    /// Changes a draft.
    public mutating func edit(_ draft: PollDraft) throws(InteractivityError) {
        try require(.draft, "Only a draft can be changed.")
        poll.kind = draft.kind
        poll.question = draft.question
        poll.options = Self.options(draft)
        poll.durationMs = draft.durationMs
        poll.resultsVisibility = draft.resultsVisibility
        poll.voteChange = draft.voteChange
        revision += 1
    }

    /// Opens a draft at a program time.
    public mutating func open(at time: ProgramTime) throws(InteractivityError) {
        try require(.draft, "Only a draft can be opened; a closed poll is reopened or held again.")
        start(at: time)
    }

    /// Opens a closed poll again, with the ballots that it has.
    public mutating func reopen(at time: ProgramTime) throws(InteractivityError) {
        try require(.closed, "Only a closed poll can be reopened.")
        start(at: time)
    }

    private mutating func start(at time: ProgramTime) {
        poll.state = .open
        poll.openedAt = time
        poll.closeAt = poll.durationMs.map { time.advanced(byMilliseconds: $0) }
        closedWallMilliseconds = nil
        isFinal = false
        revision += 1
    }

    /// Closes an open poll; a `closeAt` that has passed already stays.
    ///
    /// - Parameters:
    ///   - time: now, on the program clock.
    ///   - wallMilliseconds: the same moment on the wall clock.
    public mutating func close(at time: ProgramTime, wallMilliseconds: Int64) throws(InteractivityError) {
        try require(.open, "Only an open poll can be closed.")
        let closeAt = min(poll.closeAt ?? time, time)
        poll.state = .closed
        poll.closeAt = closeAt
        closedWallMilliseconds = wallMilliseconds &- time.milliseconds(since: closeAt)
        revision += 1
    }

    /// Shows the results of a poll whose results wait for that.
    public mutating func reveal() throws(InteractivityError) {
        guard poll.resultsVisibility == .onReveal, poll.state != .draft else {
            throw .wrongState("Only a poll that has run with resultsVisibility onReveal can be revealed.")
        }
        isRevealed = true
        revision += 1
    }

    /// Makes the results final: no ballot is taken after this.
    public mutating func finish() throws(InteractivityError) {
        try require(.closed, "Only a closed poll has final results.")
        isFinal = true
        revision += 1
    }

    /// Makes a draft of the next run out of a closed poll; the ballots of earlier runs stay.
    public mutating func rerun(salt: String) throws(InteractivityError) {
        try require(.closed, "Only a closed poll can be held again.")
        poll.run += 1
        poll.state = .draft
        poll.openedAt = nil
        poll.closeAt = nil
        closedWallMilliseconds = nil
        isRevealed = false
        isFinal = false
        self.salt = salt
        revision += 1
    }

    private func require(_ state: Poll.State, _ reason: String) throws(InteractivityError) {
        guard poll.state == state else { throw .wrongState(reason) }
    }
}

extension PollMachine {
    /// Decides whether a ballot that arrives now still counts.
    ///
    /// A poll closes at a program time: a viewer whose playhead has not reached it may vote, but for 60 s at most.
    ///
    /// - Parameters:
    ///   - playhead: where the voter is, held inside what the voter can possibly see.
    ///   - wallMilliseconds: when the ballot arrived.
    public func admit(playhead: ProgramTime, wallMilliseconds: Int64) throws(InteractivityError) {
        guard poll.state != .draft else { throw .pollNotOpen }
        guard !isFinal else { throw .pollClosed }
        guard let closeAt = poll.closeAt else { return }
        guard playhead <= closeAt.advanced(byMilliseconds: Self.answerGraceMilliseconds) else { throw .pollClosed }
        if let closedWallMilliseconds {
            let limit = closedWallMilliseconds &+ Self.maximumLagMilliseconds &+ Self.answerGraceMilliseconds
            guard wallMilliseconds <= limit else { throw .pollClosed }
        }
    }

    /// Returns whether no ballot can come in any more, so that the results can be made final.
    ///
    /// - Parameters:
    ///   - earliestPlayhead: no viewer can be further behind than this.
    ///   - wallMilliseconds: now.
    public func isFinalDue(earliestPlayhead: ProgramTime, wallMilliseconds: Int64) -> Bool {
        guard poll.state == .closed, !isFinal, let closeAt = poll.closeAt, let closedWallMilliseconds else {
            return false
        }
        return earliestPlayhead > closeAt.advanced(byMilliseconds: Self.answerGraceMilliseconds)
            || wallMilliseconds &- closedWallMilliseconds
                > Self.maximumLagMilliseconds + Self.answerGraceMilliseconds
    }

    /// Whether the results may stand in the log that everybody reads.
    ///
    /// `afterVote` and `never` never do: what each person may see there is decided for each request.
    public var hasPublicResults: Bool {
        switch poll.resultsVisibility {
        case .live: poll.state != .draft
        case .afterClose: poll.state == .closed
        case .onReveal: isRevealed && poll.state != .draft
        case .afterVote, .never: false
        }
    }
}
