// The bit rate that losses allow (draft-ietf-rmcat-gcc-02 section 6), and which losses no rate avoids.
//
// The draft goes down at every loss above 10 %, for ever where a path loses so much by itself, as radio does. Losses beside a
// queue are the queue's. Without one a step down is an experiment: when fewer packets are sent and as many of them are lost as
// before, or when no fewer can be sent, it is taken back, and what is lost counts as the path's own.

public import Media

/// The loss-based controller's rate; pure.
public struct LossControl: Sendable {
    private static let down = 0.10, up = 0.02, growth = 1.08
    /// A window is at least so long, and has so many packets.
    private static let windowMs: Int64 = 500, windowPackets = 40
    /// Chance loses more in one window and less in the next: what is above the bound by less than so many deviations is let be.
    private static let deviations = 1.5
    /// How long a step down is given to show what it helps, how many packets tell of it, and after how long it can't be had.
    private static let trialMs: Int64 = 1000, trialPackets = 120, maximumTrialMs: Int64 = 4000
    /// A step counts as taken when so much less is sent, and has helped when so much less is lost.
    private static let takenShare = 0.9, helpedShare = 0.5
    /// How much of what arrives is tried: so little that a layer less fits.
    private static let stepShare = 0.8
    /// For how long nothing is tried near the rate that was too much: twice as long each time.
    private static let firstRestMs: Int64 = 20_000, maximumRestMs: Int64 = 60_000, restShare = 0.9

    private struct Trial: Sendable {
        /// What held before, what was sent, and what of it was lost.
        var rate: Double, sent: Double?, loss: Double
        var at: MonotonicTime, isTaken = false
        var lost = 0, total = 0
    }

    /// Bits per second; infinite while losses say nothing.
    public private(set) var rate = Double.infinity
    /// The part of the packets that was lost lately.
    public private(set) var loss = 0.0
    /// The part that is lost at any rate.
    public private(set) var inherent = 0.0
    /// How often a step down has helped nothing.
    public private(set) var acquittals = 0
    /// How many windows in a row have to lose too much, where nothing waits in a queue.
    private let patience: Int
    private var lost = 0, total = 0, began: MonotonicTime?, wasQueued = false
    private var trial: Trial?
    private var highs = 0, highLost = 0, highTotal = 0
    private var tooMuch: (rate: Double, until: MonotonicTime)?, restMs = firstRestMs

    /// Whether a step down is being tried.
    public var isTrying: Bool { trial != nil }

    /// Starts with nothing counted.
    ///
    /// - Parameter patience: how many windows in a row have to lose too much, where nothing waits in a queue.
    public init(patience: Int = 3) { self.patience = patience }

    /// Counts packets that were told of; a packet that has come after all counts as one lost less.
    @inline(__always)
    public mutating func note(lost: Int, of total: Int) {
        self.lost += lost
        self.total += total
    }

    /// Takes what a probe has found to come through.
    public mutating func allow(_ found: Double) {
        guard rate < found else { return }
        rate = found
        trial = nil
        tooMuch = nil
        restMs = Self.firstRestMs
    }

    /// What has to be sent so that so much arrives; where more than half is lost, no more than twice as much.
    ///
    /// - Parameters:
    ///   - rate: what arrives, in bits per second.
    ///   - share: the part of the packets that is lost on the way, 0 to 1.
    static func sent(toDeliver rate: Double, losing share: Double) -> Double { rate / max(0.5, 1 - share) }

