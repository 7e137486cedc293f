// Holds a stereo signal under a ceiling by looking 5 ms ahead.

import Glibc

/// A look-ahead limiter for interleaved stereo at 48 kHz, which sees the peaks between samples too.
///
/// Peaks are looked for at four times the rate (as ITU-R BS.1770-4, annex 2, does). The gain that each sample needs is held
/// for the length of the look-ahead (a sliding minimum) and then averaged over the same length; every value that goes into
/// the average is at most what the sample coming out needs, so the ceiling is never crossed, and the gain never steps.
struct Limiter: Sendable {
    /// −1 dBFS.
    static let ceiling: Float = 0.891_250_94
    /// Samples per channel of delay: 5 ms.
    static let delay = 240
    /// Samples per channel of look-ahead: what is left of the delay when the peaks between samples are known.
    static let look = delay - half
    private static let taps = 12, half = 6
    /// No peak between samples is higher than this many times the samples around it.
    private static let mostOvershoot: Float = phases.map { $0.reduce(0) { $0 + abs($1) } }.max() ?? 4
    /// The gain comes back by 63 % in 80 ms: slower pumps audibly, faster distorts low notes.
    private static let release: Float = 1 / (0.08 * 48_000)
    /// Interpolates at a quarter, a half and three quarters of the way between two samples: a sinc under a Hann window.
    private static let phases: [[Float]] = (1...3).map { phase in
        let raw = (0..<taps).map { tap -> Double in
            let at = Double(tap - (half - 1)) - Double(phase) / 4
            let window = cos(Double.pi * at / Double(2 * half))
            return sin(Double.pi * at) / (Double.pi * at) * window * window
        }
        let sum = raw.reduce(0, +)
        return raw.map { Float($0 / sum) }
    }

    /// The least gain of the last block.
    private(set) var leastGain: Float = 1

    private var delayed = [Float](repeating: 0, count: 2 * delay)
    private var position = 0
    private var held = [Float](repeating: 1, count: look)
    private var heldPosition = 0
    private var sum = Double(look)
    /// The sliding minimum: candidates with their sample numbers, rising; at most `look + 1` of them.
    private var candidates: [(index: Int, gain: Float)] = []
    private var first = 0
    private var index = 0
    private var smoothed: Float = 1
    /// The end of the last block and all of this one, for what lies between samples.
    private var recent = [Float](repeating: 0, count: 2 * (taps - 1))

    /// Limits a block of any length; the output is what went in 5 ms earlier.
    mutating func process(_ input: [Float], into output: inout [Float]) {
        leastGain = 1
        let count = min(input.count, output.count) / 2
        recent.append(contentsOf: input[..<(2 * count)])
        defer { recent.removeFirst(2 * count) }
        var highest: Float = 0
        for sample in recent { highest = max(highest, abs(sample)) }
        if highest * Self.mostOvershoot < Self.ceiling, isAtRest {
            passOn(count, input, &output)
            return
        }
        for at in 0..<count {
            let gain = average(release(slidingMinimum(needed(at))))
            output[2 * at] = delayed[2 * position] * gain
            output[2 * at + 1] = delayed[2 * position + 1] * gain
            delayed[2 * position] = input[2 * at]
            delayed[2 * position + 1] = input[2 * at + 1]
            position = position + 1 == Self.delay ? 0 : position + 1
            leastGain = min(leastGain, gain)
        }
    }

    /// Whether nothing that is still to come out needs less than a gain of 1.
    private var isAtRest: Bool {
        smoothed == 1 && sum >= Double(Self.look) && !candidates[first...].contains { $0.gain < 1 }
    }

    private mutating func passOn(_ count: Int, _ input: [Float], _ output: inout [Float]) {
        for at in 0..<count {
            output[2 * at] = delayed[2 * position]
            output[2 * at + 1] = delayed[2 * position + 1]
            delayed[2 * position] = input[2 * at]
            delayed[2 * position + 1] = input[2 * at + 1]
            position = position + 1 == Self.delay ? 0 : position + 1
        }
        candidates.removeAll(keepingCapacity: true)
        first = 0
    }

    /// The gain that the sample six before this one needs, and what lies between it and its neighbours.
    private func needed(_ at: Int) -> Float {
        let peak = recent.withUnsafeBufferPointer { recent -> Float in
            var peak: Float = 0, around: Float = 0
            for tap in 0..<(2 * Self.taps) { around = max(around, abs(recent[2 * at + tap])) }
            guard around * Self.mostOvershoot > Self.ceiling else { return 0 }
            // Both samples between which the peaks are looked for.
            for tap in (2 * Self.half - 2)..<(2 * Self.half + 2) { peak = max(peak, abs(recent[2 * at + tap])) }
            for phase in Self.phases {
                var left: Float = 0, right: Float = 0
                phase.withUnsafeBufferPointer { phase in
                    for tap in 0..<Self.taps {
                        left += recent[2 * (at + tap)] * phase[tap]
                        right += recent[2 * (at + tap) + 1] * phase[tap]
                    }
                }
                peak = max(peak, abs(left), abs(right))
            }
            return peak
        }
        return peak > Self.ceiling ? Self.ceiling / peak : 1
    }

    /// The least gain among those of the look-ahead, which include the one of the sample that comes out now.
    private mutating func slidingMinimum(_ gain: Float) -> Float {
        while candidates.count > first, let last = candidates.last, last.gain >= gain { candidates.removeLast() }
        candidates.append((index, gain))
        while candidates[first].index < index - Self.look { first += 1 }
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
        sum += Double(gain) - Double(held[heldPosition])
        held[heldPosition] = gain
        heldPosition = heldPosition + 1 == Self.look ? 0 : heldPosition + 1
        // At rest the average is exactly 1, not 1 give or take what was summed before.
        if gain == 1 && sum > Double(Self.look) - 1e-6 { sum = Double(Self.look) }
        return Float(min(1, sum / Double(Self.look)))
    }
}
