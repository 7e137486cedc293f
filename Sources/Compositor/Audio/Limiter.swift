// Holds a stereo signal under a ceiling by looking 5 ms ahead.

/// A look-ahead limiter for interleaved stereo at 48 kHz.
///
/// The gain that each sample needs is held for the length of the look-ahead (a sliding minimum) and then averaged over
/// the same length; every value that goes into the average is at most what the sample coming out needs, so the
/// ceiling is never crossed, and the gain never steps.
struct Limiter: Sendable {
    /// −1 dBFS.
    static let ceiling: Float = 0.891_250_94
    /// Samples per channel of look-ahead, and of delay: 5 ms.
    static let delay = 240
    /// The gain comes back by 63 % in 80 ms: slower pumps audibly, faster distorts low notes.
    private static let release: Float = 1 / (0.08 * 48_000)

    /// The least gain of the last block.
    private(set) var leastGain: Float = 1

    private var delayed = [Float](repeating: 0, count: 2 * delay)
    private var held = [Float](repeating: 1, count: delay)
    private var position = 0
    private var sum = Double(delay)
    /// The sliding minimum: candidates with their sample numbers, rising; at most `delay` of them.
    private var candidates: [(index: Int, gain: Float)] = []
    private var first = 0
    private var index = 0
    private var smoothed: Float = 1

    /// Limits a block of any length; the output is what went in 5 ms earlier.
    mutating func process(_ input: [Float], into output: inout [Float]) {
        leastGain = 1
        for at in 0..<min(input.count, output.count) / 2 {
            let left = input[2 * at], right = input[2 * at + 1]
            let peak = max(abs(left), abs(right))
            let needed = peak > Self.ceiling ? Self.ceiling / peak : 1
            let gain = average(release(slidingMinimum(needed)))
            output[2 * at] = delayed[2 * position] * gain
            output[2 * at + 1] = delayed[2 * position + 1] * gain
            delayed[2 * position] = left
            delayed[2 * position + 1] = right
            position = position + 1 == Self.delay ? 0 : position + 1
            leastGain = min(leastGain, gain)
        }
    }

    /// The least gain among the newest `delay + 1` samples, which include the one that comes out now.
    private mutating func slidingMinimum(_ gain: Float) -> Float {
        while candidates.count > first, let last = candidates.last, last.gain >= gain { candidates.removeLast() }
        candidates.append((index, gain))
        while candidates[first].index < index - Self.delay { first += 1 }
        if first > 2 * Self.delay {
            candidates.removeFirst(first)
            first = 0
        }
        index &+= 1
        return candidates[first].gain
    }

    private mutating func release(_ gain: Float) -> Float {
        smoothed = min(gain, smoothed + (1 - smoothed) * Self.release)
        if smoothed > 0.999_99 && gain == 1 { smoothed = 1 }
        return smoothed
    }

    private mutating func average(_ gain: Float) -> Float {
        sum += Double(gain) - Double(held[position])
        held[position] = gain
        // At rest the average is exactly 1, not 1 give or take what was summed before.
        if gain == 1 && sum > Double(Self.delay) - 1e-6 { sum = Double(Self.delay) }
        return Float(min(1, sum / Double(Self.delay)))
    }
}
