// What the conductor of the compositors reads of events' programs.

internal import Control
internal import Media

/// Knows what the programs of events are made of.
protocol ProgramSource: Sendable {
    /// Returns an event's program, without the people.
    func setup(for event: String) async throws -> ProgramParts
    /// Returns the people in a room, those on stage first and in its order.
    func cast(of event: String, present: [SpeakerView]) async throws -> [CastMember]
    /// Makes a take that was shown the program's scene; nil when it does not wait any more.
    func finishTake(_ id: String, of event: String) async throws -> ProgramState?
    /// Returns the takes whose moment lies before a program time, by event.
    func takes(before time: ProgramTime) async throws -> [String: PendingTake]
    /// Keeps the clock on which an event's program runs; nil when the program has ended.
    func setClock(_ clock: ClockAnchor?, of event: String) async throws
    /// A roll has ended: goes on as its scene says.
    ///
    /// - Returns: the scene to show; nil when the program has gone on already.
    func rollEnded(_ asset: String, run: Int64, event: String) async throws -> ProgramChange?
}

extension ProgramStore: ProgramSource {}
