// What the entries of a log add up to: the snapshot that a new reader gets.

import Foundation
import Media

/// One poll in a snapshot: the poll, and its last public results.
struct PollSnapshot: Codable, Hashable, Sendable {
    var poll: Poll
    var results: PollResults?

    private enum ExtraKeys: String, CodingKey { case results }

    init(poll: Poll) { self.poll = poll }

    init(from decoder: any Decoder) throws {
        poll = try Poll(from: decoder)
        results = try decoder.container(keyedBy: ExtraKeys.self).decodeIfPresent(PollResults.self, forKey: .results)
    }

    func encode(to encoder: any Encoder) throws {
        try poll.encode(to: encoder)
        var container = encoder.container(keyedBy: ExtraKeys.self)
        try container.encodeIfPresent(results, forKey: .results)
    }
}

/// What `poll.closed` says.
struct PollClosed: Codable, Hashable, Sendable {
    let poll: String, run: Int, closeAt: ProgramTime
}

/// What `reactions` says.
struct ReactionSums: Codable, Hashable, Sendable {
    let second: ProgramTime, counts: [String: Int]
}

/// The fold over one log; the timeline fills `polls`, the live log `reactions`.
struct LogState: Codable, Hashable, Sendable {
    /// In the order in which they were first opened.
    private(set) var polls: [PollSnapshot] = []
    /// All reactions since the start, by kind.
    private(set) var reactions: [String: Int] = [:]

    func poll(_ id: String) -> PollSnapshot? { polls.first { $0.poll.id == id } }

    /// Applies one entry; an entry that can not be read, from a newer version, changes nothing.
    mutating func apply(_ entry: LogEntry) {
        let data = Data(entry.data.utf8), decoder = JSONDecoder()
        switch entry.kind {
        case "poll.opened":
            guard let poll = try? decoder.decode(Poll.self, from: data) else { return }
            if let index = polls.firstIndex(where: { $0.poll.id == poll.id }) {
                let isSameRun = polls[index].poll.run == poll.run
                polls[index].poll = poll
                if !isSameRun { polls[index].results = nil }
            } else {
                polls.append(PollSnapshot(poll: poll))
            }
        case "poll.closed":
            guard let closed = try? decoder.decode(PollClosed.self, from: data),
                let index = polls.firstIndex(where: { $0.poll.id == closed.poll && $0.poll.run == closed.run })
            else { return }
            polls[index].poll.state = .closed
            polls[index].poll.closeAt = closed.closeAt
        case "poll.results":
            guard let results = try? decoder.decode(PollResults.self, from: data),
                let index = polls.firstIndex(where: { $0.poll.id == results.poll && $0.poll.run == results.run })
            else { return }
            polls[index].results = results
        case "reactions":
            guard let sums = try? decoder.decode(ReactionSums.self, from: data) else { return }
            for (kind, count) in sums.counts { reactions[kind, default: 0] &+= count }
        default: return
        }
    }
}
