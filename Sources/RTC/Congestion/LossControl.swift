// The bit rate that losses allow (draft-ietf-rmcat-gcc-02 section 6), and which losses no rate avoids.
//
// The draft goes down at every loss above 10 %, for ever where a path loses so much by itself, as radio does. Here a step down
// is an experiment: when fewer packets are sent and as many of them are lost as before, the step is taken back, and what is
// lost counts as the path's own.

public import Media

/// The loss-based controller's rate; pure.
public struct LossControl: Sendable {
    private static let down = 0.10, up = 0.02, growth = 1.08
    /// A window is at least so long and has at least so many packets.
    private static let windowMs: Int64 = 500, windowPackets = 20
    /// How long a step down is given to show what it helps, and after how long nothing can be said of it.
    private static let trialMs: Int64 = 1000, maximumTrialMs: Int64 = 4000

    /// For how long nothing is tried near the rate that was too much: twice as long each time.
    private static let firstRestMs: Int64 = 20_000, maximumRestMs: Int64 = 60_000, restShare = 0.9

    private struct Trial: Sendable {
        var rate: Double, loss: Double, at: MonotonicTime
    }

    /// Bits per second; infinite while losses say nothing.
    public private(set) var rate = Double.infinity
    /// The part of the packets that was lost lately.
    public private(set) var loss = 0.0
    /// The part that is lost at any rate.
    public private(set) var inherent = 0.0
    private var lost = 0, total = 0, began: MonotonicTime?
    private var trial: Trial?, wasHigh = false
    private var tooMuch: (rate: Double, until: MonotonicTime)?, restMs = firstRestMs

    /// Starts with nothing counted.
    public init() {}

    /// Counts packets that were told of; a packet that has come after all counts as one lost less.
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

    /// Looks at what was counted.
    ///
    /// - Parameters:
    ///   - current: the rate that holds now, in bits per second.
    ///   - sent: what is sent, and what of it arrives.
    public mutating func update(current: Double, sent: Double?, delivered: Double?, now: MonotonicTime) {
        let start = began ?? now
        began = start
        let elapsed = now.milliseconds(since: start)
        guard elapsed >= Self.windowMs, total >= Self.windowPackets || elapsed >= 4 * Self.windowMs, total > 0 else {
            return
        }
        let share = min(1, max(0, Double(lost) / Double(total)))
        loss = share > loss ? share * 0.7 + loss * 0.3 : share * 0.3 + loss * 0.7
        (lost, total, began) = (0, 0, now)
        decide(current: current, share: share, sent: sent, delivered: delivered, Double(elapsed) / 1000, now)
        if share < inherent { inherent += 0.05 * (share - inherent) }
    }

    private mutating func decide(
        current: Double, share: Double, sent: Double?, delivered: Double?, _ elapsed: Double, _ now: MonotonicTime
    ) {
        if let trial {
            let age = now.milliseconds(since: trial.at)
            let isSmaller = sent.map { $0 < max(rate, current) * 1.15 } ?? true
            guard age >= Self.trialMs, isSmaller || age >= Self.maximumTrialMs else { return }
            self.trial = nil
            if isSmaller, share > trial.loss * 0.7 {
                inherent = max(inherent, min(share, trial.loss))
                rate = max(rate, trial.rate)
                tooMuch = nil
                return
            }
        }
        let isHigh = share > inherent + Self.down
        defer { wasHigh = isHigh }
        if isHigh {
            // One burst is over before anything can be done about it.
            guard wasHigh else { return }
            trial = Trial(rate: current, loss: share, at: now)
            rate = min(current * (1 - 0.5 * share), delivered ?? current)
            tooMuch = (sent ?? current, now.advanced(byMilliseconds: restMs))
            restMs = min(2 * restMs, Self.maximumRestMs)
        } else if share < inherent + Self.up || loss < inherent + Self.up {
            rate = rate.isFinite ? rate * (1 + (Self.growth - 1) * min(elapsed, 2)) : rate
            if let tooMuch {
                if now < tooMuch.until { rate = min(rate, tooMuch.rate * Self.restShare) } else { self.tooMuch = nil }
            }
            // Far above what holds it says nothing any more.
            if rate > 4 * current { rate = .infinity }
        }
    }
}
