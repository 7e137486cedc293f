// What an event's program is made of: two scenes, the stage, the clock, and what a producer says of participants.

public import Control
internal import Foundation
internal import GRDB
internal import Web

/// What an event's program is made of.
public struct ProgramState: Sendable, Hashable {
    /// What the program shows.
    public var scene: Scene
    /// Counts changes of the program's scene.
    public var version: Int64 = 1
    /// What the preview shows.
    public var preview: Scene
    /// Counts changes of the preview.
    public var previewVersion: Int64 = 1
    /// Who is on stage, in order.
    public var stage: [StagePlace] = []
    /// The program clock of an earlier run.
    public var clock: ClockAnchor?
    /// The id of the take that waits for its moment; read only.
    public var take: String?

    /// The entity tag of the program's scene.
    var etag: String { "\"\(version)\"" }
    /// The entity tag of the preview's scene.
    var previewETag: String { "\"\(previewVersion)\"" }

    /// What a compositor is told of the scene.
    func change(_ transition: ProgramChange.Transition = .init(kind: .cut, milliseconds: 0)) -> ProgramChange {
        ProgramChange(scene: scene, version: version, take: take, transition: transition)
    }
}

/// Somebody on stage, and how their picture fills its slot.
public struct StagePlace: Sendable, Hashable, Codable {
    /// The participant's id.
    public var participant: String
    /// How the picture fills its slot; nil leaves the slot's rule.
    public var fit: Layout.Fit?
    /// How much the picture is enlarged, 1…4.
    public var zoom = 1.0
    /// Whether left and right change places.
    public var mirror = false
}

/// What a producer says of a participant.
public struct ParticipantSettings: Sendable, Hashable {
    /// The name that is shown; nil for their own.
    public var name: String?
    /// What they are.
    public var title: String?
    /// Their level in the program, 0…4.
    public var volume = 1.0
    /// Whether the program leaves them out of its sound.
    public var isMuted = false
    /// Whether nobody in the room hears them either.
    public var isMutedInRoom = false
}

/// What a compositor needs of an event's program.
public struct ProgramParts: Sendable, Hashable {
    /// What the program shows.
    public var scene: Scene
    /// The version of the scene.
    public var version: Int64
    /// Every layout that scenes of the event may name, by name.
    public var layouts: [Layout]
    /// Every theme that scenes may name, by name.
    public var themes: [OverlayTheme] = []
    /// Who is on stage, in order.
    public var stage: [StagePlace]
    /// The program clock of an earlier run.
    public var clock: ClockAnchor?
    /// The take that waits for its moment.
    public var take: PendingTake?
    /// How long the scene's roll runs; nil when there is none, or it stays.
    public var rollLengthMs: Int64?
    /// How long the scene's music runs; nil when there is none.
    public var musicLengthMs: Int64?

    /// What a compositor is told of the scene, and of what scenes may name.
    var change: ProgramChange {
        ProgramChange(scene: scene, version: version, take: take?.id, layouts: layouts, themes: themes)
    }
}

extension ProgramState {
    /// The state of an event that nobody has changed.
    init(builtIn: [String: Layout]) {
        let layout = builtIn["full"]?.name ?? builtIn.keys.min() ?? "full"
        scene = Scene(layout: layout)
        preview = scene
    }

    init(_ row: Row) throws {
        func read<Value: Decodable>(_ type: Value.Type, _ text: String) throws -> Value {
            try JSONDecoder().decode(type, from: Data(text.utf8))
        }
        let clock: String? = row["clock"]
        self.init(
            scene: try read(Scene.self, row["scene"]), version: row["version"],
            preview: try read(Scene.self, row["preview"]), previewVersion: row["previewVersion"],
            stage: try read([StagePlace].self, row["stage"]),
            clock: try clock.map { try read(ClockAnchor.self, $0) })
    }

    /// The columns scene, version, preview, previewVersion, stage and clock.
    func columns() throws -> StatementArguments {
        func text(_ value: some Encodable) throws -> String {
            String(decoding: try JSON.encoder.encode(value), as: UTF8.self)
        }
        return [
            try text(scene), version, try text(preview), previewVersion, try text(stage),
            try clock.map { try text($0) },
        ]
    }
}
