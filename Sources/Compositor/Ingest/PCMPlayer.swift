// Decoded sound of a stream, read by its own clock: small differences by resampling, large ones by a cross-fade. Pure.

internal import Media

/// Holds decoded sound by sample number and gives blocks of 10 ms at the samples that the playout clock names.
///
/// It reads up to 0.5 % faster or slower to stay where it should be, which no ear notices; beyond 10 ms it goes on where it
/// sounds the same, beyond 30 ms where it should be, and cross-fades. Where sound begins, ends or has a hole it is faded over 5 ms.
struct PCMPlayer {
    static let blockSamples = 480
    /// The most that is held, and what is kept of the past for jumps back.
    static let maximumSamples = 96_000, history = 4800
    private static let fade = 240, deadBand = 96.0, spliceFrom = 480.0, jumpFrom = 1440.0, fastest = 0.005
    /// By how much stamps in milliseconds may differ from the count of samples, and the largest hole that is filled.
    private static let tolerance: Int64 = 480, longestHole: Int64 = 48_000
    /// What cubic reading looks ahead.
    private static let ahead: Int64 = 4

    /// What happened since the last report.
    struct Report: Sendable, Equatable {
        var underruns = 0, jumps = 0, overflow = 0, holes = 0
    }

    /// Left and right in turn, from sample `base` on.
    private var samples: [Float] = []
    private var base: Int64 = 0
    private var end: Int64 { base + Int64(samples.count / 2) }
    private var position: Double?
    private var isCorrecting = false
    private var report = Report()

    mutating func takeReport() -> Report {
        defer { report = Report() }
        return report
    }

    /// Forgets everything: another stream begins.
    mutating func reset() {
        samples.removeAll(keepingCapacity: true)
        position = nil
        isCorrecting = false
    }

    /// Adds decoded samples.
    ///
    /// - Parameters:
    ///   - start: the number of the first, at 48 kHz by the stream's stamps.
    ///   - left: samples of the left channel.
    ///   - right: as many of the right one.
    mutating func insert(at start: Int64, left: UnsafeBufferPointer<Float>, right: UnsafeBufferPointer<Float>) {
        let count = min(left.count, right.count)
        var skipped = 0, isBroken = false
        if samples.isEmpty {
            base = start
        } else {
            let difference = start &- end
            if difference > Self.tolerance, difference <= Self.longestHole {
                let hole = end
                samples.append(contentsOf: repeatElement(0, count: 2 * Int(difference)))
                join(at: hole)
                isBroken = true
                report.holes += 1
            } else if difference < -Self.tolerance, -difference < Int64(count) {
                skipped = Int(-difference)
                isBroken = true
                report.holes += 1
            } else if difference.magnitude > UInt64(Self.tolerance) {
                // Stamps began anew.
                reset()
                base = start
            }
        }
        let first = end
        samples.reserveCapacity(samples.count + 2 * count)
        for index in skipped..<max(skipped, count) {
            samples.append(left[index])
            samples.append(right[index])
        }
        if isBroken { join(at: first) }
        let excess = samples.count / 2 - Self.maximumSamples
        if excess > 0 {
            samples.removeFirst(2 * excess)
            base += Int64(excess)
            report.overflow += excess
        }
    }

    /// Gives one block.
    ///
    /// - Parameters:
    ///   - wanted: the number of the sample that is due at the block's begin.
    ///   - out: gets 480 samples per channel, left and right in turn.
    /// - Returns: false, with `out` untouched, when there is nothing to be heard.
    mutating func read(at wanted: Double, into out: UnsafeMutableBufferPointer<Float>) -> Bool {
        guard out.count == 2 * Self.blockSamples, wanted.isFinite, abs(wanted) < 1e15 else { return false }
        let length = Double(Self.blockSamples), reserve = Double(Self.ahead) + Double(Self.fade)
        var from = position
        if let current = from, abs(wanted - current) > Self.spliceFrom, abs(wanted - current) <= Self.jumpFrom,
            let place = splice(from: current, to: wanted)
        {
            fade(from: current, to: place, into: out)
            position = place + length
            trim(wanted)
            return true
        }
        if let current = from, abs(wanted - current) > Self.jumpFrom {
            report.jumps += 1
            isCorrecting = false
            let isThere = wanted >= Double(base) + 1 && wanted + length + reserve <= Double(end)
            if isThere {
                fade(from: current, to: wanted, into: out)
                position = wanted + length
            } else {
                render(from: current, step: 1, into: out, gain: Self.falling)
                position = nil
            }
            trim(wanted)
            return true
        }
        if from == nil {
            guard wanted >= Double(base) + 1, wanted + length + reserve <= Double(end) else {
                trim(wanted)
                return false
            }
            from = wanted
            render(from: wanted, step: 1, into: out, gain: Self.rising)
            position = wanted + length
            trim(wanted)
            return true
        }
        guard let start = from else { return false }
        let step = correction(wanted - start)
        let last = start + step * length
        if last + reserve > Double(end) {
            // The last of it: fades out before the samples end, and the next begins anew.
            report.underruns += 1
            let rest = Double(end) - Double(Self.ahead) - start
            render(from: start, step: step, into: out) { index in
                Float(min(max((rest - Double(index) * step) / Double(Self.fade), 0), 1))
            }
            position = nil
        } else {
            render(from: start, step: step, into: out) { _ in 1 }
            position = last
        }
        trim(wanted)
        return true
    }

