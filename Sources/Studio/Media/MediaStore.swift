// Pictures and decks in the database; their files lie beside it.

import Control
internal import Foundation
internal import GRDB
internal import Web

/// A picture, a video, a piece of sound or a font of an event.
struct AssetRecord: Sendable, Hashable, Encodable {
    let id: String, kind: String
    /// In pixels; nil for sound and for a font.
    let width: Int?, height: Int?
    /// How long a video or a piece of sound runs.
    var durationMs: Int64?

    init(id: String, kind: String, width: Int?, height: Int?, durationMs: Int64? = nil) {
        (self.id, self.kind, self.width, self.height) = (id, kind, width, height)
        self.durationMs = durationMs
    }

    init(_ row: Row) {
        let width: Int = row["width"], height: Int = row["height"]
        self.init(
            id: row["id"], kind: row["kind"], width: width > 0 ? width : nil, height: height > 0 ? height : nil,
            durationMs: row["durationMs"])
    }
}

/// A deck of an event.
struct DeckRecord: Sendable, Hashable, Encodable {
    let id: String, pages: Int
}

/// Knows the media of events.
struct MediaStore: Sendable {
    static let assetLimit = 200, deckLimit = 50
    let programs: ProgramStore
    private var database: DatabasePool { programs.database }

    init(programs: ProgramStore) { self.programs = programs }

    /// Returns an event's assets, by id.
    func assets(event: String, after: String?, limit: Int) async throws -> [AssetRecord] {
        try await database.read { database in
            try Row.fetchAll(
                database, sql: "SELECT * FROM asset WHERE event = ? AND id > ? ORDER BY id LIMIT ?",
                arguments: [event, after ?? "", limit]
            ).map { AssetRecord($0) }
        }
    }

    /// Returns an asset.
    ///
    /// - Throws: `Problem` 404.
    func asset(_ id: String, event: String) async throws -> AssetRecord {
        let row = try await database.read { database in
            try Row.fetchOne(
                database, sql: "SELECT * FROM asset WHERE id = ? AND event = ?", arguments: [id, event]
            ).map { AssetRecord($0) }
        }
        guard let row else { throw Problem.notFound("There is no such asset.") }
        return row
    }

    /// Adds an asset.
    ///
    /// - Throws: `Problem` 409 when there are too many, 404 when the event is gone.
    func add(_ asset: AssetRecord, event: String) async throws {
        try await database.write { database in
            try Self.checkRoom(database, "asset", event, Self.assetLimit)
            try database.execute(
                sql: """
                    INSERT INTO asset (id, org, event, kind, width, height, durationMs) VALUES (?, ?, ?, ?, ?, ?, ?)
                    """,
                arguments: [
                    asset.id, try ProgramStore.org(of: event, database), event, asset.kind,
                    asset.width ?? 0, asset.height ?? 0, asset.durationMs,
                ])
        }
    }

    /// Removes an asset.
    ///
    /// - Throws: `Problem` 404, or 409 while a scene or a layout shows it.
    func removeAsset(_ id: String, event: String) async throws {
        try await database.write { [builtIn = programs.builtIn] database in
            let state = try ProgramStore.read(database, event, builtIn)
            let layouts = try SceneReferences(database, event, builtIn).layouts.values
            guard
                try !ProgramStore.scenes(state, database, event).contains(where: {
                    $0.shows(picture: id) || $0.shows(video: id) || $0.plays(music: id) || $0.overlays.font == id
                }),
                !layouts.contains(where: { $0.shows(picture: id) })
            else { throw Problem.conflict("in-use", "A scene or a layout shows the asset.") }
            try database.execute(sql: "DELETE FROM asset WHERE id = ? AND event = ?", arguments: [id, event])
            guard database.changesCount == 1 else { throw Problem.notFound("There is no such asset.") }
        }
    }

    /// Returns an event's decks, by id.
    func decks(event: String, after: String?, limit: Int) async throws -> [DeckRecord] {
        try await database.read { database in
            try Row.fetchAll(
                database, sql: "SELECT * FROM deck WHERE event = ? AND id > ? ORDER BY id LIMIT ?",
                arguments: [event, after ?? "", limit]
            ).map { DeckRecord(id: $0["id"], pages: $0["pages"]) }
        }
    }

    /// Returns a deck.
    ///
    /// - Throws: `Problem` 404.
    func deck(_ id: String, event: String) async throws -> DeckRecord {
        let row = try await database.read { database in
            try Row.fetchOne(database, sql: "SELECT * FROM deck WHERE id = ? AND event = ?", arguments: [id, event])
                .map { DeckRecord(id: $0["id"], pages: $0["pages"]) }
        }
        guard let row else { throw Problem.notFound("There is no such deck.") }
        return row
    }

    /// Adds a deck.
    ///
    /// - Throws: `Problem` 409 when there are too many, 404 when the event is gone.
    func add(_ deck: DeckRecord, event: String) async throws {
        try await database.write { database in
            try Self.checkRoom(database, "deck", event, Self.deckLimit)
            try database.execute(
                sql: "INSERT INTO deck (id, org, event, pages) VALUES (?, ?, ?, ?)",
                arguments: [deck.id, try ProgramStore.org(of: event, database), event, deck.pages])
        }
    }

    /// Removes a deck.
    ///
    /// - Throws: `Problem` 404, or 409 while a scene names it.
    func removeDeck(_ id: String, event: String) async throws {
        try await database.write { [builtIn = programs.builtIn] database in
            let state = try ProgramStore.read(database, event, builtIn)
            guard try !ProgramStore.scenes(state, database, event).contains(where: { $0.slides?.deck == id }) else {
                throw Problem.conflict("in-use", "A scene names the deck.")
            }
            try database.execute(sql: "DELETE FROM deck WHERE id = ? AND event = ?", arguments: [id, event])
            guard database.changesCount == 1 else { throw Problem.notFound("There is no such deck.") }
        }
    }

    /// The ids of all media, by event; events without media are there too.
    func known() async throws -> [String: Set<String>] {
        try await database.read { database in
            var known: [String: Set<String>] = [:]
            for id in try String.fetchAll(database, sql: "SELECT id FROM event") { known[id] = [] }
            for row in try Row.fetchAll(
                database, sql: "SELECT event, id FROM asset UNION ALL SELECT event, id FROM deck")
            {
                known[row["event"], default: []].insert(row["id"])
            }
            return known
        }
    }

    private static func checkRoom(_ database: Database, _ table: String, _ event: String, _ limit: Int) throws {
        let count = try Int.fetchOne(
            database, sql: "SELECT count(*) FROM \(table) WHERE event = ?", arguments: [event])
        guard count ?? 0 < limit else {
            throw Problem.conflict("too-many", "An event has at most \(limit) of them.")
        }
    }
}
