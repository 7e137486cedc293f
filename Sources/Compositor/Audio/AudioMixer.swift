// Sums the sources' sound in blocks of 10 ms, without a click at any join, leave, change or gap.

/// Mixes 48 kHz float stereo in blocks of 480 samples per channel.
///
/// Every change of a gain runs over one block; a source that joins starts from silence; one that leaves or has no block
/// dies away within one block, going on as it was. A source's gap is its own: the mix never waits. What is ducked makes
/// way while somebody speaks. A limiter holds the sum under −1 dBFS, at the price of 5 ms of delay.
public struct AudioMixer<ID: Hashable & Sendable>: Sendable {
    /// Samples per channel in a block: 10 ms.
    public static var blockSamples: Int { 480 }

    fileprivate struct Source {
        var target: Float = 0
        var gain: Float = 0
        var isDucked = false
        /// How much of it makes way at the beginning and at the end of this block, 0…1; nil before the first one.
        var duckWay: (from: Float, to: Float)?
        /// What it gave to the last block, after its gain: the way down in a gap goes on from it, and mixes without it
        /// take it out again.
        var part = [Float](repeating: 0, count: 2 * 480)
        var hasPart = false
        /// Whether this turn's block has come.
        var hasBlock = false
        /// Whether the last block was there; if not, the next one fades in.
        var isFlowing = false
        var isLeaving = false
        var isGone = false
    }

    private var sources: [ID: Source] = [:]
    private var programGain: Float = 1
    private var programTarget: Float = 1
    /// The way of the whole mix's gain over the last block.
    private var lastProgram: (from: Float, to: Float) = (1, 1)
    private var lastDuck: (from: Float, to: Float) = (1, 1)
    private var ducker = Ducker()
    private var limiter = Limiter()
    private var plain = [Float](repeating: 0, count: 2 * 480)
    private var ducked = [Float](repeating: 0, count: 2 * 480)
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
    ///   - isDucked: whether it makes way for speech.
    public mutating func set(_ id: ID, gain: Float, isDucked: Bool = false) {
        let held = Self.held(gain)
        sources[id, default: Source()].target = held
        sources[id]?.isLeaving = false
        sources[id]?.isGone = false
        sources[id]?.isDucked = isDucked
    }

    /// Lets a source go: the next block ramps it down, then it is forgotten.
    public mutating func remove(_ id: ID) {
        sources[id]?.target = 0
        sources[id]?.isLeaving = true
    }

    /// Changes the gain of the whole mix, 0…16, ramped.
    public mutating func setProgram(gain: Float) { programTarget = Self.held(gain, most: 16) }

    /// Says how far the ducked sources go down while somebody speaks, in decibels, 0…40; 0 is not at all.
    public mutating func setDucking(decibels: Float) { ducker.setDepth(decibels) }

    /// The sources that are mixed now.
    public var ids: Set<ID> { Set(sources.lazy.filter { !$0.value.isGone }.map(\.key)) }

    /// The largest part that the limiter took away in the last block, as a factor in 0…1; 1 is nothing.
    public var lastLimiterGain: Float { limiter.leastGain }

    /// By how much the ducked sources are down, in decibels, at most 0.
    public var duckingDecibels: Float { ducker.decibels }

    /// The last block before the gain of the whole mix and the limiter, for a meter.
    public func withSum<Result>(_ body: (UnsafeBufferPointer<Float>) -> Result) -> Result {
        sum.withUnsafeBufferPointer(body)
    }

    /// Takes a source's next block.
    ///
    /// - Parameters:
    ///   - id: a source; one that was not set is not heard.
    ///   - samples: 480 samples per channel, left and right in turn; a block of another length counts as a gap, samples
    ///     that are not numbers are silent.
    public mutating func take(_ id: ID, _ samples: UnsafeBufferPointer<Float>) {
        guard samples.count == 2 * Self.blockSamples, let index = sources.index(forKey: id),
            !sources.values[index].isGone
        else { return }
        sources.values[index].take(samples)
    }

    /// Finishes a block: what was not taken until now is a gap.
    ///
    /// - Parameters:
    ///   - isSpeech: whether somebody speaks, for whom the ducked sources make way.
    ///   - output: receives 960 samples, within −1 dBFS.
    public mutating func finish(isSpeech: Bool = false, into output: inout [Float]) {
        let count = 2 * Self.blockSamples
        for at in 0..<count {
            plain[at] = 0
            ducked[at] = 0
        }
        var gone = false
        for index in sources.values.indices {
            if sources.values[index].isGone { gone = true }
            if sources.values[index].finish() { missingBlocks &+= 1 }
            guard sources.values[index].hasPart else { continue }
            let way = sources.values[index].duckWay ?? (0, 0)
            if way == (0, 0) {
                Self.add(sources.values[index].part, to: &plain)
            } else if way == (1, 1) {
                Self.add(sources.values[index].part, to: &ducked)
            } else {
                let (stays, makesWay) = Self.split(sources.values[index].part, way)
                Self.add(stays, to: &plain)
                Self.add(makesWay, to: &ducked)
            }
        }
        if gone { sources = sources.filter { !$0.value.isGone || $0.value.hasPart } }
        lastDuck = ducker.advance(isSpeech: isSpeech)
        lastProgram = (programGain, programTarget)
        programGain = programTarget
        for at in 0..<count { sum[at] = ducked[at] }
        Self.ramp(&sum, lastDuck)
        Self.add(plain, to: &sum)
        for at in 0..<count { ducked[at] = sum[at] }
        Self.ramp(&ducked, lastProgram)
        if output.count != count { output = [Float](repeating: 0, count: count) }
        limiter.process(ducked, into: &output)
    }

