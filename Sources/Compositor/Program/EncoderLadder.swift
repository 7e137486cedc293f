// What the encoder gives up, and when, if the machine can't keep up: pure, in the time that it is told.

public import Media

/// Chooses between quality and time for the program's encoder.
///
/// An encoder that falls behind is helped in this order: the analysis of a quicker preset at once, that preset itself at
/// the next IDR, where an encoder may follow another without a trace, and so on to the quickest; there, every second
/// picture is left out, which is evener than leaving out bunches when the queue is full. IDRs and sound are never touched.
///
/// It goes down when encoding has taken more than 70 % of its time for 3 s, or at once when pictures pile up; it leaves pictures out only
/// when there was no time left at all for 3 s. It goes up a
/// step after 60 s with room (from leaving pictures out after 6); when that was too early, the next try waits twice as long, up
/// to 16 minutes (from leaving pictures out 24 s: half of the pictures is more to lose than three slow seconds).
public struct EncoderLadder: Sendable {
    /// How the next picture is to be encoded.
    public struct Rung: Hashable, Sendable {
        /// The preset that an encoder opened now is to have.
        public var preset: X264Settings.Preset
        /// Whether the encoder analyses quicker than its preset says, until the next IDR brings another.
        public var isRelieved: Bool
        /// Whether every second picture is left out.
        public var leavesOut: Bool
    }

    /// Pictures that wait for the encoder before it counts as behind.
    static let pileLength = 4
    private static let window: Int64 = 3000, calm: Int64 = 60_000, longestCalm: Int64 = 960_000
    /// Percent of the time that there is.
    private static let tooMuch: Int64 = 70, wayTooMuch: Int64 = 100, little: Int64 = 40
    /// How long pictures are left out at first.
    private static let shortCalm: Int64 = 6000, longestShortCalm: Int64 = 24_000

    private let presets: [X264Settings.Preset]
    private let frameNanoseconds: Int64
    /// 0 is the preset as configured; the last step leaves pictures out.
    public private(set) var step = 0
    private var isRelieved = false
    private var changedAt: MonotonicTime?
    private var windowStart: MonotonicTime?
    private var spent: Int64 = 0, frames: Int64 = 0
    private var calmSince: MonotonicTime?
    private var calmNeeded = EncoderLadder.calm
    private var wentUpAt: MonotonicTime?

    /// Starts at the preset that is configured.
    ///
    /// - Parameters:
    ///   - preset: the best preset; quicker ones are gone down to.
    ///   - frameRate: pictures per second.
    public init(preset: X264Settings.Preset, frameRate: FrameRate) {
        let all = X264Settings.Preset.allCases
        presets = all[...(all.firstIndex(of: preset) ?? 0)].reversed()
        frameNanoseconds = 1_000_000_000 * Int64(frameRate.denominator) / Int64(frameRate.numerator)
    }

    /// What holds now.
    public var rung: Rung {
        Rung(
            preset: presets[min(step, presets.count - 1)], isRelieved: isRelieved, leavesOut: step == presets.count)
    }

    /// Takes note that an encoder with the rung's preset has been opened.
    public mutating func opened() { isRelieved = false }

    /// Takes note of an encoded picture.
    ///
    /// - Parameters:
    ///   - nanoseconds: how long it took.
    ///   - waiting: how many pictures wait.
    ///   - now: the monotonic clock.
    /// - Returns: whether the rung has changed.
    public mutating func note(nanoseconds: Int64, waiting: Int, at now: MonotonicTime) -> Bool {
        spent &+= max(0, nanoseconds)
        frames &+= 1
        let start = windowStart ?? now
        windowStart = start
        let isLast = step == presets.count - 1
        if waiting >= Self.pileLength, !isLast, mayStepDown(at: now) { return goDown(at: now) }
        if waiting >= Self.pileLength { calmSince = nil }
        guard now.milliseconds(since: start) >= Self.window else { return false }
        let percent = spent * 100 / max(1, frames * frameNanoseconds)
        (windowStart, spent, frames) = (now, 0, 0)
        if percent >= (isLast ? Self.wayTooMuch : Self.tooMuch) { return mayStepDown(at: now) && goDown(at: now) }
        // Half of the pictures are left out: what is left takes up to half of the time there is for all.
        guard percent <= Self.little || rung.leavesOut && percent <= 2 * Self.little, waiting < 2 else {
            calmSince = nil
            return false
        }
        let since = calmSince ?? start
        calmSince = since
        let needed =
            rung.leavesOut ? min(Self.longestShortCalm, Self.shortCalm * (calmNeeded / Self.calm)) : calmNeeded
        guard step > 0, now.milliseconds(since: since) >= needed else { return false }
        step -= 1
        isRelieved = false
        changedAt = now
        wentUpAt = now
        calmSince = nil
        return true
    }

    /// A step shows its effect at the next IDR, at most two seconds away; what is done at once shows within a second.
    private func mayStepDown(at now: MonotonicTime) -> Bool {
        guard step < presets.count else { return false }
        return changedAt.map { now.milliseconds(since: $0) >= (isRelieved ? 2500 : 1000) } ?? true
    }

    private mutating func goDown(at now: MonotonicTime) -> Bool {
        if let wentUpAt, now.milliseconds(since: wentUpAt) < Self.calm {
            calmNeeded = min(Self.longestCalm, calmNeeded * 2)
        }
        wentUpAt = nil
        step += 1
        // The last step takes effect by itself.
        isRelieved = step < presets.count
        changedAt = now
        calmSince = nil
        (windowStart, spent, frames) = (now, 0, 0)
        return true
    }
}
