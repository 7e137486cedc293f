// Who of a room has the floor, after Volfin and Cohen: pure, in the times that it is told.

import Glibc
import Media

/// The dominant speaker of a room.
///
/// Somebody takes over who is ahead in all three times at once: now, in the last tenth of a second, and in the last second. So
/// a cough or a "yes" changes nothing, a pause between two words of the dominant one neither, and silence leaves the floor to
/// who had it last. The thresholds are the paper's (section IV).
struct DominantSpeaker {
    /// How often it is decided; news of it comes at most so often.
    static let intervalMs: Int64 = 300
    /// By how much a challenger's scores must be ahead, as logarithms of quotients.
    static let immediateLead = 3.0, mediumLead = 2.0, longLead = 0.0

    /// Who it is; nil until somebody has spoken, and when who had the floor has gone.
    private(set) var current: Voice?
    private var last: MonotonicTime?

    /// Decides, when it is time to.
    ///
    /// - Returns: whether it is somebody else than before.
    mutating func decide(among voices: [Voice], now: MonotonicTime) -> Bool {
        if let last, now.milliseconds(since: last) < Self.intervalMs { return false }
        last = now
        let before = current
        if let known = current, !voices.contains(where: { $0 === known }) { current = nil }
        for voice in voices { voice.activity.settle(now: now) }
        let floor = current?.activity.scores()
        var best: (voice: Voice, lead: Double)?
        for voice in voices where voice !== current {
            let scores = voice.activity.scores()
            guard scores.isSpeech, let lead = Self.lead(of: scores, over: floor),
                best.map({ lead > $0.lead }) ?? true
            else { continue }
            best = (voice, lead)
        }
        if let best { current = best.voice }
        return current !== before
    }

    /// By how much a challenger leads in the medium time; nil when that is not enough, or not in all times.
    private static func lead(of challenger: SpeechScores, over floor: SpeechScores?) -> Double? {
        guard let floor else { return challenger.medium }
        let medium = log(challenger.medium / floor.medium)
        guard log(challenger.immediate / floor.immediate) > immediateLead, medium > mediumLead,
            log(challenger.long / floor.long) > longLead
        else { return nil }
        return medium
    }
}
