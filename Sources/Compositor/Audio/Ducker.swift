// How far music and rolls go down while somebody speaks.

import Glibc

/// A gain that goes down within 80 ms when speech begins, and comes back within 400 ms when it is over.
///
/// It moves evenly in decibels. What counts as speech bridges the pauses between words by itself, so that it does not pump.
struct Ducker: Sendable {
    /// The lengths of the ways down and up, in blocks of 10 ms.
    static let attack: Float = 8, release: Float = 40

    private var depth: Float = 12
    /// How far it goes down on the way that it is on: the way back takes as long when it is made shallower meanwhile.
    private var reach: Float = 12
    /// Where it is, at most 0.
    private(set) var decibels: Float = 0

    mutating func setDepth(_ decibels: Float) { depth = decibels.isFinite ? min(max(0, decibels), 40) : 12 }

    /// Goes on by a block; returns the gains at its begin and its end.
    mutating func advance(isSpeech: Bool) -> (from: Float, to: Float) {
        let from = decibels, target = isSpeech ? -depth : 0
        reach = max(depth, decibels == 0 ? 1 : reach)
        if decibels > target {
            decibels = max(target, decibels - reach / Self.attack)
        } else {
            decibels = min(target, decibels + reach / Self.release)
        }
        return (Self.gain(from), Self.gain(decibels))
    }

    private static func gain(_ decibels: Float) -> Float { decibels == 0 ? 1 : powf(10, decibels / 20) }
}
