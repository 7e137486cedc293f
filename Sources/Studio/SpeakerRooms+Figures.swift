// How the connections of a room are, asked of its SFU.

internal import Control
internal import Media
internal import Web

extension SpeakerRooms {
    /// A participant's connections, with their tracks.
    ///
    /// - Throws: `Problem` 404 for who is not there, 503 when the SFU does not answer.
    func connections(of participant: String, event: String) async throws -> [ConnectionReport] {
        _ = try principal(of: participant, event: event)
        guard
            case .connections(let reports) = try await send(
                .connections(room: event, participant: participant), event)
        else { throw Self.unexpected }
        return reports
    }

    /// How long a list of people waits for what the SFU knows of their connections.
    static let figuresPatienceMs: Int64 = 500

    /// In short how everybody's connections are, asked for once a second at most; empty where the SFU does not say at once.
    func connectionFigures(_ event: String) async -> [String: ConnectionFigures.Person] {
        let now = SystemClock.monotonic()
        if let known = figures[event], known.isFresh(now) { return known.people }
        // Who asks meanwhile gets what was known.
        figures[event] = ConnectionFigures(people: figures[event]?.people ?? [:], at: now)
        guard
            case .connections(let reports)? = try? await send(
                .connections(room: event, participant: nil), event, withinMs: Self.figuresPatienceMs)
        else {
            // Nothing is better than what was so long ago.
            figures[event] = ConnectionFigures(people: [:], at: now)
            return [:]
        }
        let fresh = ConnectionFigures(reports, at: now)
        if rooms[event] != nil { figures[event] = fresh }
        return fresh.people
    }

    /// How somebody's connections were when that was asked last; a change of theirs waits for nobody.
    func knownFigures(of participant: String, event: String) -> ConnectionFigures.Person? {
        figures[event]?.people[participant]
    }
}
