// One microphone in a room: how loud it is now, as its packets say or let guess, and what it said in the last second.

import Media

/// A microphone; confined to its shard's thread.
final class Voice {
    /// A pause between words does not make a voice quieter; after it loudness falls by 1 dB in so many milliseconds.
    static let holdMs: Int64 = 500, fallMs: Int64 = 10
    /// Nobody hears a voice below this.
    static let audible: UInt8 = 40
    /// So loud counts a packet of speech that does not tell its level: it is heard, and anybody who tells is louder.
    static let guessed: UInt8 = 44
    /// A packet that tells nothing and is no longer than this is silence (RFC 6716 section 3.1: nothing but the code byte is DTX).
    static let silentBytes = 3
    /// Who has not been audible for so long makes a pause.
    static let pauseMs: Int64 = 50

    let participant: String
    var activity = SpeechActivity()
    /// Whether those who do not hear everybody hear it.
    var isForwarded = false
    /// From which packet on it may be heard; what came while it was muted never is.
    private(set) var opened: Int64?
    private var peak = 0, peakAt: MonotonicTime?
    /// What a large packet of this microphone is, in 1/512 byte; it falls by half in seven seconds.
    private var large = 0
    /// When it was audible last, and whether that was the beginning of something.
    private(set) var audibleAt: MonotonicTime?, isOnset = false

    init(participant: String) { self.participant = participant }

    /// Takes note of a packet's loudness, 0 to 127.
    @inline(__always)
    func note(_ loudness: UInt8, now: MonotonicTime) {
        activity.note(loudness: loudness, now: now)
        if loudness >= Self.audible {
            isOnset = audibleAt.map { now.milliseconds(since: $0) > Self.holdMs } ?? true
            audibleAt = now
        }
        guard Int(loudness) >= self.loudness(now) else { return }
        peak = Int(loudness)
        peakAt = now
    }

    /// The loudness of a packet that does not tell it, by its size: silence is much smaller than speech where the bit rate follows the
    /// sound, and next to nothing with DTX.
    ///
    /// At a constant bit rate everything counts as speech, which takes free places and no place of anybody who is louder.
    @inline(__always)
    func guess(size: Int) -> UInt8 {
        guard size > Self.silentBytes else { return 0 }
        large = max(size << 9, large - large >> 9)
        return size << 9 > large / 3 ? Self.guessed : 0
    }

    /// How loud it is, as its last words were.
    @inline(__always)
    func loudness(_ now: MonotonicTime) -> Int {
        guard let peakAt else { return 0 }
        return max(0, peak - Int(max(0, now.milliseconds(since: peakAt) - Self.holdMs) / Self.fallMs))
    }

    /// Whether it says nothing just now.
    @inline(__always)
    func pauses(_ now: MonotonicTime) -> Bool {
        audibleAt.map { now.milliseconds(since: $0) > Self.pauseMs } ?? true
    }

    /// Takes note that a packet may be heard.
    @inline(__always)
    func open(_ sequence: Int64) { if opened == nil { opened = sequence } }

    /// What came until now is heard by nobody any more.
    func close() { opened = nil }

    /// Forgets what it said, as one that is muted.
    func reset() {
        opened = nil
        activity.reset()
        peak = 0
        peakAt = nil
        audibleAt = nil
    }
}
