// One transaction on SQLite: logs, polls, gate.

import Foundation
import GRDB
import Media
import Web

/// One transaction on SQLite; decoded polls are kept for its length, as a batch of ballots asks for few.
final class DatabaseTransaction: StoreTransaction {
    let database: Database
    private var machines: [String: PollMachine] = [:]

    init(_ database: Database) { self.database = database }

    /// Forgets what was read, after a savepoint was rolled back.
    func forget() { machines.removeAll() }

    func execute(_ sql: String, _ arguments: StatementArguments) throws {
        try database.cachedStatement(sql: sql).execute(arguments: arguments)
    }

    func row(_ sql: String, _ arguments: StatementArguments) throws -> Row? {
        try Row.fetchOne(database.cachedStatement(sql: sql), arguments: arguments)
    }

    // MARK: Logs

    func head(_ log: LogName, of event: EventKey) throws -> LogHead {
        if let row = try row(
            "SELECT epoch, \"offset\", programTime FROM interactivityHead WHERE org = ? AND event = ? AND log = ?",
            [event.org, event.event, log.rawValue])
        {
            return LogHead(
                position: LogPosition(epoch: row[0], offset: row[1]), programTime: ProgramTime(milliseconds: row[2]))
        }
        return try start(log, of: event, programTime: ProgramTime(milliseconds: 0))
    }

    private func start(_ log: LogName, of event: EventKey, programTime: ProgramTime) throws -> LogHead {
        let head = LogHead(
            position: LogPosition(epoch: RandomToken.id(), offset: 0), programTime: programTime)
        try write(head, log, event)
        return head
    }

    private func write(_ head: LogHead, _ log: LogName, _ event: EventKey) throws {
        try execute(
            """
            INSERT INTO interactivityHead (org, event, log, epoch, "offset", programTime) VALUES (?, ?, ?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET epoch = excluded.epoch, "offset" = excluded."offset",
                programTime = excluded.programTime
            """,
            [
                event.org, event.event, log.rawValue, head.position.epoch, head.position.offset,
                head.programTime.milliseconds,
            ])
    }

