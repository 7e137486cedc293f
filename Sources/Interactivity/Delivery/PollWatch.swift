// Which polls have something due: a close, a broadcast, a final result.

import Media

/// Follows the polls of an event that are open, or closed and not final.
struct PollWatch {
    /// Tallies are sent on at most once in so long.
    static let broadcastMilliseconds: Int64 = 1000

    /// What is due.
    enum Due: Hashable, Sendable {
        case close(String)
        case finish(String)
        case broadcast(String)
    }

    private struct Watched {
        var machine: PollMachine
        var hasNewVotes = false
        var lastBroadcast: MonotonicTime?
    }

    private var watched: [String: Watched] = [:]

    /// Whether nothing is open or provisional.
    var isEmpty: Bool { watched.isEmpty }

    /// Takes the newest state of a poll.
    mutating func changed(_ machine: PollMachine) {
        let id = machine.poll.id
        guard machine.poll.state != .draft, !machine.isFinal else {
            watched[id] = nil
            return
        }
        watched[id, default: Watched(machine: machine)].machine = machine
    }

    /// Notes that a vote was counted.
    mutating func voted(_ poll: String) { watched[poll]?.hasNewVotes = true }

    /// Notes that the tally was sent on.
    mutating func broadcast(_ poll: String, at now: MonotonicTime) {
        watched[poll]?.hasNewVotes = false
        watched[poll]?.lastBroadcast = now
    }

    /// Returns what is due now.
    func due(programNow: ProgramTime, playheads: PlayheadWindow, now: Moment) -> [Due] {
        watched.compactMap { id, poll in
            if poll.machine.poll.state == .open, let closeAt = poll.machine.poll.closeAt, closeAt <= programNow {
                return .close(id)
            }
            let isFinalDue = poll.machine.isFinalDue(
                earliestPlayhead: playheads.earliest, wallMilliseconds: now.wallMilliseconds)
            if isFinalDue || (playheads.isImmediate && poll.machine.poll.state == .closed) { return .finish(id) }
            guard poll.hasNewVotes, poll.machine.hasPublicResults else { return nil }
            if let last = poll.lastBroadcast, now.monotonic.milliseconds(since: last) < Self.broadcastMilliseconds {
                return nil
            }
            return .broadcast(id)
        }
    }
}
