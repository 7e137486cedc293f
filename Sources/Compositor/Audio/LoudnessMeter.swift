// How loud a signal is to the ear, by libebur128.

import CEBUR128

/// Loudness by EBU R 128, in LUFS, and the highest true peak; −120 is silence.
public struct Loudness: Hashable, Sendable {
    /// Over the last 400 ms, over the last 3 s, and over all so far with the pauses left out.
    public var momentary: Float, shortTerm: Float, integrated: Float
    /// The highest peak so far, those between samples included, in dBFS.
    public var truePeak: Float

    /// Creates a loudness; silence by default.
    public init(momentary: Float = -120, shortTerm: Float = -120, integrated: Float = -120, truePeak: Float = -120) {
        self.momentary = momentary
        self.shortTerm = shortTerm
        self.integrated = integrated
        self.truePeak = truePeak
    }
}

/// A loudness meter for 48 kHz stereo in constant memory, owned by one thread.
struct LoudnessMeter: ~Copyable {
    private let state: UnsafeMutablePointer<ebur128_state>
    private let isWhole: Bool

    /// - Parameter isWhole: whether it keeps short-term and integrated loudness and peaks too, not only the momentary one.
    /// - Returns: nil when there is no memory.
    init?(isWhole: Bool) {
        let whole =
            EBUR128_MODE_S.rawValue | EBUR128_MODE_I.rawValue | EBUR128_MODE_TRUE_PEAK.rawValue
            | EBUR128_MODE_HISTOGRAM.rawValue
        let mode = isWhole ? whole : EBUR128_MODE_M.rawValue
        guard let state = ebur128_init(2, 48_000, Int32(mode)) else { return nil }
        self.state = state
        self.isWhole = isWhole
    }

    deinit {
        var state: UnsafeMutablePointer<ebur128_state>? = state
        ebur128_destroy(&state)
    }

    /// Takes samples, left and right in turn, all of them numbers.
    mutating func take(_ samples: UnsafeBufferPointer<Float>) {
        guard let base = samples.baseAddress else { return }
        _ = ebur128_add_frames_float(state, base, samples.count / 2)
    }

    /// The loudness of the last 400 ms.
    var momentary: Float { Self.read { ebur128_loudness_momentary(state, &$0) } }

    /// Everything that is kept.
    var loudness: Loudness {
        var loudness = Loudness(momentary: momentary)
        guard isWhole else { return loudness }
        loudness.shortTerm = Self.read { ebur128_loudness_shortterm(state, &$0) }
        loudness.integrated = Self.read { ebur128_loudness_global(state, &$0) }
        var peak = 0.0
        for channel in 0..<2 as Range<UInt32> {
            var value = 0.0
            if ebur128_true_peak(state, channel, &value) == 0 { peak = max(peak, value) }
        }
        loudness.truePeak = SpeechMeter.decibels(power: Float(peak * peak))
        return loudness
    }

    private static func read(_ body: (inout Double) -> Int32) -> Float {
        var value = 0.0
        guard body(&value) == 0, value.isFinite else { return -120 }
        return max(-120, Float(value))
    }
}