    /// The last block without some of its sources: what somebody hears who must not hear themselves.
    ///
    /// - Parameters:
    ///   - own: the sources to leave out.
    ///   - output: receives 960 samples, which no limiter has held down.
    public func minus(_ own: some Sequence<ID>, into output: inout [Float]) {
        output = sum
        for id in own {
            guard let source = sources[id], source.hasPart else { continue }
            var (stays, makesWay) = Self.split(source.part, source.duckWay ?? (0, 0))
            Self.ramp(&makesWay, lastDuck)
            Self.add(makesWay, to: &stays)
            let part = stays
            for at in 0..<output.count { output[at] -= part[at] }
        }
        Self.ramp(&output, lastProgram)
    }

    /// What of a part stays as it is, and what makes way for speech.
    private static func split(_ part: [Float], _ way: (from: Float, to: Float)) -> (stays: [Float], makesWay: [Float]) {
        var stays = part, makesWay = part
        ramp(&stays, (1 - way.from, 1 - way.to))
        ramp(&makesWay, way)
        return (stays, makesWay)
    }

    private static func add(_ part: [Float], to sum: inout [Float]) {
        part.withUnsafeBufferPointer { part in
            sum.withUnsafeMutableBufferPointer { sum in
                for at in 0..<min(part.count, sum.count) { sum[at] += part[at] }
            }
        }
    }

    private static func ramp(_ samples: inout [Float], _ way: (from: Float, to: Float)) {
        if way.from == 1 && way.to == 1 { return }
        samples.withUnsafeMutableBufferPointer { samples in
            if way.from == way.to {
                for at in 0..<samples.count { samples[at] *= way.to }
            } else {
                GainRamp.apply(way.from, way.to, to: samples)
            }
        }
    }

    private static func held(_ gain: Float, most: Float = 4) -> Float { gain.isFinite ? min(max(0, gain), most) : 0 }
}

fileprivate extension AudioMixer.Source {
    /// Takes a block, with the gain on its way to where it shall be.
    mutating func take(_ samples: UnsafeBufferPointer<Float>) {
        // A block after a gap starts from silence, whatever its gain was before.
        let start = isFlowing ? gain : 0, end = target
        part.withUnsafeMutableBufferPointer { part in
            for at in 0..<part.count {
                let sample = samples[at]
                // Neither infinite nor not a number; and nothing that the sum could not hold.
                part[at] = abs(sample) < 1000 ? sample : 0
            }
            if start != end {
                GainRamp.apply(start, end, to: part)
            } else if end != 1 {
                for at in 0..<part.count { part[at] *= end }
            }
        }
        gain = end
        hasBlock = true
    }

    /// Ends a turn; returns whether the source owed a block.
    mutating func finish() -> Bool {
        defer { hasBlock = false }
        let duck: Float = isDucked ? 1 : 0
        duckWay = (duckWay?.to ?? duck, duck)
        if hasBlock {
            isFlowing = true
            hasPart = true
        } else if isFlowing {
            // It goes on turned about its last sample, which has neither a step nor a corner, and dies away.
            part.withUnsafeMutableBufferPointer { part in
                let count = part.count / 2
                for channel in 0..<2 {
                    let last = part[2 * (count - 1) + channel]
                    for at in 0..<(count / 2) {
                        let other = count - 2 - at
                        let mine = part[2 * at + channel], its = part[2 * other + channel]
                        // Sample k after the end mirrors the one k before it; both are exchanged in place.
                        part[2 * at + channel] = 2 * last - its
                        part[2 * other + channel] = 2 * last - mine
                    }
                    part[2 * (count - 1) + channel] = 0
                }
                GainRamp.apply(1, 0, to: part)
            }
            isFlowing = false
            gain = 0
            defer { if isLeaving { isGone = true } }
            return true
        } else {
            hasPart = false
        }
        if isLeaving && (gain == 0 || !isFlowing) {
            isGone = true
            // It has come to rest: there is no tail that dies away.
            isFlowing = false
        }
        return false
    }
}
