// The bit rate that the delays allow: slowly up, down at once (draft-ietf-rmcat-gcc-02 section 5.5).

import Media

/// The delay-based controller's rate; pure.
struct DelayControl: Sendable {
    private enum Phase { case hold, increase }

    /// What is left of the delivered rate after over-use, and the growth per second far from the path's capacity.
    ///
    /// The draft has 0.85 for every alarm. A layer is sent whole or not at all, so the first alarm of a key frame would take one
    /// away that fits: as long as little waits, the queue is let empty by what is between the layers' rates and the path's.
    private static let backoff = 0.85, gentleBackoff = 0.95, gentleMs = 100.0
    /// Growth per second far from the path's capacity.
    private static let growth = 1.08
    /// The path's capacity is the mean of what was delivered at over-use; what lies farther off than so many deviations is news.
    private static let capacityWeight = 0.05, deviations = 3.0

    /// Bits per second.
    private(set) var rate: Double
    /// When over-use made it smaller.
    private(set) var lastDecrease: MonotonicTime?
    private var phase = Phase.increase
    private var capacity: Double?, variance = 0.4
    private var lastUpdate: MonotonicTime?

    init(rate: Double) { self.rate = rate }

    /// Takes what a probe has found.
    mutating func set(_ rate: Double) { self.rate = rate }

    /// Follows the use of the path.
    ///
    /// - Parameters:
    ///   - delivered: what arrives, in bits per second; nil while that is not known.
    ///   - carried: what arrived in the last moment, if that is more.
    ///   - waitingMs: how long packets wait in a queue.
    ///   - roundTripMs: how long a change takes to be seen.
    mutating func update(
        _ use: PathUse, delivered: Double?, carried: Double?, waitingMs: Double,
        roundTripMs: Double, now: MonotonicTime
    ) {
        let elapsed = min(1, lastUpdate.map { Double(now.nanoseconds(since: $0)) / 1e9 } ?? 0)
        lastUpdate = now
        switch use {
        case .over:
            phase = .hold
            decrease(to: carried, waitingMs: waitingMs, roundTripMs: roundTripMs, now: now)
        // A queue that empties is let empty.
        case .under: phase = .hold
        case .normal:
            if phase == .hold {
                phase = .increase
            } else {
                increase(elapsed, delivered: delivered, roundTripMs: roundTripMs)
            }
        }
    }

    private mutating func decrease(
        to delivered: Double?, waitingMs: Double, roundTripMs: Double, now: MonotonicTime
    ) {
        let backoff = waitingMs > Self.gentleMs ? Self.backoff : Self.gentleBackoff
        // The last step down is not seen before a round trip.
        if let lastDecrease {
            let wait = min(max(roundTripMs, 10), 200)
            let isFar = delivered.map { $0 < rate / 2 } ?? false
            guard Double(now.milliseconds(since: lastDecrease)) >= wait || isFar else { return }
        }
        guard let delivered else {
            rate *= backoff
            lastDecrease = now
            return
        }
        var target = delivered * backoff
        // Where less was sent than allowed, what was delivered before at over-use says more.
        if target > rate { target = (capacity ?? target) * backoff }
        if let known = capacity, delivered < known - Self.deviations * deviation(known) { capacity = nil }
        note(delivered)
        guard target < rate else { return }
        rate = target
        lastDecrease = now
    }

    /// Follows a queue that is so full that it loses packets: its delays don't grow any more.
    mutating func lose(carried: Double?, waitingMs: Double, now: MonotonicTime) {
        let target = (carried ?? rate) * (waitingMs > Self.gentleMs ? Self.backoff : Self.gentleBackoff)
        guard target < rate else { return }
        rate = target
        lastDecrease = now
        phase = .hold
    }

    private mutating func increase(_ elapsed: Double, delivered: Double?, roundTripMs: Double) {
        if let known = capacity, let delivered, delivered > known + Self.deviations * deviation(known) {
            capacity = nil
        }
        let limit = delivered.map { 1.5 * $0 + 10_000 } ?? .infinity
        let step: Double
        if capacity != nil {
            // Near the capacity half a packet more per response time.
            let packet = min(1200 * 8, max(rate / 30 / 4, 300 * 8))
            step = max(4000, packet * 1000 / (roundTripMs + 100)) * elapsed
        } else {
            var factor = 1.0
            var left = elapsed
            // 1.08 to the power of the elapsed part of a second.
            while left > 0 {
                factor *= 1 + (Self.growth - 1) * min(left, 0.1)
                left -= 0.1
            }
            step = max(1000 * elapsed, rate * (factor - 1))
        }
        // What is not used is not known to be there.
        rate = min(rate + step, max(rate, limit))
    }

    private mutating func note(_ delivered: Double) {
        guard let known = capacity else {
            capacity = delivered
            return
        }
        let mean = known + Self.capacityWeight * (delivered - known)
        let error = (mean - delivered) * (mean - delivered) / max(mean, 1) / 1000
        variance = min(max((1 - Self.capacityWeight) * variance + Self.capacityWeight * error, 0.4), 2.5)
        capacity = mean
    }

    /// The deviation is kept relative to the mean, in thousands of bits.
    private func deviation(_ mean: Double) -> Double { (variance * mean / 1000).squareRoot() * 1000 }
}