    /// Gives a block in which one place fades out while another one fades in.
    private func fade(from old: Double, to new: Double, into out: UnsafeMutableBufferPointer<Float>) {
        render(from: old, step: 1, into: out, gain: Self.falling)
        let fading = Array(out)
        render(from: new, step: 1, into: out, gain: Self.rising)
        for index in out.indices { out[index] += fading[index] }
    }

    /// A place near the wanted one where it sounds as what comes next; nil when what is there does not suffice.
    private func splice(from current: Double, to wanted: Double) -> Double? {
        let next = Int64(current), near = next + Int64(wanted - current), reach = Int64(SoundMatch.reach)
        let reserve = Int64(Self.blockSamples) + Self.ahead + Int64(Self.fade)
        guard min(next, near - reach) > base, max(next, near + reach) + reserve <= end else { return nil }
        let place = SoundMatch.place(like: next, near: near) { number in
            let at = 2 * Int(number - base)
            return samples[at] + samples[at + 1]
        }
        return current + Double(place - next)
    }

    /// How many samples to go for each that is put out.
    private mutating func correction(_ error: Double) -> Double {
        if abs(error) > Self.deadBand { isCorrecting = true }
        if abs(error) < Self.deadBand / 8 { isCorrecting = false }
        guard isCorrecting else { return 1 }
        return 1 + min(max(error / (10 * Double(Self.blockSamples)), -Self.fastest), Self.fastest)
    }

    private static func falling(_ index: Int) -> Float { 1 - rising(index) }
    private static func rising(_ index: Int) -> Float { GainRamp.rise(min(1, Float(index) / Float(fade))) }

    /// Reads between samples by Catmull and Rom's cubic; what is not there is silent.
    private func render(
        from start: Double, step: Double, into out: UnsafeMutableBufferPointer<Float>, gain: (Int) -> Float
    ) {
        let count = samples.count / 2
        func value(_ number: Int, _ channel: Int) -> Float {
            number >= 0 && number < count ? samples[2 * number + channel] : 0
        }
        for index in 0..<Self.blockSamples {
            let at = start + step * Double(index), whole = at.rounded(.down)
            let t = Float(at - whole), number = Int(Int64(whole) - base), gain = gain(index)
            for channel in 0...1 {
                let b = value(number, channel)
                guard t != 0 else {
                    out[2 * index + channel] = b * gain
                    continue
                }
                let a = value(number - 1, channel), c = value(number + 1, channel), d = value(number + 2, channel)
                out[2 * index + channel] =
                    gain * (b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a))))
            }
        }
    }

    /// Spreads the step between a sample and the one before it over 5 ms.
    private mutating func join(at number: Int64) {
        let at = Int(number - base)
        guard at > 0, at < samples.count / 2 else { return }
        for channel in 0...1 {
            let delta = samples[2 * (at - 1) + channel] - samples[2 * at + channel]
            for index in 0..<min(Self.fade, samples.count / 2 - at) {
                samples[2 * (at + index) + channel] += delta * (1 - Self.rising(index))
            }
        }
    }

    private mutating func trim(_ wanted: Double) {
        let keep = min(Int64(position ?? wanted), end) - Int64(Self.history)
        guard keep - base > Int64(Self.history) else { return }
        samples.removeFirst(2 * Int(keep - base))
        base = keep
    }
}
