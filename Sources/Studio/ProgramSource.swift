// What the conductor of the compositors reads of events' programs.

internal import Control

/// Knows what the programs of events are made of.
protocol ProgramSource: Sendable {
    /// Returns an event's program, without the people.
    func setup(for event: String) async throws -> ProgramParts
    /// Returns the people in a room, those on stage first and in its order.
    func cast(of event: String, present: [SpeakerView]) async throws -> [CastMember]
    /// Keeps the clock on which an event's program runs; nil when the program has ended.
    func setClock(_ clock: ClockAnchor?, of event: String) async throws
}

extension ProgramStore: ProgramSource {}
