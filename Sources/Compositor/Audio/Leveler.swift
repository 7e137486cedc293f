// Brings the mix slowly to the loudness that was asked for.

import Glibc

/// A slow gain for the whole mix, from its momentary loudness ten times a second.
///
/// It follows the mean loudness of what is no pause, over about six seconds of it, and moves by at most 1 dB in a second;
/// in a pause it stays where it is. Within a decibel of the target it leaves the mix alone, so that nothing pumps.
struct Leveler: Sendable {
    /// What it aims at, in LUFS.
    static let target: Float = -16
    /// How far it goes, in decibels.
    static let most: Float = 12, least: Float = -18
    /// What is quieter than this is a pause, whatever came before; and what is this much quieter than the mean.
    private static let gate: Float = -50, relativeGate: Float = 12
    private static let step: Float = 0.1, deadBand: Float = 1, weight: Float = 1 / 60

    private var energy: Float?
    private var known = 0
    private var isMoving = false
    /// The gain now.
    private(set) var decibels: Float = 0

    /// The gain as a factor.
    var gain: Float { decibels == 0 ? 1 : powf(10, decibels / 20) }

    /// Goes on by 100 ms.
    ///
    /// - Parameters:
    ///   - momentary: the loudness of the last 400 ms before the gain, in LUFS.
    ///   - isEnabled: whether to level; if not, the gain goes back to none as slowly.
    mutating func advance(momentary: Float, isEnabled: Bool) {
        let isPause = momentary < Self.gate || energy.map { momentary < 10 * log10f($0) - Self.relativeGate } ?? false
        if !isPause {
            let now = powf(10, momentary / 10)
            known = min(known + 1, 60)
            // At first the mean of what there is, so that the first word does not count for long.
            let weight = max(Self.weight, 1 / Float(known))
            energy = energy.map { $0 + (now - $0) * weight } ?? now
        } else if let energy, momentary >= Self.gate {
            // Who stays quieter than that is no pause after all: the mean comes down by 1 dB in a second.
            self.energy = energy * 0.977
        }
        guard isEnabled else {
            isMoving = false
            decibels += min(max(-decibels, -Self.step), Self.step)
            return
        }
        // The first second and a half says too little.
        guard !isPause, known >= 15, let energy else { return }
        let goal = min(max(Self.target - 10 * log10f(energy), Self.least), Self.most)
        let distance = goal - decibels
        if abs(distance) > Self.deadBand { isMoving = true }
        if abs(distance) < Self.deadBand / 4 { isMoving = false }
        if isMoving { decibels += min(max(distance, -Self.step), Self.step) }
    }
}
