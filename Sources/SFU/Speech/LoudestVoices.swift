// Which voices of a room are sent to everybody: the loudest few; pure, in the times that it is told.

import Media

/// The voices of a room, and those of them that are heard.
///
/// A place is given at the very packet that is loud enough, so no word loses its beginning while fewer people speak than there
/// are places: who begins to speak gets the place of who says nothing just now. Where more people speak than there are places,
/// the loudest have them, and keep them through the pauses between their words.
struct LoudestVoices {
    /// So much louder than the quietest, in dB, must be who takes its place.
    static let margin = 3

    /// How many are heard; 0 for all.
    let limit: Int
    private(set) var all: [Voice] = []
    private var heard: [Voice] = []

    /// - Parameter limit: how many are heard at once; 0 for all.
    init(limit: Int) {
        self.limit = max(0, limit)
        heard.reserveCapacity(self.limit)
    }

    mutating func add(_ voice: Voice) { all.append(voice) }

    mutating func remove(_ voice: Voice) {
        all.removeAll { $0 === voice }
        yield(voice)
    }

    /// Takes the place of a voice that says nothing now, as one that is muted.
    mutating func yield(_ voice: Voice) {
        heard.removeAll { $0 === voice }
        voice.isForwarded = false
    }

    /// Takes note of a packet and says whether its voice is heard.
    ///
    /// - Parameter loudness: 0 to 127, told or guessed.
    @inline(__always)
    mutating func admits(_ voice: Voice, _ loudness: UInt8, now: MonotonicTime) -> Bool {
        voice.note(loudness, now: now)
        if limit == 0 || voice.isForwarded { return true }
        return enter(voice, loudness, now: now)
    }

    private mutating func enter(_ voice: Voice, _ loudness: UInt8, now: MonotonicTime) -> Bool {
        // Nobody has two places, however many microphones they send.
        if let own = heard.firstIndex(where: { $0.participant == voice.participant }) {
            guard loudness >= Voice.audible, heard[own].loudness(now) < Int(loudness) - Self.margin else {
                return false
            }
            heard[own].isForwarded = false
            heard[own] = voice
            voice.isForwarded = true
            return true
        }
        if heard.count >= limit {
            guard loudness >= Voice.audible else { return false }
            var place: Int?, least = Int(loudness) - Self.margin
            for index in heard.indices {
                // To who begins, a pause is silence; to who goes on without a place, it is a pause.
                let isSilent = voice.isOnset && heard[index].pauses(now)
                let loudness = isSilent ? heard[index].loudness(now) - 128 : heard[index].loudness(now)
                guard loudness < least else { continue }
                (place, least) = (index, loudness)
            }
            guard let place else { return false }
            heard[place].isForwarded = false
            heard[place] = voice
        } else {
            heard.append(voice)
        }
        voice.isForwarded = true
        return true
    }
}
