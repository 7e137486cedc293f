// Further RTMP destinations in the database; a key is stored sealed and never read back to people.

import Control
internal import Crypto
internal import Foundation
public import GRDB
public import Media
public import Web

/// One more destination of an event's program, as people see it.
public struct OutputRecord: Sendable, Hashable {
    /// The output's id.
    public var id: String
    /// What producers call it; nil when they did not say.
    public var name: String?
    /// Where it goes, without the key.
    public var url: String
}

/// Keeps an event's outputs.
public struct OutputStore: Sendable {
    /// How many outputs an event may have.
    public static let limit = 8
    private let database: DatabasePool
    /// Seals the keys: whoever reads the database alone does not get them.
    private let seal: SymmetricKey

    /// Creates a store.
    ///
    /// - Parameters:
    ///   - database: the tables.
    ///   - keys: the installation's keys, from which the one for stream keys is derived.
    public init(database: DatabasePool, keys: TokenKeys) {
        self.database = database
        seal = HKDF<SHA256>.deriveKey(
            inputKeyMaterial: SymmetricKey(data: keys.signingKey.rawRepresentation),
            info: Data("keys of outputs".utf8), outputByteCount: 32)
    }

    /// Returns an event's outputs, in the order in which they were made.
    public func list(event: String) async throws -> [OutputRecord] {
        try await database.read { database in
            try Row.fetchAll(
                database, sql: "SELECT id, name, url FROM output WHERE event = ? ORDER BY rowid", arguments: [event]
            ).map { OutputRecord(id: $0["id"], name: $0["name"], url: $0["url"]) }
        }
    }

    /// Adds an output.
    ///
    /// - Throws: `Problem` 409 when there are too many.
    public func add(_ output: OutputRecord, key: SecretText, event: EventScope) async throws {
        let box = try AES.GCM.seal(
            Data(key.value.utf8), using: seal, authenticating: Self.label(output.id, event: event.id))
        try await database.write { database in
            let count = try Int.fetchOne(
                database, sql: "SELECT COUNT(*) FROM output WHERE event = ?", arguments: [event.id])
            guard count ?? 0 < Self.limit else {
                throw Problem.conflict("too-many", "An event has at most \(Self.limit) outputs.")
            }
            try database.execute(
                sql: "INSERT INTO output (id, org, event, name, url, key) VALUES (?, ?, ?, ?, ?, ?)",
                arguments: [output.id, event.org, event.id, output.name, output.url, box.combined])
        }
    }

    /// Removes an output.
    ///
    /// - Throws: `Problem` 404.
    public func remove(_ id: String, event: String) async throws {
        try await database.write { database in
            try database.execute(sql: "DELETE FROM output WHERE id = ? AND event = ?", arguments: [id, event])
            guard database.changesCount == 1 else { throw Problem.notFound("There is no such output.") }
        }
    }

    /// Returns an event's outputs with their keys, for its compositor only.
    ///
    /// One whose key can't be opened, because the installation's key is another one than it was, is left out.
    func destinations(event: String) async throws -> [OutputDestination] {
        let rows = try await database.read { database in
            try Row.fetchAll(
                database, sql: "SELECT id, url, key, hasBeenLive FROM output WHERE event = ? ORDER BY rowid",
                arguments: [event]
            ).map { row -> (id: String, url: String, key: Data, hasBeenLive: Bool) in
                (row["id"], row["url"], row["key"], row["hasBeenLive"])
            }
        }
        return rows.compactMap { row in
            guard let box = try? AES.GCM.SealedBox(combined: row.key),
                let key = try? AES.GCM.open(box, using: seal, authenticating: Self.label(row.id, event: event))
            else { return nil }
            return OutputDestination(
                id: row.id, url: row.url, key: SecretText(String(decoding: key, as: UTF8.self)),
                hasBeenLive: row.hasBeenLive)
        }
    }

    /// Remembers that servers have taken these streams: a later refusal is no wrong key.
    func haveBeenLive(_ ids: [String], event: String) async throws {
        try await database.write { database in
            for id in ids {
                try database.execute(
                    sql: "UPDATE output SET hasBeenLive = 1 WHERE id = ? AND event = ?", arguments: [id, event])
            }
        }
    }

    /// Ties a sealed key to its row, so that it opens nowhere else.
    private static func label(_ id: String, event: String) -> Data { Data("\(event)/\(id)".utf8) }
}
