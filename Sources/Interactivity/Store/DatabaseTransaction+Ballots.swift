// One transaction on SQLite: ballots, tallies, erasure.

import GRDB
import Web

extension DatabaseTransaction {
    func ballot(_ poll: PollMachine, _ voter: VoterKey, in event: EventKey) throws -> Ballot? {
        try row(
            """
            SELECT choice, receipt, acceptedAt FROM interactivityBallot
            WHERE org = ? AND event = ? AND poll = ? AND run = ? AND voter = ?
            """, [event.org, event.event, poll.poll.id, poll.poll.run, voter.value]
        ).map { Ballot(voter: voter, option: $0[0], receipt: $0[1], acceptedAt: $0[2]) }
    }

    func insert(_ ballot: Ballot, for poll: PollMachine, in event: EventKey) throws -> Bool {
        try execute(
            """
            INSERT INTO interactivityBallot (org, event, poll, run, voter, choice, receipt, acceptedAt)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
            """,
            [
                event.org, event.event, poll.poll.id, poll.poll.run, ballot.voter.value, ballot.option, ballot.receipt,
                ballot.acceptedAt,
            ])
        guard database.changesCount == 1 else { return false }
        try count(1, ballot.option, poll, event)
        return true
    }

    func change(_ ballot: Ballot, to choice: String, at wall: Int64, for poll: PollMachine, in event: EventKey) throws {
        try execute(
            """
            UPDATE interactivityBallot SET choice = ?, acceptedAt = ?
            WHERE org = ? AND event = ? AND poll = ? AND run = ? AND voter = ?
            """, [choice, wall, event.org, event.event, poll.poll.id, poll.poll.run, ballot.voter.value])
        guard database.changesCount == 1 else { return }
        try count(-1, ballot.option, poll, event)
        try count(1, choice, poll, event)
    }

    private func count(_ votes: Int, _ choice: String, _ poll: PollMachine, _ event: EventKey) throws {
        try execute(
            """
            INSERT INTO interactivityTally (org, event, poll, run, choice, votes) VALUES (?, ?, ?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET votes = votes + excluded.votes
            """, [event.org, event.event, poll.poll.id, poll.poll.run, choice, votes])
    }

    func tally(_ poll: PollMachine, in event: EventKey) throws -> Tally {
        try sum(
            "SELECT choice, votes FROM interactivityTally WHERE org = ? AND event = ? AND poll = ? AND run = ?", poll,
            event)
    }

    func recount(_ poll: PollMachine, in event: EventKey) throws -> Tally {
        try sum(
            """
            SELECT choice, COUNT(*) FROM interactivityBallot WHERE org = ? AND event = ? AND poll = ? AND run = ?
            GROUP BY choice
            """, poll, event)
    }

    private func sum(_ sql: String, _ poll: PollMachine, _ event: EventKey) throws -> Tally {
        var tally = Tally(options: poll.poll.options)
        let statement = try database.cachedStatement(sql: sql)
        let arguments: StatementArguments = [event.org, event.event, poll.poll.id, poll.poll.run]
        for row in try Row.fetchAll(statement, arguments: arguments) { tally.add(row[1], to: row[0]) }
        return tally
    }

    func erase(person: String, in event: EventKey) throws {
        for machine in try polls(in: event) {
            // Earlier runs had other salts, which are gone: their ballots can not be traced to a person any more.
            let voter = VoterKey(person: person, salt: machine.salt)
            try execute(
                "UPDATE interactivityBallot SET voter = ? WHERE org = ? AND event = ? AND poll = ? AND run = ? AND voter = ?",
                [
                    "erased/" + RandomToken.id(), event.org, event.event, machine.poll.id, machine.poll.run,
                    voter.value,
                ])
        }
    }

    func erase(_ event: EventKey) throws {
        for table in ["Head", "Log", "Snapshot", "Poll", "Ballot", "Tally", "Gate"] {
            try execute("DELETE FROM interactivity\(table) WHERE org = ? AND event = ?", [event.org, event.event])
        }
        forget()
    }
}
