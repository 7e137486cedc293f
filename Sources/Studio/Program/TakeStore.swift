// Takes that wait for their moment, at most one in each event.

internal import Control
internal import Foundation
internal import GRDB
internal import Media
internal import Web

extension ProgramStore {
    /// Keeps the preview for a moment, in place of a take that waits already.
    ///
    /// - Parameters:
    ///   - event: the event's slug.
    ///   - at: when it becomes the program.
    ///   - keeps: what is on air by then and goes on, whatever the preview says of it.
    ///   - make: is given what the program is made of, and says how it comes; throws to refuse.
    /// - Throws: `Problem` 404 when there is no such event, or what `make` throws.
    func schedule(
        _ event: String, at: ProgramTime, keeps: [ScenePart] = [],
        _ make: @escaping @Sendable (ProgramState, SceneReferences) throws -> ProgramChange.Transition
    ) async throws -> PendingTake {
        try await database.write { [builtIn, themes] database in
            let state = try Self.read(database, event, builtIn)
            let references = try SceneReferences(database, event, builtIn, themes: Set(themes.themes.keys))
            let transition = try make(state, references)
            var scene = state.preview
            // Versions are given out until its moment: none of them names another start.
            let run = Int64.random(in: 1 << 40..<1 << 53)
            scene.media?.run = run
            scene.audio.music?.run = run
            let take = PendingTake(
                id: RandomToken.id(), scene: scene, transition: transition, at: at,
                rollLengthMs: scene.media.flatMap { references.length(of: $0.asset) }, keeps: keeps)
            try database.execute(
                sql: "INSERT OR REPLACE INTO pendingTake (event, org, id, take, at) VALUES (?, ?, ?, ?, ?)",
                arguments: [
                    event, try Self.org(of: event, database), take.id,
                    String(decoding: try JSON.encoder.encode(take), as: UTF8.self), at.milliseconds,
                ])
            return take
        }
    }

    /// Makes the preview the program.
    ///
    /// - Parameters:
    ///   - event: the event's slug.
    ///   - keeps: what is on air and goes on, whatever the preview says of it.
    ///   - make: is given what the program is made of, and says how it comes; throws to refuse.
    /// - Throws: `Problem` 404 when there is no such event, or what `make` throws.
    func takePreview(
        _ event: String, keeps: [ScenePart] = [],
        _ make: @escaping @Sendable (ProgramState, SceneReferences) throws -> ProgramChange.Transition
    ) async throws -> (state: ProgramState, transition: ProgramChange.Transition) {
        try await database.write { [builtIn, themes] database in
            var transition = ProgramChange.Transition(kind: .cut, milliseconds: 0)
            let state = try Self.update(database, event, builtIn, themes: Set(themes.themes.keys)) {
                state, references in
                transition = try make(state, references)
                state.bring(state.preview.keeping(keeps, of: state.scene), among: references)
            }
            return (state, transition)
        }
    }

    /// Returns the take that waits; nil when there is none.
    func pendingTake(of event: String) async throws -> PendingTake? {
        try await database.read { try Self.take($0, event) }
    }

    /// Takes back the take that waits.
    ///
    /// - Parameters:
    ///   - event: the event's slug.
    ///   - check: is given its entity tag, and throws to refuse.
    /// - Throws: `Problem` 404 when there is none.
    func removeTake(of event: String, _ check: @escaping @Sendable (String) throws -> Void) async throws {
        try await database.write { database in
            guard let take = try Self.take(database, event) else { throw Problem.notFound("No take waits.") }
            try check(take.etag)
            try database.execute(sql: "DELETE FROM pendingTake WHERE event = ?", arguments: [event])
        }
    }

    /// Makes a take that was shown the program's scene.
    ///
    /// - Parameters:
    ///   - id: the take.
    ///   - event: the event's slug.
    /// - Returns: what the program is made of; nil when this take does not wait any more.
    func finishTake(_ id: String, of event: String) async throws -> ProgramState? {
        try await database.write { [builtIn, themes] database in
            guard let take = try Self.take(database, event), take.id == id else { return nil }
            try database.execute(sql: "DELETE FROM pendingTake WHERE event = ?", arguments: [event])
            return try Self.update(database, event, builtIn, themes: Set(themes.themes.keys)) { state, references in
                state.bring(take, among: references)
            }
        }
    }

    /// Returns the takes whose moment lies before a program time, by event.
    func takes(before time: ProgramTime) async throws -> [String: PendingTake] {
        try await database.read { database in
            try Row.fetchAll(database, sql: "SELECT * FROM pendingTake WHERE at < ?", arguments: [time.milliseconds])
                .reduce(into: [:]) { takes, row in takes[row["event"]] = try Self.take(row) }
        }
    }

    static func take(_ database: Database, _ event: String) throws -> PendingTake? {
        try Row.fetchOne(database, sql: "SELECT * FROM pendingTake WHERE event = ?", arguments: [event]).map(take)
    }

    private static func take(_ row: Row) throws -> PendingTake {
        let text: String = row["take"]
        return try JSONDecoder().decode(PendingTake.self, from: Data(text.utf8))
    }
}

extension PendingTake {
    /// The entity tag of the take.
    var etag: String { "\"\(id)\"" }
}
