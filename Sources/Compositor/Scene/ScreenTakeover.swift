// Whose shared screen has taken over.

import Media

/// Decides when a shared screen takes over and when it gives back, in program time.
///
/// A screen takes over when its picture has been there for half a second, and keeps the place while it is there; a second
/// one waits. It gives back when it has been away for 0.3 s. Then nothing takes over for three seconds, so that somebody
/// who tries the button does not make the program flap.
struct ScreenTakeover: Sendable {
    static let enterMs: Int64 = 500, exitMs: Int64 = 300, restMs: Int64 = 3000

    /// The participant whose screen it is.
    private(set) var participant: String?
    private var candidate: (id: String, since: ProgramTime)?
    private var lastSeen: ProgramTime?
    private var gaveBackAt: ProgramTime?

    /// Takes what is there at a moment.
    ///
    /// - Parameters:
    ///   - sharing: those on stage whose screen has a picture, in the order of the stage.
    ///   - time: later than that of the call before.
    mutating func look(_ sharing: [String], at time: ProgramTime) {
        if let participant {
            if sharing.contains(participant) {
                lastSeen = time
                return
            }
            guard let seen = lastSeen, time.milliseconds(since: seen) < Self.exitMs else {
                // Another screen that is there already goes on without a change of the layout.
                self.participant = sharing.first
                if self.participant == nil { gaveBackAt = time }
                lastSeen = time
                candidate = nil
                return
            }
            return
        }
        let known = candidate.flatMap { sharing.contains($0.id) ? $0.id : nil }
        guard let first = known ?? sharing.first else {
            candidate = nil
            return
        }
        if candidate?.id != first { candidate = (first, time) }
        guard let since = candidate?.since, time.milliseconds(since: since) >= Self.enterMs else { return }
        if let gaveBackAt, time.milliseconds(since: gaveBackAt) < Self.restMs { return }
        (participant, lastSeen, candidate) = (first, time, nil)
    }
}
