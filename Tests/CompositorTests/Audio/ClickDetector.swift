// Finds clicks in a tone: what is left of it when the tone itself is taken out.

import Foundation

@testable import Compositor

/// Takes a tone out with a filter that is zero at its frequency, so that ramps and gaps show what they add to it.
///
/// A step as high as the tone's amplitude leaves about 0 dB; what a good ramp of 10 ms leaves lies under −70 dB.
struct ClickDetector {
    let frequency: Double, amplitude: Float

    /// The largest remainder in a stretch of mono samples, in dB of the tone's amplitude.
    func worst(_ samples: ArraySlice<Float>) -> Double {
        let turn = Float(2 * cos(2 * Double.pi * frequency / 48_000))
        var largest: Float = 0
        var before: Float?, last: Float?
        for sample in samples {
            if let before, let last { largest = max(largest, abs(sample - turn * last + before)) }
            (before, last) = (last, sample)
        }
        return 20 * log10(Double(max(largest / amplitude, 1e-9)))
    }

    func worst(_ samples: [Float]) -> Double { worst(samples[...]) }
}

/// Blocks of 480 stereo samples of a tone that begins at a phase.
struct TestTone {
    var frequency = 440.0, level: Float = 0.25, phase = 0.0

    func block(_ number: Int) -> [Float] {
        (0..<480).flatMap { at -> [Float] in
            let turns = frequency * Double(number * 480 + at) / 48_000 + phase
            let value = level * Float(sin(2 * Double.pi * turns))
            return [value, value]
        }
    }

    /// The amplitude of a tone in mono samples, which hold whole periods of it and of whatever else is in them.
    static func amplitude(of frequency: Double, in samples: some Collection<Float>) -> Double {
        var sine = 0.0, cosine = 0.0
        for (at, sample) in samples.enumerated() {
            let angle = 2 * Double.pi * frequency * Double(at) / 48_000
            sine += Double(sample) * sin(angle)
            cosine += Double(sample) * cos(angle)
        }
        return 2 * (sine * sine + cosine * cosine).squareRoot() / Double(samples.count)
    }
}

extension AudioMixer {
    /// Mixes one block from arrays.
    mutating func mix(_ blocks: [ID: [Float]], isSpeech: Bool = false, into output: inout [Float]) {
        for (id, block) in blocks { block.withUnsafeBufferPointer { take(id, $0) } }
        finish(isSpeech: isSpeech, into: &output)
    }
}
