// How everybody's connections are, in three numbers each.

internal import Control
internal import Media

/// What an SFU said of a room's connections, by participant.
struct ConnectionFigures: Sendable {
    struct Person: Sendable, Hashable {
        /// The shortest of the measured round trips; nil where none was measured.
        var roundTripMs: Int64?
        /// The worst loss, 0 to 1.
        var loss = 0.0
        /// What they send, in bits per second.
        var bitrate = 0
    }

    /// They are good for so long.
    static let freshMs: Int64 = 1000

    let people: [String: Person]
    private let at: MonotonicTime

    init(people: [String: Person], at: MonotonicTime) {
        self.people = people
        self.at = at
    }

    /// Sums the reports up.
    init(_ reports: [ConnectionReport], at: MonotonicTime) {
        var people: [String: Person] = [:]
        for report in reports {
            var person = people[report.participant] ?? Person()
            person.roundTripMs = [person.roundTripMs, report.roundTripMs].compactMap { $0 }.min()
            person.loss = max(person.loss, report.loss)
            person.bitrate += report.bitrateIn
            people[report.participant] = person
        }
        self.init(people: people, at: at)
    }

    func isFresh(_ now: MonotonicTime) -> Bool { now.milliseconds(since: at) < Self.freshMs }
}
