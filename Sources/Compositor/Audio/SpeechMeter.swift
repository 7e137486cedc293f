// How loud a source is, and whether somebody speaks.

import Glibc

/// The level of one source as it comes in, before its gain.
public struct SoundLevel: Hashable, Sendable {
    /// The mean level over about 100 ms, and the highest sample of the last second or so, in dBFS; −120 is silence.
    public var rmsDecibels: Float, peakDecibels: Float
    /// Whether it is speech, by its level over its own noise; held over the pauses between words.
    public var isSpeaking: Bool

    /// Creates a level; silence by default.
    public init(rmsDecibels: Float = -120, peakDecibels: Float = -120, isSpeaking: Bool = false) {
        self.rmsDecibels = rmsDecibels
        self.peakDecibels = peakDecibels
        self.isSpeaking = isSpeaking
    }
}

/// Follows the level of one source in blocks of 10 ms.
///
/// Speech is what lies clearly over the source's own noise. The noise is what the source falls back to between syllables:
/// it is taken lower at once and higher only slowly, so that a fan that is switched on counts as speech for some seconds,
/// and no longer.
struct SpeechMeter: Sendable {
    /// Speech begins above these: over the noise, and in itself.
    static let overNoise: Float = 10, least: Float = -50
    /// Noise is never taken for higher than this: who hums a loud tone is heard as a speaker.
    static let mostNoise: Float = -40
    /// Pauses that speech bridges, in blocks: longer than those between words, shorter than those between speakers.
    static let hold = 40
    /// What the noise rises by in a block: 2 dB in a second.
    private static let noiseRise: Float = 0.02
    private static let silence: Float = -120

    private var power: Float = 0, peak: Float = 0
    private var noise: Float = SpeechMeter.mostNoise
    private var held = 0, loudBlocks = 0, silentBlocks = 0

    /// Takes 480 samples, left and right in turn.
    mutating func take(_ samples: UnsafeBufferPointer<Float>) {
        var sum: Float = 0, highest: Float = 0
        for sample in samples where sample.isFinite {
            let held = min(max(sample, -8), 8)
            sum += held * held
            highest = max(highest, abs(held))
        }
        follow(samples.isEmpty ? 0 : sum / Float(samples.count), highest)
        silentBlocks = 0
    }

    /// Takes 10 ms without any sample.
    mutating func takeSilence() {
        follow(0, 0)
        silentBlocks += 1
    }

    /// Whether it has been silent for a second.
    var isOver: Bool { silentBlocks >= 100 }

    var level: SoundLevel {
        SoundLevel(
            rmsDecibels: Self.decibels(power: power), peakDecibels: Self.decibels(power: peak * peak),
            isSpeaking: held > 0)
    }

    private mutating func follow(_ new: Float, _ highest: Float) {
        power += (new - power) * 0.1
        // 12 dB in a second.
        peak = max(highest, peak * 0.986)
        let now = Self.decibels(power: new)
        // Silence is no noise floor: between two packets of a sender that pauses there is nothing at all.
        if now > Self.silence + 20 {
            noise = min(Self.mostNoise, max(now, -90) < noise ? max(now, -90) : noise + Self.noiseRise)
        }
        loudBlocks = now > max(Self.least, noise + Self.overNoise) ? loudBlocks + 1 : 0
        // A click lies in one block or two.
        if loudBlocks >= 3 { held = Self.hold } else if held > 0 { held -= 1 }
    }

    static func decibels(power: Float) -> Float { power > 1e-12 ? max(silence, 10 * log10f(power)) : silence }
}
