// A gain on its way to another, over any time, without a corner at either end.

/// The gain of one piece of music as it comes and goes; silent at first.
///
/// A source's own ramps of 10 ms keep a change from clicking. Music that comes and goes within that time is still a jolt.
struct Fade: Sendable, Equatable {
    private var from: Float = 0
    /// Where it goes to.
    private(set) var target: Float = 0
    /// Where on the way it is, and how long the way is, in samples.
    private var at = 0, length = 0

    /// Where it is.
    var gain: Float {
        at >= length ? target : from + (target - from) * GainRamp.rise(Float(at) / Float(length))
    }

    /// Whether it is silent, and stays so.
    var isSilent: Bool { at >= length && target == 0 }

    /// Goes elsewhere from where it is; on its way there already it goes on.
    mutating func move(to target: Float, over samples: Int) {
        guard target != self.target else { return }
        (from, self.target, at, length) = (gain, target, 0, samples)
    }

    /// Takes no more than so many samples for what is left of its way.
    mutating func hasten(to samples: Int) {
        guard length - at > samples else { return }
        (from, at, length) = (gain, 0, samples)
    }

    /// Multiplies samples, left and right in turn, and goes on by as many.
    mutating func apply(to samples: UnsafeMutableBufferPointer<Float>) {
        if at >= length, target == 1 { return }
        for index in 0..<samples.count / 2 {
            at = min(at + 1, length)
            let gain = gain
            samples[2 * index] *= gain
            samples[2 * index + 1] *= gain
        }
    }
}
