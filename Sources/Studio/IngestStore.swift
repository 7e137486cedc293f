// RTMPS entrances in the database; a stream key is stored only as its hash.

public import Control
internal import Foundation
public import GRDB
public import Web

/// Keeps an event's entrances.
public struct IngestStore: Sendable {
    /// How many entrances an event may have.
    public static let limit = 32
    private let database: DatabasePool

    /// Creates a store.
    public init(database: DatabasePool) { self.database = database }

    /// Returns an event's entrances, by name.
    public func list(event: String) async throws -> [IngestEntrance] {
        try await database.read { database in
            try Row.fetchAll(database, sql: "SELECT * FROM ingest WHERE event = ? ORDER BY name", arguments: [event])
                .compactMap(Self.entrance)
        }
    }

    /// Adds an entrance.
    ///
    /// - Throws: `Problem` 409 when the name is taken or there are too many.
    public func add(_ entrance: IngestEntrance, event: EventScope) async throws {
        try await database.write { database in
            let names = try String.fetchAll(
                database, sql: "SELECT name FROM ingest WHERE event = ?", arguments: [event.id])
            guard !names.contains(entrance.name) else {
                throw Problem.conflict("taken", "An ingest of this name exists.")
            }
            guard names.count < Self.limit else {
                throw Problem.conflict("too-many", "An event has at most \(Self.limit) ingests.")
            }
            try database.execute(
                sql: "INSERT INTO ingest (id, org, event, name, kind, keyHash) VALUES (?, ?, ?, ?, ?, ?)",
                arguments: [
                    entrance.id, event.org, event.id, entrance.name, entrance.kind.rawValue, entrance.keyHash,
                ])
        }
    }

    /// Gives an entrance another key.
    ///
    /// - Throws: `Problem` 404.
    public func rotate(_ id: String, event: String, keyHash: String) async throws -> IngestEntrance {
        try await database.write { database in
            try database.execute(
                sql: "UPDATE ingest SET keyHash = ? WHERE id = ? AND event = ?", arguments: [keyHash, id, event])
            guard
                let row = try Row.fetchOne(
                    database, sql: "SELECT * FROM ingest WHERE id = ? AND event = ?", arguments: [id, event]),
                let entrance = Self.entrance(row)
            else { throw Problem.notFound("There is no such ingest.") }
            return entrance
        }
    }

    /// Removes an entrance.
    ///
    /// - Throws: `Problem` 404.
    public func remove(_ id: String, event: String) async throws {
        try await database.write { database in
            try database.execute(sql: "DELETE FROM ingest WHERE id = ? AND event = ?", arguments: [id, event])
            guard database.changesCount == 1 else { throw Problem.notFound("There is no such ingest.") }
        }
    }

    private static func entrance(_ row: Row) -> IngestEntrance? {
        guard let kind = IngestEntrance.Kind(rawValue: row["kind"]) else { return nil }
        return IngestEntrance(id: row["id"], name: row["name"], kind: kind, keyHash: row["keyHash"])
    }
}
