// A take that waits for its moment.

public import Media

/// A scene that becomes the program's at a program time.
public struct PendingTake: Sendable, Codable, Hashable {
    /// Names this take.
    public var id: String
    /// What the program will show: the preview as it was when the take was asked for, with its roll and its music under the
    /// number under which they begin; `scene(after:layout:)` says what becomes of them.
    public var scene: Scene
    /// How it comes.
    public var transition: ProgramChange.Transition
    /// The program time of the first frame of the transition.
    public var at: ProgramTime
    /// How long the scene's roll runs; nil when there is none, or it stays.
    public var rollLengthMs: Int64?
    /// What is on air at its moment and goes on, whatever the scene says of it; nil is nothing.
    public var keeps: [ScenePart]?

    /// Creates a take.
    public init(
        id: String, scene: Scene, transition: ProgramChange.Transition, at: ProgramTime, rollLengthMs: Int64? = nil,
        keeps: [ScenePart]? = nil
    ) {
        self.id = id
        self.scene = scene
        self.transition = transition
        self.at = at
        self.rollLengthMs = rollLengthMs
        self.keeps = keeps
    }
}
