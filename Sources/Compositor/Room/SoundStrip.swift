// A stretch of decoded sound by sample number: it grows at its end and is read anywhere between.

/// Stereo samples from `base` on; what lies outside is silence.
struct SoundStrip: Sendable {
    /// Samples over which a step is spread: 5 ms.
    static let spread = 240

    private(set) var base: Int64 = 0
    /// Left and right in turn.
    private var samples: [Float] = []

    /// The number of the sample after the last one.
    var end: Int64 { base + Int64(samples.count / 2) }

    /// A sample of one side.
    subscript(number: Int64, channel: Int) -> Float {
        get {
            guard number >= base, number < end else { return 0 }
            return samples[2 * Int(number - base) + channel]
        }
        set {
            guard number >= base, number < end else { return }
            samples[2 * Int(number - base) + channel] = newValue
        }
    }

    /// Forgets everything and goes on at a number.
    mutating func restart(at start: Int64) {
        samples.removeAll(keepingCapacity: true)
        base = start
    }

    mutating func append(_ new: some Collection<Float>) { samples.append(contentsOf: new) }

    mutating func appendSilence(_ count: Int) { samples.append(contentsOf: repeatElement(0, count: 2 * count)) }

    /// Spreads the step between a sample and the one before it over 5 ms.
    mutating func join(at number: Int64) {
        for channel in 0...1 { lift(from: number, by: self[number - 1, channel] - self[number, channel], channel) }
    }

    /// Adds something that dies away within 5 ms.
    mutating func lift(from number: Int64, by delta: Float, _ channel: Int) {
        guard abs(delta) > 1e-6 else { return }
        for index in 0..<Self.spread {
            self[number + Int64(index), channel] += delta * Self.fall(index, Self.spread)
        }
    }

    /// Lets the last samples die away, as the part from `from` on of a way of `length`.
    mutating func fade(last count: Int, from: Int, of length: Int) {
        let begin = samples.count / 2 - count
        for index in 0..<count where begin + index >= 0 {
            let gain = Self.fall(from + index, length)
            samples[2 * (begin + index)] *= gain
            samples[2 * (begin + index) + 1] *= gain
        }
    }

    /// Forgets what lies more than `kept` samples before a number; in steps, so that the rest is moved seldom.
    mutating func trim(before number: Int64, keeping kept: Int64) {
        let keep = number - kept
        guard keep - base > kept else { return }
        let first = min(keep, end)
        samples.removeFirst(2 * Int(first - base))
        base = first
    }

    /// Reads a block from a place between samples, going `step` for each that is put out.
    func read(from start: Double, step: Double, into out: UnsafeMutableBufferPointer<Float>) {
        let isWhole = step == 1 && start == start.rounded(.down)
        for index in 0..<(out.count / 2) {
            let at = start + step * Double(index)
            for channel in 0...1 {
                out[2 * index + channel] = isWhole ? self[Int64(at), channel] : interpolate(at, channel)
            }
        }
    }

    /// Reads between samples by Catmull and Rom's cubic.
    func interpolate(_ at: Double, _ channel: Int) -> Float {
        let whole = at.rounded(.down), t = Float(at - whole), number = Int64(whole)
        let a = self[number - 1, channel], b = self[number, channel]
        let c = self[number + 1, channel], d = self[number + 2, channel]
        return b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    }

    /// From 1 to 0 without a corner.
    static func fall(_ index: Int, _ count: Int) -> Float {
        index < count ? GainRamp.rise(1 - Float(index) / Float(count)) : 0
    }
}
