// Which rooms are locked, and who may come back into them; kept over restarts.

internal import Foundation
internal import GRDB
internal import Web

/// The locks in the database.
struct RoomLocks: Sendable {
    let database: DatabasePool

    /// Everybody who may come back, by event.
    func all() async throws -> [String: Set<String>] {
        try await database.read { database in
            var locks: [String: Set<String>] = [:]
            for row in try Row.fetchAll(database, sql: "SELECT event, people FROM roomLock") {
                let text: String = row["people"]
                locks[row["event"]] = Set(text.split(separator: "\n").map(String.init))
            }
            return locks
        }
    }

    /// Keeps a lock; nil takes it away.
    func set(_ event: EventScope, _ people: Set<String>?) async throws {
        try await database.write { database in
            guard let people else {
                return try database.execute(sql: "DELETE FROM roomLock WHERE event = ?", arguments: [event.id])
            }
            try database.execute(
                sql: "INSERT OR REPLACE INTO roomLock (event, org, people) VALUES (?, ?, ?)",
                arguments: [event.id, event.org, people.sorted().joined(separator: "\n")])
        }
    }
}
