// Where two places of a sound are alike, so that it can go on at one from the other and nobody notices: pure.

/// The search behind a splice: a pitch period, or a few, is left out or said twice.
///
/// It is what WSOLA does (Verhelst and Roelands, ICASSP 1993): among the places near the wanted one, the one is taken whose
/// sound differs least from what would have followed. What is periodic finds its period, what is silent any place.
enum SoundMatch {
    /// How far from the wanted place is searched, and how much is compared: 5 ms, so that a voice of 100 Hz finds a period.
    static let reach = 240, window = 240
    /// The first search takes every fourth sample at every fourth place.
    private static let coarse = 4

    /// Finds the place.
    ///
    /// - Parameters:
    ///   - from: the number of the sample that would come next.
    ///   - wanted: the number of the sample near which to go on.
    ///   - sample: gives a sample; what is unknown is silent.
    /// - Returns: a number within `reach` of the wanted one.
    static func place(like from: Int64, near wanted: Int64, sample: (Int64) -> Float) -> Int64 {
        let pattern = (0..<window).map { sample(from &+ Int64($0)) }
        let begin = wanted &- Int64(reach)
        let field = (0..<window + 2 * reach).map { sample(begin &+ Int64($0)) }
        func difference(_ offset: Int, _ step: Int) -> Float {
            var sum: Float = 0
            for index in stride(from: 0, to: window, by: step) {
                let distance = pattern[index] - field[offset + index]
                sum += distance * distance
            }
            return sum
        }
        var best = reach, least = difference(reach, coarse)
        // From the middle outwards: of places that are alike the nearest one.
        for away in stride(from: coarse, through: reach, by: coarse) {
            for offset in [reach - away, reach + away] {
                let sum = difference(offset, coarse)
                if sum < least { (best, least) = (offset, sum) }
            }
        }
        let middle = best
        least = difference(best, 1)
        for offset in max(0, middle - coarse + 1)...min(2 * reach, middle + coarse - 1) where offset != middle {
            let sum = difference(offset, 1)
            if sum < least { (best, least) = (offset, sum) }
        }
        return begin &+ Int64(best)
    }
}
