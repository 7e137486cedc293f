// How much a count of loud pieces speaks for speech, after Volfin and Cohen.

import Glibc

/// The score of "so many of n pieces were loud", looked up in a table.
///
/// It is the logarithm of the likelihood ratio between speech, in which the count follows a binomial distribution, and silence,
/// in which it follows an exponential one (I. Volfin and I. Cohen, "Dominant speaker identification for multipoint
/// videoconferencing", IEEEI 2012, section III). What speaks for silence has the smallest score, so that quotients of scores
/// mean something.
struct SpeechScore: Sendable {
    /// The smallest score.
    static let minimum = 1e-10

    /// One frame, by how many of 13 steps of loudness it reaches.
    static let immediate = SpeechScore(pieces: 13, rate: 0.78)
    /// A tenth of a second, by how many of its 5 frames are loud.
    static let medium = SpeechScore(pieces: 5, rate: 24)
    /// A second, by how many of its 10 tenths are loud throughout.
    static let long = SpeechScore(pieces: 10, rate: 47)

    private let table: [Double]

    /// - Parameters:
    ///   - pieces: how many there are; each is loud with a probability of one half while somebody speaks.
    ///   - rate: the parameter of the exponential distribution of silence.
    init(pieces: Int, rate: Double) {
        table = (0...pieces).map { count in
            let ways = lgamma(Double(pieces + 1)) - lgamma(Double(count + 1)) - lgamma(Double(pieces - count + 1))
            return max(Self.minimum, ways + Double(pieces) * log(0.5) - log(rate) + rate * Double(count))
        }
    }

    /// The score of a count, which is clamped.
    @inline(__always)
    subscript(count: Int) -> Double { table[min(max(count, 0), table.count - 1)] }
}

/// Somebody's scores at one moment.
struct SpeechScores: Sendable, Hashable {
    var immediate = SpeechScore.minimum, medium = SpeechScore.minimum, long = SpeechScore.minimum

    /// Whether the last second had speech at all.
    var isSpeech: Bool { medium > SpeechScore.minimum && long > SpeechScore.minimum }
}
