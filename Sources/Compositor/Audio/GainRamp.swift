// The way from one gain to another, over a block.

/// Gains over one block of 480 samples, along a curve that has no corner at either end.
enum GainRamp {
    /// From above 0 to 1 over a block.
    static let curve: [Float] = (1...480).map { rise(Float($0) / 480) }

    /// The gain at a part of the way from 0 to 1: 3t² − 2t³, whose spectrum falls faster than that of a straight line.
    static func rise(_ t: Float) -> Float { t * t * (3 - 2 * t) }

    /// Multiplies 480 samples per channel, left and right in turn.
    static func apply(_ from: Float, _ to: Float, to samples: UnsafeMutableBufferPointer<Float>) {
        let way = to - from
        curve.withUnsafeBufferPointer { curve in
            for at in 0..<min(curve.count, samples.count / 2) {
                let gain = from + way * curve[at]
                samples[2 * at] *= gain
                samples[2 * at + 1] *= gain
            }
        }
    }
}
