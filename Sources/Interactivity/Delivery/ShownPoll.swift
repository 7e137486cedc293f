// A poll as the program may show it to everybody: hidden results are not in it.

import Media
import Synchronization
import Web

/// What everybody who watches may see of a poll now.
public struct ShownPoll: Sendable, Hashable {
    /// The question.
    public let question: String
    /// The answers, in order.
    public let options: [String]
    /// How many of 100 chose each, adding up to 100 once somebody has voted; nil while results are hidden.
    public let percents: [Int]?
    /// How many have voted; nil while results are hidden.
    public let voters: Int?

    init(_ poll: Poll, _ results: PollResults?) {
        question = poll.question
        options = poll.options.map(\.text)
        percents = results.map { results in Self.percents(poll.options.map { results.tally[$0.id] ?? 0 }) }
        voters = results?.voters
    }

    /// Whole percentages that add up to 100: what rounding down leaves goes to the largest remainders.
    static func percents(_ votes: [Int]) -> [Int] {
        let total = votes.reduce(0, +)
        guard total > 0 else { return votes.map { _ in 0 } }
        var percents = votes.map { $0 * 100 / total }
        let order = votes.indices.sorted { (votes[$0] * 100 % total, -$0) > (votes[$1] * 100 % total, -$1) }
        for at in order.prefix(100 - percents.reduce(0, +)) { percents[at] += 1 }
        return percents
    }
}

extension InteractivityService {
    /// Returns what the program may show of a poll now.
    ///
    /// Results are the ones that everybody sees: while a poll's own rule hides them, so does the program.
    ///
    /// - Parameters:
    ///   - id: of the poll.
    ///   - event: the event's slug.
    /// - Returns: nil when there is no such poll.
    public func shown(_ id: String, event: String) async throws -> ShownPoll? {
        let room = try await room(event)
        let snapshot = room.state.withLock { $0.carriers[.immediate]?.timeline.poll(id) }
        guard let snapshot else {
            // A draft stands in no log.
            let machine = try await writer.perform { transaction in try transaction.poll(id, in: room.key) }
            return machine.map { ShownPoll($0.poll, nil) }
        }
        let poll = snapshot.poll
        let results: PollResults? =
            switch poll.resultsVisibility {
            case .live: snapshot.results ?? PollResults(emptyFor: poll)
            case .afterClose: poll.state == .closed ? snapshot.results : nil
            case .onReveal: snapshot.results
            case .afterVote, .never: nil
            }
        return ShownPoll(poll, results)
    }
}
