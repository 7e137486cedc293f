// How long pictures are to wait before they are shown, so that what a line loses of them comes again meanwhile: a subscriber's line, or
// that of who publishes them.
//
// A browser that only receives never learns the round trip, which its own jitter buffer would add as soon as it asks for packets
// again (libwebrtc, `JitterEstimator`): each picture of which a packet is lost comes too late then, holds up all behind it, and of
// those some are left out. We know both the round trip and the losses.

import Media

/// The wait that packets tell their receiver; pure, in the times that it is told.
struct PlayoutWait: Sendable {
    /// So much must be lost, for so long, and so much less that it ends: a line that hardly loses is not to be late.
    private static let loss = 0.02, endLoss = 0.01, patienceMs: Int64 = 1000
    /// A window of feedback has forty packets, of which chance loses more or less: the mean over so much time counts.
    private static let meanMs = 2000.0
    /// From so much loss on, repeats are lost too often to wait for one only, or for two.
    private static let twiceLoss = 0.05, thriceLoss = 0.15
    /// Until a hole is seen, which the next picture tells, and asked for; until it is asked for again.
    private static let askMs = 60.0, againMs = 20.0
    /// As often as a browser that does not know its round trip asks again, in milliseconds.
    private static let browsersMs = 100.0
    /// Longer is too late to talk with each other.
    static let longestMs = 500
    /// Less is followed after this time only, and nothing at all that hardly differs.
    private static let holdMs: Int64 = 10_000, stepMs = 30

    /// Milliseconds; 0 for none.
    private var milliseconds = 0
    private var level = 0.0, followedAt: MonotonicTime?
    private var since: MonotonicTime?, lessSince: MonotonicTime?

    /// What packets say; nil where a receiver is left to itself.
    var told: Int? { milliseconds > 0 ? milliseconds : nil }

    /// Follows the line.
    ///
    /// - Parameters:
    ///   - loss: the part of the packets that is lost now; nil while a queue loses them, which is over when it is.
    ///   - roundTripMs: over the line and back.
    mutating func follow(loss: Double?, roundTripMs: Double, now: MonotonicTime) {
        let elapsed = followedAt.map { Double(now.milliseconds(since: $0)) } ?? 0
        followedAt = now
        guard let loss else {
            since = nil
            return
        }
        level += (loss - level) * min(1, elapsed / Self.meanMs)
        guard level >= (milliseconds > 0 ? Self.endLoss : Self.loss) else {
            since = nil
            return lower(to: 0, now: now)
        }
        let start = since ?? now
        since = start
        guard milliseconds > 0 || now.milliseconds(since: start) >= Self.patienceMs else { return }
        let rounds = level >= Self.thriceLoss ? 2.0 : level >= Self.twiceLoss ? 1 : 0
        let wait = roundTripMs + Self.askMs + rounds * (max(roundTripMs, Self.browsersMs) + Self.againMs)
        let target = Int(min(wait, Double(Self.longestMs)) / 10) * 10
        if target >= milliseconds + Self.stepMs || milliseconds == 0 {
            milliseconds = target
            lessSince = nil
        } else if target <= milliseconds - Self.stepMs {
            lower(to: target, now: now)
        } else {
            lessSince = nil
        }
    }

    private mutating func lower(to target: Int, now: MonotonicTime) {
        guard milliseconds > target else { return }
        let start = lessSince ?? now
        lessSince = start
        guard now.milliseconds(since: start) >= Self.holdMs else { return }
        milliseconds = target
        lessSince = nil
    }
}

/// What one stream's packets have told their receiver, which keeps what it has heard last until it hears something else.
struct ToldWait: Sendable {
    /// How many packets say that a wait is over: each may be lost.
    static let farewells = 100

    private var left = 0

    /// What the next packet says, in milliseconds; nil for nothing.
    ///
    /// - Parameter wait: what the receiver is to wait for now; nil where it is left to itself.
    mutating func next(_ wait: Int?) -> Int? {
        if let wait {
            left = Self.farewells
            return wait
        }
        guard left > 0 else { return nil }
        left -= 1
        return 0
    }
}
