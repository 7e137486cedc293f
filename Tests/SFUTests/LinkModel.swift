// A line in virtual time: a rate with a queue in front of it, a delay, losses, bursts of them, jitter, and packets that overtake.

import Glibc

/// The same fate of the same packets for the same seed.
struct LinkModel {
    /// How packets are lost: each for itself, or in bursts (Gilbert and Elliott's two states).
    enum Loss: Sendable, Hashable {
        case none
        case each(percent: Double)
        /// The mean length of a burst in packets, in which half are lost.
        case bursts(percent: Double, length: Double)
    }

    /// Bits per second; what waits longer than `queueMs` at this rate is dropped.
    var bitrate: Int
    var queueMs = 300.0
    var delayMs = 25.0, jitterMs = 0.0, reorderPercent = 0.0
    var loss = Loss.none
    /// How long a receiver that is short of time does nothing on the average, where it does so now and then, and how long it runs between.
    var stallMs = 0.0, runMs = 120.0
    private(set) var offered = 0, dropped = 0
    private var random: LayerRandom
    private var freeAt = 0.0, last = 0.0, isBad = false
    private var stalls: LayerRandom, stall = 0.0...0.0

    init(bitrate: Int, delayMs: Double = 25, loss: Loss = .none, seed: UInt64) {
        self.bitrate = bitrate
        self.delayMs = delayMs
        self.loss = loss
        random = LayerRandom(seed)
        stalls = LayerRandom(seed ^ 0x5744)
    }

    /// When a packet arrives, in milliseconds; nil for one that does not.
    mutating func send(_ bytes: Int, at now: Double) -> Double? {
        offered += bytes
        let service = Double(bytes) * 8000 / Double(bitrate), wait = max(0, freeAt - now)
        guard wait + service <= queueMs || wait == 0 else {
            dropped += bytes
            return nil
        }
        freeAt = max(now, freeAt) + service
        guard !isLost() else { return nil }
        var arrival = freeAt + delayMs
        if jitterMs > 0 {
            arrival += abs(
                jitterMs * (Double.random(in: -1...1, using: &random) + Double.random(in: -1...1, using: &random)) / 2)
        }
        if Double.random(in: 0..<100, using: &random) < reorderPercent {
            return arrival + Double.random(in: 2...20, using: &random)
        }
        last = max(last, seen(arrival))
        return last
    }

    /// When a receiver that stands still now and then looks at what has arrived.
    private mutating func seen(_ arrival: Double) -> Double {
        guard stallMs > 0 else { return arrival }
        while stall.upperBound < arrival {
            let begin = stall.upperBound - runMs * log(Double.random(in: 0.001..<1, using: &stalls))
            stall = begin...(begin + min(300, -stallMs * log(Double.random(in: 0.001..<1, using: &stalls))))
        }
        return stall.contains(arrival) ? stall.upperBound : arrival
    }

    private mutating func isLost() -> Bool {
        let dice = Double.random(in: 0..<1, using: &random)
        switch loss {
        case .none: return false
        case .each(let percent): return dice * 100 < percent
        case .bursts(let percent, let length):
            let bad = min(0.9, percent / 50)
            let leave = 1 / max(1, length), enter = leave * bad / (1 - bad)
            isBad = Double.random(in: 0..<1, using: &random) < (isBad ? 1 - leave : enter)
            return isBad && dice < 0.5
        }
    }
}
