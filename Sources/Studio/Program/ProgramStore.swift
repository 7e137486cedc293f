// Programs in the database: scenes with their versions, the stage, the clock, participants' settings.

public import Control
import GRDB
internal import Web

/// Keeps what the programs of events are made of.
public struct ProgramStore: Sendable {
    /// How many places a stage has.
    static let stageLimit = 64
    let database: DatabasePool
    private let files: BuiltInLayouts
    /// The layouts that every event has, by name.
    var builtIn: [String: Layout] { files.all }
    /// The themes that scenes may name.
    let themes: ThemeFolder

    /// Creates a store.
    ///
    /// - Parameters:
    ///   - database: the tables.
    ///   - builtIn: the layouts that every event has.
    ///   - themes: the themes that scenes may name.
    init(database: DatabasePool, builtIn: BuiltInLayouts, themes: ThemeFolder = ThemeFolder()) {
        self.database = database
        files = builtIn
        self.themes = themes
    }

    /// Returns what an event's program is made of.
    public func state(of event: String) async throws -> ProgramState {
        try await database.read { [builtIn] in try Self.read($0, event, builtIn) }
    }

    /// Changes a program in one transaction; a scene that has changed gets the next version.
    ///
    /// - Parameters:
    ///   - event: the event's slug.
    ///   - change: changes the state, with the layouts and files that scenes may name; throws to refuse.
    /// - Returns: the changed state.
    /// - Throws: `Problem` 404 when there is no such event, or what `change` throws.
    @discardableResult
    public func update(
        _ event: String, _ change: @escaping @Sendable (inout ProgramState, SceneReferences) throws -> Void
    ) async throws -> ProgramState {
        try await database.write { [builtIn, themes] in
            try Self.update($0, event, builtIn, themes: Set(themes.themes.keys), change)
        }
    }

    static func update(
        _ database: Database, _ event: String, _ builtIn: [String: Layout], themes: Set<String>,
        _ change: (inout ProgramState, SceneReferences) throws -> Void
    ) throws -> ProgramState {
        let before = try Self.read(database, event, builtIn)
        var state = before
        try change(&state, SceneReferences(database, event, builtIn, themes: themes))
        if state.scene != before.scene { state.version = before.version + 1 }
        if state.preview != before.preview { state.previewVersion = before.previewVersion + 1 }
        let org = try Self.org(of: event, database)
        try database.execute(
            sql: """
                INSERT OR REPLACE INTO program
                    (event, org, scene, version, preview, previewVersion, stage, clock)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                """, arguments: [event, org] + state.columns())
        return state
    }

    /// Returns the program clock of an earlier run; nil when there was none.
    public func clock(of event: String) async throws -> ClockAnchor? { try await state(of: event).clock }

    /// Keeps the program clock of an event for its next run.
    public func setClock(_ clock: ClockAnchor?, of event: String) async throws {
        try await update(event) { state, _ in state.clock = clock }
    }

    /// Returns what a compositor needs of an event's program, without the people.
    public func setup(for event: String) async throws -> ProgramParts {
        try await database.read { [builtIn, themes] database in
            let state = try Self.read(database, event, builtIn)
            let references = try SceneReferences(database, event, builtIn)
            return ProgramParts(
                scene: state.scene, version: state.version,
                layouts: references.layouts.values.sorted { $0.name < $1.name },
                themes: themes.themes.values.sorted { $0.name < $1.name }, stage: state.stage, clock: state.clock,
                take: try Self.take(database, event),
                rollLengthMs: state.scene.media.flatMap { references.length(of: $0.asset) },
                musicLengthMs: state.scene.audio.music.flatMap { references.length(ofMusic: $0.asset) })
        }
    }

    // MARK: - Participants

    /// Returns what a producer has said of an event's participants, by id.
    public func settings(of event: String) async throws -> [String: ParticipantSettings] {
        try await database.read { try Self.settings($0, event) }
    }

    /// Changes what a producer says of a participant.
    ///
    /// - Throws: `Problem` 404 when there is no such event.
    public func changeSettings(
        of participant: String, event: String, _ change: @escaping @Sendable (inout ParticipantSettings) -> Void
    ) async throws -> ParticipantSettings {
        try await database.write { database in
            var settings = try Self.settings(database, event)[participant] ?? ParticipantSettings()
            change(&settings)
            try database.execute(
                sql: """
                    INSERT OR REPLACE INTO participant (event, org, id, name, title, volume, isMuted, isMutedInRoom)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                    """,
                arguments: [
                    event, try Self.org(of: event, database), participant, settings.name, settings.title,
                    settings.volume, settings.isMuted, settings.isMutedInRoom,
                ])
            return settings
        }
    }

    /// Returns whom producers keep silent in the rooms, by event.
    func silenced() async throws -> [String: Set<String>] {
        try await database.read { database in
            try Row.fetchAll(database, sql: "SELECT event, id FROM participant WHERE isMutedInRoom")
                .reduce(into: [:]) { people, row in people[row["event"], default: []].insert(row["id"]) }
        }
    }

    /// Returns the people in a room as a compositor knows them: those on stage first, in the order of the stage.
    ///
    /// - Parameters:
    ///   - event: the event's slug.
    ///   - present: who is in the room.
    func cast(of event: String, present: [SpeakerView]) async throws -> [CastMember] {
        let (stage, settings) = try await database.read { [builtIn] database in
            (try Self.read(database, event, builtIn).stage, try Self.settings(database, event))
        }
        let order = Dictionary(stage.enumerated().map { ($1.participant, $0) }) { first, _ in first }
        let ordered = present.sorted {
            (order[$0.id] ?? .max, $0.id) < (order[$1.id] ?? .max, $1.id)
        }
        return ordered.map { person in
            let said = settings[person.id] ?? ParticipantSettings(), place = order[person.id].map { stage[$0] }
            return CastMember(
                id: person.id, name: said.name ?? person.name ?? "", title: said.title, isOnStage: place != nil,
                fit: place?.fit, zoom: place?.zoom ?? 1, isMirrored: place?.mirror ?? false,
                level: .init(volume: said.volume, muted: said.isMuted), sources: person.pictureSources,
                mutedSources: person.mutedSources, layeredSources: person.layeredSources)
        }
    }

    // MARK: - Inside a transaction

    static func read(_ database: Database, _ event: String, _ builtIn: [String: Layout]) throws -> ProgramState {
        let row = try Row.fetchOne(database, sql: "SELECT * FROM program WHERE event = ?", arguments: [event])
        var state = try row.map { try ProgramState($0) } ?? ProgramState(builtIn: builtIn)
        state.take = try String.fetchOne(
            database, sql: "SELECT id FROM pendingTake WHERE event = ?", arguments: [event])
        return state
    }

    static func org(of event: String, _ database: Database) throws -> String {
        guard
            let org = try String.fetchOne(database, sql: "SELECT org FROM event WHERE id = ?", arguments: [event])
        else { throw Problem.notFound("There is no such event.") }
        return org
    }

    private static func settings(_ database: Database, _ event: String) throws -> [String: ParticipantSettings] {
        let rows = try Row.fetchAll(database, sql: "SELECT * FROM participant WHERE event = ?", arguments: [event])
        return rows.reduce(into: [:]) { settings, row in
            settings[row["id"]] = ParticipantSettings(
                name: row["name"], title: row["title"], volume: row["volume"], isMuted: row["isMuted"],
                isMutedInRoom: row["isMutedInRoom"])
        }
    }
}
