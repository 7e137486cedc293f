// What producers and voters do, through the one writer.

import Media
import Synchronization
import Web

extension InteractivityService {
    /// Runs work on the polls of a room and hands out what it wrote, in the serial order.
    func perform(
        _ room: EventRoom, _ work: @escaping @Sendable (PollLedger) throws -> PollOutcome
    ) async throws -> PollOutcome {
        try await writer.perform(
            { [self] transaction in try work(ledger(room, transaction)) },
            committed: { [clock] outcome in
                let now = clock.now
                room.state.withLock { state in
                    state.polls.changed(outcome.machine)
                    if outcome.entries.contains(where: { $0.kind == "poll.results" }) {
                        state.polls.broadcast(outcome.machine.poll.id, at: now.monotonic)
                    }
                    state.append(outcome.entries, now)
                }
            })
    }

    private func ledger(_ room: EventRoom, _ transaction: any StoreTransaction) -> PollLedger {
        let now = clock.now
        let (programNow, playheads) = room.state.withLock { state in
            (state.programNow(now), state.gate.playheads(programNow: state.programNow(now)))
        }
        return PollLedger(
            transaction: transaction, event: room.key, programNow: programNow, wallMilliseconds: now.wallMilliseconds,
            playheads: playheads)
    }

    /// Takes a ballot; returns when it is durable.
    ///
    /// - Parameters:
    ///   - room: the event's room.
    ///   - poll: the poll's id.
    ///   - person: the stable id of the voter.
    ///   - carrier: how the voter watches.
    ///   - choices: the chosen options.
    ///   - playhead: where the voter says to be; held inside what can be true.
    /// - Throws: `InteractivityError`.
    func vote(
        _ room: EventRoom, poll: String, person: String, carrier: Carrier, choices: [String], playhead: ProgramTime?
    ) async throws -> BallotReceipt {
        let now = clock.now
        let request = try room.state.withLock { state throws(InteractivityError) in
            // A poll that this voter's carrier has not let out yet does not exist for the voter.
            guard let seen = state.carriers[carrier]?.timeline.poll(poll)?.poll else { throw .unknownPoll }
            let programNow = state.programNow(now)
            let window =
                carrier == .immediate
                ? PlayheadWindow(earliest: programNow, latest: programNow, isImmediate: true)
                : state.gate.playheads(programNow: programNow)
            return BallotRequest(
                poll: poll, run: seen.run, person: person, choices: choices,
                playhead: window.clamp(playhead).milliseconds, arrivedAt: now.wallMilliseconds)
        }
        return try await writer.perform(
            { [self] transaction in try ledger(room, transaction).cast(request) },
            committed: { outcome in
                if outcome.counts { room.state.withLock { $0.polls.voted(poll) } }
            }
        ).receipt
    }

    /// Returns the results that a caller may see now.
    ///
    /// The studio sees every tally. Others see what their carrier has let out, and their own poll after their vote
    /// where the poll says so.
    ///
    /// - Throws: `InteractivityError.resultsHidden`, `.unknownPoll`.
    func results(_ room: EventRoom, poll: String, person: String, carrier: Carrier) async throws -> PollResults {
        if carrier == .immediate {
            let outcome = try await writer.perform { [self] in try ledger(room, $0).results(poll) }
            guard let results = outcome.results else { throw InteractivityError.unknownPoll }
            return results
        }
        let seen = room.state.withLock { $0.carriers[carrier]?.timeline.poll(poll) }
        guard let seen else { throw InteractivityError.unknownPoll }
        switch seen.poll.resultsVisibility {
        case .live, .afterClose, .onReveal:
            if let results = seen.results { return results }
            guard seen.poll.resultsVisibility == .live else { throw InteractivityError.resultsHidden }
            return PollResults(emptyFor: seen.poll)
        case .afterVote:
            return try await writer.perform { [self] transaction in
                guard let machine = try transaction.poll(poll, in: room.key), machine.poll.run == seen.poll.run,
                    try transaction.ballot(machine, VoterKey(person: person, salt: machine.salt), in: room.key) != nil,
                    let results = try ledger(room, transaction).results(poll).results
                else { throw InteractivityError.resultsHidden }
                return results
            }
        case .never: throw InteractivityError.resultsHidden
        }
    }

    /// Adds reactions of one person; only sums go on.
    func react(_ room: EventRoom, kind: String, count: Int, person: String) async throws {
        let now = clock.now
        let over = try room.state.withLock { state throws(InteractivityError) in
            try state.reactions.add(
                kind: kind, count: count, person: person, at: state.programNow(now).milliseconds)
        }
        if let over { try await publish(over, room) }
    }

    /// Writes the sums of a second into the live log.
    func publish(_ over: (second: Int64, counts: [String: Int]), _ room: EventRoom) async throws {
        let key = room.key, clock = clock
        let sums = ReactionSums(second: ProgramTime(milliseconds: over.second), counts: over.counts)
        _ = try await writer.perform(
            { transaction in
                try transaction.append(
                    .live, of: key, programTime: sums.second, wall: clock.wallMilliseconds(), kind: "reactions",
                    key: "reactions", data: try JSONText.of(sums))
            },
            committed: { entry in room.state.withLock { $0.append([entry], clock.now) } })
    }
}

extension PollResults {
    /// The results of an open poll of which no tally was let out yet.
    init(emptyFor poll: Poll) {
        let tally = Tally(options: poll.options)
        self.init(poll: poll.id, run: poll.run, tally: tally.votes, voters: 0, provisional: true)
    }

    private init(poll: String, run: Int, tally: [String: Int], voters: Int, provisional: Bool) {
        self.poll = poll
        self.run = run
        self.tally = tally
        self.voters = voters
        self.provisional = provisional
    }
}
