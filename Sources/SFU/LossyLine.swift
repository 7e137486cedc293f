// A line that loses much whatever is sent over it: another way to the same place may be better.

import Media

/// Tells when a line's own losses are more than repeats can mend; a value, told the time.
///
/// `LossControl` knows what a path loses by itself: nothing that was lost beside a queue, nor what less is lost of when less is sent.
struct LossyLine {
    /// The part of its packets from which on a line loses too much.
    ///
    /// With a fifth lost repeats still bring pictures. What loses more than this and has no queue is most often a network that
    /// holds UDP back, and TCP fares better there.
    static let share = 0.3
    /// So much of that has to be found the path's own; the rest may be what was never tried with less.
    static let ownShare = 0.2
    /// As long as nothing waits in a queue, in milliseconds.
    static let waitingMs = 50.0
    /// For how long, behind the seconds in which the losses were found to be the path's own; then after how long it is told again.
    static let holdMs: Int64 = 1000, pauseMs: Int64 = 30_000
    private var since: MonotonicTime?, told: MonotonicTime?

    /// Takes what is lost now, what of it is the path's own, and how long packets wait in a queue; returns whether it is to be told.
    mutating func note(loss: Double, inherent: Double, waitingMs: Double, now: MonotonicTime) -> Bool {
        guard loss >= Self.share, inherent >= Self.ownShare, waitingMs < Self.waitingMs else {
            since = nil
            return false
        }
        let start = since ?? now
        since = start
        guard now.milliseconds(since: start) >= Self.holdMs,
            told.map({ now.milliseconds(since: $0) >= Self.pauseMs }) ?? true
        else { return false }
        told = now
        return true
    }
}
