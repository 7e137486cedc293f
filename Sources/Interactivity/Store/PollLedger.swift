// Everything that can be done to a poll, inside one transaction.

import Media
import Web

/// What a piece of work on a poll came to.
struct PollOutcome: Sendable {
    var machine: PollMachine
    /// The entries that it added to the logs, in order.
    var entries: [LogEntry] = []
    /// The results at that moment, where they were read.
    var results: PollResults?
}

/// Does things to polls inside one transaction: the serial order of ballots, openings and closings.
struct PollLedger {
    /// No event has more polls.
    static let pollLimit = 500

    let transaction: any StoreTransaction
    let event: EventKey
    let programNow: ProgramTime
    let wallMilliseconds: Int64
    let playheads: PlayheadWindow

    /// The program time of what happens now: never before what the timeline has already.
    private func stamp() throws -> ProgramTime {
        max(programNow, try transaction.head(.timeline, of: event).programTime)
    }

    private func machine(_ id: String) throws -> PollMachine {
        guard let machine = try transaction.poll(id, in: event) else { throw InteractivityError.unknownPoll }
        return machine
    }

    private func append(_ kind: String, _ machine: PollMachine, _ time: ProgramTime, _ data: some Encodable) throws
        -> LogEntry
    {
        try transaction.append(
            .timeline, of: event, programTime: time, wall: wallMilliseconds, kind: kind, key: machine.poll.id,
            data: try JSONText.of(data))
    }

    func create(_ draft: PollDraft, id: String, salt: String, opens: Bool) throws -> PollOutcome {
        guard try transaction.polls(in: event).count < Self.pollLimit else {
            throw InteractivityError.wrongState("An event has no more than \(Self.pollLimit) polls.")
        }
        let machine = PollMachine(id: id, draft: draft, salt: salt)
        try transaction.save(machine, in: event)
        return opens ? try open(id) : PollOutcome(machine: machine)
    }

    /// Changes a draft, unless it was changed since the caller read it.
    func edit(
        _ id: String, ifUnchanged: (PollMachine) -> Bool, _ change: (Poll) throws -> PollDraft
    ) throws -> PollOutcome {
        var machine = try machine(id)
        guard ifUnchanged(machine) else { throw InteractivityError.changed }
        try machine.edit(try change(machine.poll))
        try transaction.save(machine, in: event)
        return PollOutcome(machine: machine)
    }

    func open(_ id: String) throws -> PollOutcome {
        try opened(id) { (machine, time) throws(InteractivityError) in try machine.open(at: time) }
    }

    func reopen(_ id: String) throws -> PollOutcome {
        try opened(id) { (machine, time) throws(InteractivityError) in try machine.reopen(at: time) }
    }

    private func opened(
        _ id: String, _ transition: (inout PollMachine, ProgramTime) throws(InteractivityError) -> Void
    ) throws -> PollOutcome {
        var machine = try machine(id)
        try transition(&machine, try stamp())
        try transaction.save(machine, in: event)
        let entry = try append("poll.opened", machine, machine.poll.openedAt ?? programNow, machine.poll)
        return PollOutcome(machine: machine, entries: [entry])
    }

    /// Closes a poll; where everybody sees everything at once, its results are final in the same moment.
    func close(_ id: String) throws -> PollOutcome {
        var machine = try machine(id)
        try machine.close(at: try stamp(), wallMilliseconds: wallMilliseconds)
        if playheads.isImmediate { try machine.finish() }
        try transaction.save(machine, in: event)
        let closeAt = machine.poll.closeAt ?? programNow
        let closed = PollClosed(poll: id, run: machine.poll.run, closeAt: closeAt)
        var outcome = PollOutcome(machine: machine, entries: [try append("poll.closed", machine, closeAt, closed)])
        try publishResults(&outcome)
        return outcome
    }

    func finish(_ id: String) throws -> PollOutcome {
        var machine = try machine(id)
        try machine.finish()
        try transaction.save(machine, in: event)
        var outcome = PollOutcome(machine: machine)
        try publishResults(&outcome)
        return outcome
    }

