// Who was in a room a moment ago and may be on the way back: a value, in the times that it is told.

internal import Media

/// Those whose last session has ended without a goodbye, newest last.
struct Departures: Sendable {
    private struct Departure: Sendable {
        let event: String, participant: String
        let at: MonotonicTime
    }

    /// Who has left for so long is not on the way back, unless their socket still stands.
    static let graceMs = ResumeTable.windowMs
    /// With a socket that stands somebody may look for a media server for so long.
    static let keptMs: Int64 = 600_000
    /// Beyond that the oldest are forgotten.
    static let maximum = 4000
    private var all: [Departure] = []

    /// Takes note that somebody's last session has ended.
    mutating func note(_ participant: String, _ event: String, now: MonotonicTime) {
        forget(participant, event)
        let old = all.prefix { now.milliseconds(since: $0.at) >= Self.keptMs }.count
        all.removeFirst(max(old, all.count - Self.maximum + 1))
        all.append(Departure(event: event, participant: participant, at: now))
    }

    /// Takes note that somebody has said goodbye, or was sent away.
    mutating func forget(_ participant: String, _ event: String) {
        all.removeAll { $0.participant == participant && $0.event == event }
    }

    /// Forgets an event.
    mutating func forget(event: String) { all.removeAll { $0.event == event } }

    /// Who may be on the way back into a room.
    ///
    /// - Parameter standing: those whose socket stands.
    func expected(_ event: String, standing: Set<String>, now: MonotonicTime) -> Set<String> {
        Set(
            all.filter {
                $0.event == event
                    && (now.milliseconds(since: $0.at) < Self.graceMs || standing.contains($0.participant))
            }.map(\.participant))
    }
}
