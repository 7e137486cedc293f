// Layouts of a producer's own, each in one event.

internal import Control
internal import Foundation
internal import GRDB
internal import Web

extension ProgramStore {
    /// How many layouts of its own an event may have.
    static let layoutLimit = 64
    /// How many bytes of JSON all of them may have: they go to the compositor in one message, with the scene and the cast.
    static let layoutLimitBytes = 384 * 1024

    /// Returns every layout that scenes of an event may name, by name.
    func layouts(of event: String) async throws -> [Layout] { try await setup(for: event).layouts }

    /// Returns a layout and its entity tag.
    ///
    /// - Throws: `Problem` 404.
    func layout(_ name: String, of event: String) async throws -> (layout: Layout, etag: String) {
        try await database.read { [builtIn] database in
            if let row = try Self.row(database, event, name) {
                return (try Self.layout(row), Self.etag(row["version"]))
            }
            guard let layout = builtIn[name] else { throw Problem.notFound("There is no such layout.") }
            return (layout, Self.etag(1))
        }
    }

    /// Makes a layout, or replaces it.
    ///
    /// - Parameters:
    ///   - layout: the layout.
    ///   - event: the event's slug.
    ///   - check: is given the entity tag of what is there, and throws to refuse; not called when nothing is there.
    /// - Returns: its entity tag, and whether it is new.
    /// - Throws: `Problem` 409 for a built-in name, for too many, or when a scene needs a slot that it lacks; 422 when it names a
    ///   picture that is not there.
    func put(
        _ layout: Layout, event: String, _ check: @escaping @Sendable (String) throws -> Void
    ) async throws -> (etag: String, isNew: Bool) {
        try await database.write { [builtIn, themes] database in
            let row = try Self.row(database, event, layout.name)
            guard row != nil || builtIn[layout.name] == nil else { throw Self.isBuiltIn }
            if let row { try check(Self.etag(row["version"])) }
            let count = try Int.fetchOne(
                database, sql: "SELECT count(*) FROM layout WHERE event = ?", arguments: [event])
            guard row != nil || count ?? 0 < Self.layoutLimit else {
                throw Problem.conflict("too-many", "An event has at most \(Self.layoutLimit) layouts of its own.")
            }
            let version = ((row?["version"] as Int64?) ?? 0) + 1
            try database.execute(
                sql: "INSERT OR REPLACE INTO layout (event, org, name, layout, version) VALUES (?, ?, ?, ?, ?)",
                arguments: [
                    event, try Self.org(of: event, database), layout.name,
                    String(decoding: try JSON.encoder.encode(layout), as: UTF8.self), version,
                ])
            let length = try Int.fetchOne(
                database, sql: "SELECT sum(length(CAST(layout AS BLOB))) FROM layout WHERE event = ?",
                arguments: [event])
            guard length ?? 0 <= Self.layoutLimitBytes else {
                throw Problem.conflict(
                    "too-many", "An event's own layouts have at most \(Self.layoutLimitBytes / 1024) KiB together.")
            }
            let references = try SceneReferences(
                database, event, builtIn, themes: Set(themes.themes.keys))
            try references.check(layout)
            let state = try Self.read(database, event, builtIn)
            for scene in try Self.scenes(state, database, event) where scene.uses(layout: layout.name) {
                do throws(Problem) {
                    try references.check(scene)
                } catch {
                    throw Problem.conflict("in-use", "A scene needs what the layout lacks: \(error.detail ?? "").")
                }
            }
            return (Self.etag(version), row == nil)
        }
    }

    /// Removes a layout.
    ///
    /// - Parameters:
    ///   - name: its name.
    ///   - event: the event's slug.
    ///   - check: is given the entity tag of what is there, and throws to refuse.
    /// - Throws: `Problem` 404, or 409 for a built-in one or while a scene uses it.
    func removeLayout(
        _ name: String, event: String, _ check: @escaping @Sendable (String) throws -> Void
    ) async throws {
        try await database.write { [builtIn] database in
            guard let row = try Self.row(database, event, name) else {
                throw builtIn[name] == nil ? Problem.notFound("There is no such layout.") : Self.isBuiltIn
            }
            try check(Self.etag(row["version"]))
            let state = try Self.read(database, event, builtIn)
            guard try !Self.scenes(state, database, event).contains(where: { $0.uses(layout: name) }) else {
                throw Problem.conflict("in-use", "Program, preview or the take that waits use the layout.")
            }
            guard try !SceneReferences(database, event, builtIn).layouts.values.contains(where: { $0.share == name })
            else { throw Problem.conflict("in-use", "Another layout lets it take over.") }
            try database.execute(
                sql: "DELETE FROM layout WHERE event = ? AND name = ?", arguments: [event, name])
        }
    }

    /// The scenes that must stay whole: those of program and preview, and that of the take that waits.
    static func scenes(_ state: ProgramState, _ database: Database, _ event: String) throws -> [Scene] {
        [state.scene, state.preview] + (try take(database, event).map { [$0.scene] } ?? [])
    }

    private static var isBuiltIn: Problem { .conflict("built-in", "A built-in layout can't be changed.") }

    private static func etag(_ version: Int64) -> String { "\"\(version)\"" }

    private static func row(_ database: Database, _ event: String, _ name: String) throws -> Row? {
        try Row.fetchOne(
            database, sql: "SELECT * FROM layout WHERE event = ? AND name = ?", arguments: [event, name])
    }

    private static func layout(_ row: Row) throws -> Layout {
        let text: String = row["layout"]
        return try JSONDecoder().decode(Layout.self, from: Data(text.utf8))
    }
}