    func reveal(_ id: String) throws -> PollOutcome {
        var machine = try machine(id)
        try machine.reveal()
        try transaction.save(machine, in: event)
        var outcome = PollOutcome(machine: machine)
        try publishResults(&outcome)
        return outcome
    }

    /// Makes the next run; results of this one that were still provisional become final with it.
    func rerun(_ id: String, salt: String) throws -> PollOutcome {
        var outcome = PollOutcome(machine: try machine(id))
        if outcome.machine.poll.state == .closed, !outcome.machine.isFinal { outcome = try finish(id) }
        try outcome.machine.rerun(salt: salt)
        try transaction.save(outcome.machine, in: event)
        return outcome
    }

    func broadcast(_ id: String) throws -> PollOutcome {
        var outcome = PollOutcome(machine: try machine(id))
        try publishResults(&outcome)
        return outcome
    }

    func results(_ id: String) throws -> PollOutcome {
        let machine = try machine(id)
        return PollOutcome(
            machine: machine, results: PollResults(machine, try transaction.tally(machine, in: event)))
    }

    /// Hidden tallies never reach a log: not even one for the studio.
    private func publishResults(_ outcome: inout PollOutcome) throws {
        guard outcome.machine.hasPublicResults else { return }
        let results = PollResults(outcome.machine, try transaction.tally(outcome.machine, in: event))
        outcome.results = results
        outcome.entries.append(try append("poll.results", outcome.machine, try stamp(), results))
    }
}

/// What a voter gets back.
public struct BallotReceipt: Codable, Hashable, Sendable {
    /// The poll.
    public let poll: String
    /// The run.
    public let run: Int
    /// What was chosen.
    public let choices: [String]
    /// A random id by which the voter can be sure that it counts.
    public let receipt: String
    /// When it was taken, RFC 3339.
    public let acceptedAt: String
}

extension PollLedger {
    /// Takes a ballot; the same one again gets the same receipt.
    func cast(_ request: BallotRequest) throws -> (receipt: BallotReceipt, counts: Bool) {
        let machine = try machine(request.poll)
        guard request.choices.count == 1, let choice = request.choices.first else {
            throw InteractivityError.invalid("A single-choice poll takes exactly one choice.", pointer: "/choices")
        }
        guard machine.poll.options.contains(where: { $0.id == choice }) else {
            throw InteractivityError.unknownOption(choice)
        }
        guard machine.poll.run == request.run else { throw InteractivityError.pollClosed }
        let voter = VoterKey(person: request.person, salt: machine.salt)
        if let earlier = try transaction.ballot(machine, voter, in: event) {
            return try again(earlier, choice, machine, request)
        }
        try machine.admit(
            playhead: ProgramTime(milliseconds: request.playhead), wallMilliseconds: request.arrivedAt)
        let ballot = Ballot(
            voter: voter, option: choice, receipt: RandomToken.id(), acceptedAt: request.arrivedAt)
        guard try transaction.insert(ballot, for: machine, in: event) else { throw InteractivityError.alreadyVoted }
        return (Self.receipt(ballot, machine), true)
    }

    private func again(
        _ earlier: Ballot, _ choice: String, _ machine: PollMachine, _ request: BallotRequest
    ) throws -> (BallotReceipt, Bool) {
        if earlier.option == choice { return (Self.receipt(earlier, machine), false) }
        guard machine.poll.voteChange == .untilClose else { throw InteractivityError.alreadyVoted }
        try machine.admit(
            playhead: ProgramTime(milliseconds: request.playhead), wallMilliseconds: request.arrivedAt)
        try transaction.change(earlier, to: choice, at: request.arrivedAt, for: machine, in: event)
        var changed = earlier
        changed.option = choice
        changed.acceptedAt = request.arrivedAt
        return (Self.receipt(changed, machine), true)
    }

    private static func receipt(_ ballot: Ballot, _ machine: PollMachine) -> BallotReceipt {
        BallotReceipt(
            poll: machine.poll.id, run: machine.poll.run, choices: [ballot.option], receipt: ballot.receipt,
            acceptedAt: JSON.timestamp(milliseconds: ballot.acceptedAt))
    }
}
