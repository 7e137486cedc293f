// Scenes that a producer has saved under names, each in one event.

internal import Control
internal import Foundation
internal import GRDB
internal import Web

/// A saved scene.
struct Preset: Encodable, Sendable {
    var name: String
    var scene: Scene
}

extension ProgramStore {
    /// How many presets an event may have.
    static let presetLimit = 200

    /// Returns an event's presets, by name.
    func presets(of event: String, after: String?, limit: Int) async throws -> [Preset] {
        try await database.read { database in
            try Row.fetchAll(
                database, sql: "SELECT * FROM preset WHERE event = ? AND name > ? ORDER BY name LIMIT ?",
                arguments: [event, after ?? "", limit]
            ).map { Preset(name: $0["name"], scene: try Self.scene($0)) }
        }
    }

    /// Returns a preset and its entity tag.
    ///
    /// - Throws: `Problem` 404.
    func preset(_ name: String, of event: String) async throws -> (scene: Scene, etag: String) {
        try await database.read { database in
            let row = try Self.presetRow(database, event, name)
            return (try Self.scene(row), Self.presetTag(row))
        }
    }

    /// Saves a scene, new or in place of another.
    ///
    /// - Parameters:
    ///   - scene: the scene.
    ///   - name: its name.
    ///   - event: the event's slug.
    ///   - check: is given the entity tag of what is there, and throws to refuse; not called when nothing is there.
    /// - Returns: its entity tag, and whether it is new.
    /// - Throws: `Problem` 409 for too many, 422 when the scene names what is not there, or what its slot never shows.
    func put(
        preset scene: Scene, _ name: String, event: String, _ check: @escaping @Sendable (String) throws -> Void
    ) async throws -> (etag: String, isNew: Bool) {
        try await database.write { [builtIn, themes] database in
            let references = try SceneReferences(database, event, builtIn, themes: Set(themes.themes.keys))
            try references.check(scene)
            let row = try Self.presetRowIfThere(database, event, name)
            if let row { try check(Self.presetTag(row)) }
            let state = try Self.read(database, event, builtIn)
            let stored = [state.scene, state.preview] + [try row.map { try Self.scene($0) }].compactMap { $0 }
            try references.checkSlots(of: scene, besides: stored)
            let count = try Int.fetchOne(
                database, sql: "SELECT count(*) FROM preset WHERE event = ?", arguments: [event])
            guard row != nil || count ?? 0 < Self.presetLimit else {
                throw Problem.conflict("too-many", "An event has at most \(Self.presetLimit) presets.")
            }
            let version = ((row?["version"] as Int64?) ?? 0) + 1
            try database.execute(
                sql: "INSERT OR REPLACE INTO preset (event, org, name, scene, version) VALUES (?, ?, ?, ?, ?)",
                arguments: [
                    event, try Self.org(of: event, database), name,
                    String(decoding: try JSON.encoder.encode(scene), as: UTF8.self), version,
                ])
            return ("\"\(version)\"", row == nil)
        }
    }

    /// Removes a preset.
    ///
    /// - Throws: `Problem` 404, or what `check` throws.
    func removePreset(
        _ name: String, event: String, _ check: @escaping @Sendable (String) throws -> Void
    ) async throws {
        try await database.write { database in
            try check(Self.presetTag(try Self.presetRow(database, event, name)))
            try database.execute(
                sql: "DELETE FROM preset WHERE event = ? AND name = ?", arguments: [event, name])
        }
    }

    /// Makes a preset the preview.
    ///
    /// - Parameters:
    ///   - name: its name.
    ///   - event: the event's slug.
    ///   - check: is given what the program is made of, and throws to refuse.
    /// - Returns: what the program is made of, and pointers to what could not be recalled: what its roll was to go back to.
    /// - Throws: `Problem` 404, or 422 when what it shows is not there any more.
    func recall(
        _ name: String, event: String, _ check: @escaping @Sendable (ProgramState) throws -> Void
    ) async throws -> (state: ProgramState, missing: [String]) {
        try await database.write { [builtIn, themes] database in
            var scene = try Self.scene(try Self.presetRow(database, event, name)), missing: [String] = []
            let state = try Self.update(database, event, builtIn, themes: Set(themes.themes.keys)) {
                state, references in
                try check(state)
                missing = scene.media?.dropMissing(among: references) ?? []
                try references.check(scene)
                state.preview = scene
            }
            return (state, missing)
        }
    }

    private static func presetRow(_ database: Database, _ event: String, _ name: String) throws -> Row {
        guard let row = try presetRowIfThere(database, event, name) else {
            throw Problem.notFound("There is no such preset.")
        }
        return row
    }

    private static func presetRowIfThere(_ database: Database, _ event: String, _ name: String) throws -> Row? {
        try Row.fetchOne(
            database, sql: "SELECT * FROM preset WHERE event = ? AND name = ?", arguments: [event, name])
    }

    private static func scene(_ row: Row) throws -> Scene {
        let text: String = row["scene"]
        return try JSONDecoder().decode(Scene.self, from: Data(text.utf8))
    }

    private static func presetTag(_ row: Row) -> String { "\"\(row["version"] as Int64)\"" }
}