    func append(
        _ log: LogName, of event: EventKey, programTime: ProgramTime, wall: Int64, kind: String, key: String,
        data: String
    ) throws -> LogEntry {
        var head = try head(log, of: event)
        head.position.offset += 1
        head.programTime = max(head.programTime, programTime)
        let entry = LogEntry(
            log: log, epoch: head.position.epoch, offset: head.position.offset, programTime: head.programTime,
            kind: kind,
            key: key, data: data)
        try execute(
            """
            INSERT INTO interactivityLog (org, event, log, epoch, "offset", programTime, wall, kind, "key", data)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                event.org, event.event, log.rawValue, entry.epoch, entry.offset, entry.programTime.milliseconds, wall,
                kind, key, data,
            ])
        try write(head, log, event)
        return entry
    }

    func entries(_ log: LogName, of event: EventKey, after offset: Int64, limit: Int) throws -> [LogEntry] {
        let head = try head(log, of: event)
        return try Self.entries(database, log, event, epoch: head.position.epoch, after: offset, limit: limit)
    }

    static func entries(
        _ database: Database, _ log: LogName, _ event: EventKey, epoch: String, after offset: Int64, limit: Int
    ) throws -> [LogEntry] {
        let statement = try database.cachedStatement(
            sql: """
                SELECT "offset", programTime, kind, "key", data FROM interactivityLog
                WHERE org = ? AND event = ? AND log = ? AND epoch = ? AND "offset" > ? ORDER BY "offset" LIMIT ?
                """)
        let arguments: StatementArguments = [event.org, event.event, log.rawValue, epoch, offset, limit]
        return try Row.fetchAll(statement, arguments: arguments).map { row in
            LogEntry(
                log: log, epoch: epoch, offset: row[0], programTime: ProgramTime(milliseconds: row[1]), kind: row[2],
                key: row[3], data: row[4])
        }
    }

    func snapshot(_ log: LogName, of event: EventKey) throws -> LogSnapshot? {
        let epoch = try head(log, of: event).position.epoch
        return try row(
            """
            SELECT "offset", data FROM interactivitySnapshot WHERE org = ? AND event = ? AND log = ? AND epoch = ?
            ORDER BY "offset" DESC LIMIT 1
            """, [event.org, event.event, log.rawValue, epoch]
        ).map { LogSnapshot(position: LogPosition(epoch: epoch, offset: $0[0]), data: $0[1]) }
    }

    func keep(_ snapshot: LogSnapshot, of log: LogName, in event: EventKey) throws {
        guard try head(log, of: event).position.epoch == snapshot.position.epoch else { return }
        try execute(
            "DELETE FROM interactivitySnapshot WHERE org = ? AND event = ? AND log = ?",
            [event.org, event.event, log.rawValue])
        try execute(
            "INSERT INTO interactivitySnapshot (org, event, log, epoch, \"offset\", data) VALUES (?, ?, ?, ?, ?, ?)",
            [
                event.org, event.event, log.rawValue, snapshot.position.epoch, snapshot.position.offset, snapshot.data,
            ])
    }

    func renewEpoch(_ log: LogName, of event: EventKey, state: String) throws -> LogHead {
        let old = try head(log, of: event)
        let new = try start(log, of: event, programTime: old.programTime)
        try keep(LogSnapshot(position: new.position, data: state), of: log, in: event)
        return new
    }

    // MARK: Polls

    func poll(_ id: String, in event: EventKey) throws -> PollMachine? {
        let cacheKey = "\(event.org)/\(event.event)/\(id)"
        if let machine = machines[cacheKey] { return machine }
        let row = try row(
            "SELECT machine FROM interactivityPoll WHERE org = ? AND event = ? AND poll = ?",
            [event.org, event.event, id])
        guard let row else { return nil }
        let machine = try Self.machine(row[0])
        machines[cacheKey] = machine
        return machine
    }

    func polls(in event: EventKey) throws -> [PollMachine] {
        let statement = try database.cachedStatement(
            sql: "SELECT machine FROM interactivityPoll WHERE org = ? AND event = ? ORDER BY position")
        return try Row.fetchAll(statement, arguments: [event.org, event.event]).map { try Self.machine($0[0]) }
    }

    func save(_ machine: PollMachine, in event: EventKey) throws {
        try execute(
            """
            INSERT INTO interactivityPoll (org, event, poll, position, machine)
            VALUES (?1, ?2, ?3,
                (SELECT 1 + COALESCE(MAX(position), 0) FROM interactivityPoll WHERE org = ?1 AND event = ?2), ?4)
            ON CONFLICT DO UPDATE SET machine = excluded.machine
            """, [event.org, event.event, machine.poll.id, try JSONText.of(machine)])
        machines["\(event.org)/\(event.event)/\(machine.poll.id)"] = machine
    }

    private static func machine(_ json: String) throws -> PollMachine {
        try JSONDecoder().decode(PollMachine.self, from: Data(json.utf8))
    }

    // MARK: Gate

    func gate(of event: EventKey) throws -> GateRecord {
        var gate = GateRecord()
        let row = try row(
            """
            SELECT isLive, head, clockOffset, segmentOffset, mediaSequence FROM interactivityGate
            WHERE org = ? AND event = ?
            """, [event.org, event.event])
        guard let row else { return gate }
        gate.isLive = row[0]
        gate.head = (row[1] as Int64?).map { ProgramTime(milliseconds: $0) }
        gate.clockOffset = row[2]
        gate.segmentOffset = row[3]
        gate.mediaSequence = row[4]
        return gate
    }

    func save(_ gate: GateRecord, of event: EventKey) throws {
        try execute(
            """
            INSERT INTO interactivityGate (org, event, isLive, head, clockOffset, segmentOffset, mediaSequence)
            VALUES (?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET isLive = excluded.isLive, head = excluded.head,
                clockOffset = excluded.clockOffset, segmentOffset = excluded.segmentOffset,
                mediaSequence = excluded.mediaSequence
            """,
            [
                event.org, event.event, gate.isLive, gate.head?.milliseconds, gate.clockOffset, gate.segmentOffset,
                gate.mediaSequence,
            ])
    }
}
