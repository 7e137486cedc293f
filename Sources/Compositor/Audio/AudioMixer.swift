// Sums the sources' sound in blocks of 10 ms, without a click at any join, leave, change or gap.

/// Mixes 48 kHz float stereo in blocks of 480 samples per channel.
///
/// Every change of a gain runs over one block; a source that joins starts from silence; one that leaves or has no block
/// dies away within one block, from the last sample that was heard. A source's gap is its own: the mix never waits.
/// A limiter holds the sum under −1 dBFS, at the price of 5 ms of delay.
public struct AudioMixer<ID: Hashable & Sendable>: Sendable {
    /// Samples per channel in a block: 10 ms.
    public static var blockSamples: Int { 480 }

    private struct Source {
        var target: Float
        var gain: Float = 0
        /// What was last put out, for the way down in a gap.
        var last: (left: Float, right: Float) = (0, 0)
        /// Whether the last block was there; if not, the next one fades in.
        var isFlowing = false
        var isLeaving = false
    }

    private var sources: [ID: Source] = [:]
    private var programGain: Float = 1
    private var programTarget: Float = 1
    private var limiter = Limiter()
    private var sum = [Float](repeating: 0, count: 2 * 480)

    /// How many blocks sources that had joined did not deliver.
    public private(set) var missingBlocks: UInt64 = 0

    /// Creates a mixer that is silent.
    public init() {}

    /// Adds a source, or changes its gain; both are ramped.
    ///
    /// - Parameters:
    ///   - id: the source.
    ///   - gain: a linear factor; below 0 or not a number is 0, above 4 is 4.
    public mutating func set(_ id: ID, gain: Float) {
        sources[id, default: Source(target: 0)].target = Self.held(gain)
        sources[id]?.isLeaving = false
    }

    /// Lets a source go: the next block ramps it down, then it is forgotten.
    public mutating func remove(_ id: ID) {
        sources[id]?.target = 0
        sources[id]?.isLeaving = true
    }

    /// Changes the gain of the whole mix, ramped.
    public mutating func setProgram(gain: Float) { programTarget = Self.held(gain) }

    /// The sources that are mixed now.
    public var ids: Set<ID> { Set(sources.keys) }

    /// The largest part that the limiter took away in the last block, as a factor in 0…1; 1 is nothing.
    public var lastLimiterGain: Float { limiter.leastGain }

    /// Mixes one block.
    ///
    /// - Parameters:
    ///   - blocks: for each source its 480 samples per channel, left and right in turn; a block that is missing or has
    ///     another length counts as a gap; samples that are not numbers are silent.
    ///   - output: receives 960 samples, within −1 dBFS.
    public mutating func mix(_ blocks: [ID: [Float]], into output: inout [Float]) {
        let count = Self.blockSamples
        for at in sum.indices { sum[at] = 0 }
        for id in sources.keys {
            guard var source = sources[id] else { continue }
            if let block = blocks[id], block.count == 2 * count {
                add(block, &source)
            } else {
                if source.isFlowing { missingBlocks &+= 1 }
                fadeOut(&source)
            }
            if source.isLeaving && source.gain == 0 && !source.isFlowing {
                sources[id] = nil
            } else {
                if source.isLeaving && source.gain == 0 { source.isFlowing = false }
                sources[id] = source.isLeaving && source.gain == 0 ? nil : source
            }
        }
        ramp(from: programGain, to: programTarget)
        programGain = programTarget
        if output.count != 2 * count { output = [Float](repeating: 0, count: 2 * count) }
        limiter.process(sum, into: &output)
    }

    private mutating func add(_ block: [Float], _ source: inout Source) {
        let count = Self.blockSamples
        // A block after a gap starts from silence, whatever its gain was before.
        let start = source.isFlowing ? source.gain : 0, end = source.target
        let step = (end - start) / Float(count)
        for at in 0..<count {
            let gain = start + step * Float(at + 1)
            var left = block[2 * at] * gain, right = block[2 * at + 1] * gain
            if !left.isFinite { left = 0 }
            if !right.isFinite { right = 0 }
            sum[2 * at] += left
            sum[2 * at + 1] += right
            if at == count - 1 { source.last = (left, right) }
        }
        source.gain = end
        source.isFlowing = true
    }

    private mutating func fadeOut(_ source: inout Source) {
        if source.isFlowing {
            let count = Self.blockSamples
            for at in 0..<count {
                // A raised cosine has no corner at either end.
                let rest = 1 - Float(at + 1) / Float(count), weight = rest * rest * (3 - 2 * rest)
                sum[2 * at] += source.last.left * weight
                sum[2 * at + 1] += source.last.right * weight
            }
        }
        source.isFlowing = false
        source.last = (0, 0)
        source.gain = 0
    }

    private mutating func ramp(from start: Float, to end: Float) {
        if start == 1 && end == 1 { return }
        let step = (end - start) / Float(Self.blockSamples)
        for at in 0..<Self.blockSamples {
            let gain = start + step * Float(at + 1)
            sum[2 * at] *= gain
            sum[2 * at + 1] *= gain
        }
    }

    private static func held(_ gain: Float) -> Float { gain.isFinite ? min(max(0, gain), 4) : 0 }
}