    /// Looks at what was counted; returns whether a full queue loses packets now.
    ///
    /// - Parameters:
    ///   - current: the rate that holds now, in bits per second.
    ///   - sent: what is sent, and what of it arrives.
    ///   - isQueued: whether packets wait in a queue.
    @discardableResult
    public mutating func update(
        current: Double, sent: Double?, delivered: Double?, isQueued: Bool = false, now: MonotonicTime
    ) -> Bool {
        let start = began ?? now
        began = start
        if isQueued { wasQueued = true }
        let elapsed = now.milliseconds(since: start)
        guard elapsed >= Self.windowMs, total >= Self.windowPackets || elapsed >= 8 * Self.windowMs, total > 0 else {
            return false
        }
        let share = min(1, max(0, Double(lost) / Double(total)))
        loss += (share > loss ? 0.4 : 0.3) * (share - loss)
        defer { (lost, total, began, wasQueued) = (0, 0, now, false) }
        return decide(current: current, share: share, sent: sent, delivered: delivered, Double(elapsed) / 1000, now)
    }

    private mutating func decide(
        current: Double, share: Double, sent: Double?, delivered: Double?, _ elapsed: Double, _ now: MonotonicTime
    ) -> Bool {
        let bound = inherent + Self.down
        let isHigh = share > bound + Self.deviations * (bound * max(0, 1 - bound) / Double(total)).squareRoot()
        if wasQueued {
            // What a queue loses says nothing of the path's own losses, and the delays bound the rate now.
            if let trial { rate = max(rate, trial.rate) }
            trial = nil
            highs = 0
            return isHigh
        }
        if trial != nil, !judge(share: share, sent: sent, now) { return false }
        if !isHigh, share < inherent + Self.up { inherent += 0.05 * (share - inherent) }
        if isHigh {
            if highs == 0 { (highLost, highTotal) = (0, 0) }
            highs += 1
            highLost += lost
            highTotal += total
            // One burst is over before anything can be done about it.
            guard highs >= patience else { return false }
            highs = 0
            trial = Trial(
                rate: rate.isFinite ? max(current, rate) : rate, sent: sent,
                loss: Double(highLost) / Double(max(1, highTotal)), at: now)
            let arriving = delivered ?? (sent ?? current) * (1 - Double(highLost) / Double(max(1, highTotal)))
            rate = min(current, Self.sent(toDeliver: arriving, losing: inherent) * Self.stepShare)
            // From nothing no share of it leads back.
            rate = max(rate, Double(BandwidthEstimator.minimumBitrate))
            tooMuch = (sent ?? current, now.advanced(byMilliseconds: restMs))
            restMs = min(2 * restMs, Self.maximumRestMs)
            return false
        }
        highs = 0
        grow(share: share, current: current, elapsed, now)
        return false
    }

    private mutating func grow(share: Double, current: Double, _ elapsed: Double, _ now: MonotonicTime) {
        guard rate.isFinite, share < inherent + Self.up || loss < inherent + Self.up else { return }
        rate *= 1 + (Self.growth - 1) * min(elapsed, 2)
        if let tooMuch {
            if now < tooMuch.until { rate = min(rate, tooMuch.rate * Self.restShare) } else { self.tooMuch = nil }
        }
        // Far above what holds it says nothing any more.
        if rate > 4 * current { rate = .infinity }
    }

    /// Sees what a step down has helped; returns whether that is known now.
    private mutating func judge(share: Double, sent: Double?, _ now: MonotonicTime) -> Bool {
        guard var trial else { return true }
        let age = now.milliseconds(since: trial.at)
        if trial.isTaken {
            trial.lost += lost
            trial.total += total
        } else if age >= Self.trialMs, let sent, let before = trial.sent, sent < before * Self.takenShare {
            // What this window tells of was sent before, in part.
            trial.isTaken = true
        }
        self.trial = trial
        guard trial.total >= Self.trialPackets || age >= Self.maximumTrialMs else { return false }
        self.trial = nil
        let left = Double(trial.lost) / Double(max(1, trial.total))
        if trial.isTaken, trial.total > 0, left < trial.loss * Self.helpedShare { return true }
        inherent = max(inherent, trial.total > 0 ? min(left, trial.loss) : trial.loss)
        rate = max(rate, trial.rate)
        tooMuch = nil
        acquittals += 1
        return true
    }
}
