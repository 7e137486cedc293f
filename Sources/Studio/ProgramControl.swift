// What the routes ask of an event's compositor; who carries it there is the conductor's business.

public import Control
public import Foundation
public import Media

/// When a change is seen.
public struct ShownAt: Sendable, Hashable {
    /// From this program time on.
    public var programTime: ProgramTime
    /// False while cards stand in for something that the scene names.
    public var isReady: Bool

    /// Creates the answer to a change.
    public init(programTime: ProgramTime, isReady: Bool) {
        self.programTime = programTime
        self.isReady = isReady
    }
}

/// Shows scenes on the compositor of an event.
public protocol ProgramControl: Sendable {
    /// Shows a scene.
    ///
    /// - Parameters:
    ///   - change: the scene, its version and how it comes.
    ///   - event: the event's slug.
    /// - Returns: from when on it is seen; nil when no compositor runs.
    /// - Throws: `Problem` when the compositor refuses it or does not answer.
    func show(_ change: ProgramChange, event: String) async throws -> ShownAt?

    /// Tells the compositor the event's layouts, in turn, with the scene that it shows already.
    ///
    /// - Parameter event: the event's slug.
    /// - Returns: from when on they are seen; nil when no compositor runs or it could not be told.
    func layoutsChanged(event: String) async -> ShownAt?

    /// Tells the compositor the take that waits, or that there is none any more.
    ///
    /// - Parameter event: the event's slug.
    /// - Returns: whether everything that it names is there; nil when no compositor runs, which is told later.
    func takeChanged(event: String) async -> Bool?

    /// Tells the compositor that participants, their names or levels, or the stage have changed.
    ///
    /// - Parameter event: the event's slug.
    /// - Returns: from when on it is seen; nil when no compositor runs or it is told a little later.
    func castChanged(event: String) async -> ShownAt?

    /// Draws a picture.
    ///
    /// - Parameters:
    ///   - scene: what to draw; nil for the program as it is out now.
    ///   - event: the event's slug.
    /// - Returns: a JPEG file.
    /// - Throws: `Problem` 503 when no compositor runs or it does not answer.
    func still(_ scene: Scene?, event: String) async throws -> Data

    /// Reads the mean colours of areas of the program's picture as it is out now.
    ///
    /// - Throws: `Problem` 503 when no compositor runs or it does not answer.
    func meter(_ areas: [CanvasArea], event: String) async throws -> CanvasReading

    /// Reads how loud the sources and the program are.
    ///
    /// - Throws: `Problem` 503 when no compositor runs or it does not answer.
    func sound(event: String) async throws -> SoundReading
}
