// Events in the database.

import Foundation
public import GRDB
public import Web

/// Reads and changes events.
public struct EventStore: EventDirectory {
    private let database: DatabasePool

    /// Creates a store.
    public init(database: DatabasePool) { self.database = database }

    /// Returns what authentication needs of an event.
    public func event(_ id: String) async throws -> EventScope? { try await record(id)?.scope }

    /// Returns an event.
    public func record(_ id: String) async throws -> EventRecord? {
        try await database.read { database in
            try Row.fetchOne(database, sql: "SELECT * FROM event WHERE id = ?", arguments: [id]).map {
                try EventRecord($0)
            }
        }
    }

    /// Returns an organisation's events, by slug.
    ///
    /// - Parameters:
    ///   - org: the organisation.
    ///   - only: one event, for those who see no other; nil for all.
    ///   - after: the slug after which the list starts.
    ///   - limit: how many at most.
    public func list(org: String, only: String?, after: String?, limit: Int) async throws -> [EventRecord] {
        try await database.read { database in
            try Row.fetchAll(
                database,
                sql: "SELECT * FROM event WHERE org = ? AND (? IS NULL OR id = ?) AND id > ? ORDER BY id LIMIT ?",
                arguments: [org, only, only, after ?? "", limit]
            ).map { try EventRecord($0) }
        }
    }

    /// Returns every event that workers serve.
    public func running() async throws -> [EventRecord] {
        try await database.read { database in
            try Row.fetchAll(
                database, sql: "SELECT * FROM event WHERE state IN ('starting', 'live', 'stopping') ORDER BY id"
            ).map { try EventRecord($0) }
        }
    }

    /// Returns the events whose program is made here: they run, and no entrance brings their program from outside.
    public func composed() async throws -> [EventRecord] {
        try await database.read { database in
            try Row.fetchAll(
                database,
                sql: """
                    SELECT * FROM event WHERE state IN ('starting', 'live')
                        AND NOT EXISTS (SELECT 1 FROM ingest WHERE ingest.event = event.id AND kind = 'primary')
                    ORDER BY id
                    """
            ).map { try EventRecord($0) }
        }
    }

    /// Creates an event.
    ///
    /// - Throws: `Problem` 409 when the slug is taken.
    public func create(_ event: EventRecord, nowMs: Int64) async throws {
        let settings = try Self.text(event.settings)
        try await database.write { database in
            guard try !Row.exists(database, event.id) else {
                throw Problem.conflict("taken", "An event of this id exists.")
            }
            try database.execute(
                sql: """
                    INSERT INTO event (id, org, title, startsAt, settings, state, version, createdAt)
                    VALUES (?, ?, ?, ?, ?, ?, 1, ?)
                    """,
                arguments: [
                    event.id, event.org, event.title, Self.milliseconds(event.startsAt), settings,
                    event.state.rawValue, nowMs,
                ])
        }
    }

    /// Changes an event in one transaction.
    ///
    /// - Parameters:
    ///   - id: the event's slug.
    ///   - change: changes the record; throws to refuse.
    /// - Returns: the changed record.
    /// - Throws: `Problem` 404, or what `change` throws.
    @discardableResult
    public func update(
        _ id: String, _ change: @escaping @Sendable (inout EventRecord) throws -> Void
    ) async throws -> EventRecord {
        try await database.write { database in
            guard let row = try Row.fetchOne(database, sql: "SELECT * FROM event WHERE id = ?", arguments: [id]) else {
                throw Problem.notFound("There is no such event.")
            }
            var event = try EventRecord(row)
            try change(&event)
            event.version += 1
            try database.execute(
                sql: """
                    UPDATE event SET title = ?, startsAt = ?, settings = ?, state = ?, version = ?, output = ?,
                        masterPath = ? WHERE id = ?
                    """,
                arguments: [
                    event.title, Self.milliseconds(event.startsAt), try Self.text(event.settings),
                    event.state.rawValue, event.version, event.output, event.masterPath, id,
                ])
            return event
        }
    }

    /// Deletes an event and what belongs to it.
    ///
    /// - Throws: `Problem` 409 while it runs.
    /// Every token that was given out for the event is revoked with it.
    ///
    /// - Returns: the ids of those tokens.
    public func delete(_ id: String) async throws -> [String] {
        try await database.write { database in
            guard let row = try Row.fetchOne(database, sql: "SELECT * FROM event WHERE id = ?", arguments: [id]) else {
                throw Problem.notFound("There is no such event.")
            }
            guard try !EventRecord(row).state.isRunning else {
                throw Problem.conflict("live", "Stop the event before you delete it.")
            }
            let jtis = try String.fetchAll(
                database,
                sql: """
                    SELECT u.jti FROM invitationUse u JOIN invitation i ON i.id = u.invitation WHERE i.event = ?
                    """, arguments: [id])
            try database.execute(
                sql: """
                    INSERT OR REPLACE INTO revocation (jti, org, expiresAt)
                    SELECT u.jti, i.org, i.expiresAt
                    FROM invitationUse u JOIN invitation i ON i.id = u.invitation WHERE i.event = ?
                    """, arguments: [id])
            try database.execute(sql: "DELETE FROM event WHERE id = ?", arguments: [id])
            return jtis
        }
    }

    private static func milliseconds(_ date: Date?) -> Int64? { date.map { Int64($0.timeIntervalSince1970 * 1000) } }

    private static func text(_ settings: EventSettings) throws -> String {
        String(decoding: try JSON.encoder.encode(settings), as: UTF8.self)
    }
}

extension Row {
    fileprivate static func exists(_ database: Database, _ id: String) throws -> Bool {
        try fetchOne(database, sql: "SELECT 1 FROM event WHERE id = ?", arguments: [id]) != nil
    }
}
