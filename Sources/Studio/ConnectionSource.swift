// What the conductor of the compositors reads of outputs and ingests, and what it keeps.

internal import Control

/// Knows what the programs of events are connected to.
protocol ConnectionSource: Sendable {
    /// Returns an event's further outputs and its ingests.
    ///
    /// - Parameters:
    ///   - event: the event's slug.
    ///   - publishURL: where the program goes: the ingests are played from the same server.
    func connections(of event: String, publishURL: String) async throws -> ProgramConnections
    /// Remembers that servers have taken these outputs.
    func haveBeenLive(_ outputs: [String], event: String) async throws
}

/// Reads them from the database.
struct StoredConnections: ConnectionSource {
    let outputs: OutputStore
    let ingests: IngestStore

    func connections(of event: String, publishURL: String) async throws -> ProgramConnections {
        let address = try RTMPAddress(publishURL)
        let feeds = try await ingests.list(event: event).filter { $0.kind == .source }
            .map { IngestFeed(name: $0.name, url: address.replacingApp("ingest/\($0.name)")) }
        return ProgramConnections(outputs: try await outputs.destinations(event: event), ingests: feeds)
    }

    func haveBeenLive(_ outputs: [String], event: String) async throws {
        try await self.outputs.haveBeenLive(outputs, event: event)
    }
}
