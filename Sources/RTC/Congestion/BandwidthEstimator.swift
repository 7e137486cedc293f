// What a path carries, by what its receiver tells of each packet: Google congestion control at the sender
// (draft-ietf-rmcat-gcc-02), with probes.

public import Media

/// The estimate of one path; pure, in the times that it is told.
///
/// `note` takes each packet of a message of feedback, `finish` ends the message; then `bitrate` holds.
public struct BandwidthEstimator: Sendable {
    /// The rate that is begun with, and the smallest, in bits per second: a voice always fits.
    public static let startBitrate = 1_000_000, minimumBitrate = 60_000
    /// The largest, in bits per second.
    public static let maximumBitrate = 100_000_000
    /// What is delivered is counted over so many milliseconds; while a queue is being emptied a shorter time tells what the path
    /// carries, for what went before it is left out.
    private static let deliveredMs: Int64 = 500, emptiedMs: Int64 = 150
    /// Delays that grow are over-use from so much waiting on, and losses those of a queue, in milliseconds.
    private static let overuseWaitingMs = 15.0, lossWaitingMs = 50.0
    /// And only where packets have come out of a queue one after the other for so long.
    private static let overuseBusyMs = 100.0

    /// What the path carries, in bits per second.
    public private(set) var bitrate: Int
    /// The probes.
    public var probes = ProbeControl()
    /// When over-use or losses have made it smaller.
    public private(set) var lastDecrease: MonotonicTime?
    /// From a packet's leaving to the feedback on it, in milliseconds, the shortest of late.
    public private(set) var roundTripMs = 100.0
    private var groups = ArrivalGroups(), trend = DelayTrend(), queue = QueueDelay(), jam = Jam()
    private var results = ProbeResults()
    private var delay: DelayControl, losses = LossControl()
    private var delivered = RateMeter(windowMs: deliveredMs), emptied = RateMeter(windowMs: emptiedMs)
    private var newestArrival: Int64?, newestSent: Int64?, isOver = false, isQueued = false
    /// How long the last packet was under way, by both clocks.
    private var transit: Int64?
    /// The rate while nothing waited, and whether, and how often, what seemed to wait since has turned out to be a longer way.
    private var trusted: Double, isLonger = false, longerWays = 0

    /// Starts at a rate in bits per second.
    public init(bitrate: Int = startBitrate) {
        self.bitrate = bitrate
        delay = DelayControl(rate: Double(bitrate))
        trusted = Double(bitrate)
    }

    /// The part of the packets that was lost lately.
    public var loss: Double { losses.loss }
    /// The part that is lost at any rate.
    public var inherentLoss: Double { losses.inherent }
    /// Whether only losses keep the rate down, without any queue: then less need not help.
    public var isBoundByLoss: Bool { losses.rate < delay.rate }
    /// Whether it is tried whether less is lost of less; probes would hide it.
    public var isTryingLess: Bool { losses.isTrying }
    /// How often that has helped nothing, or what seemed to be a queue was none, so that all is as before.
    public var acquittals: Int { losses.acquittals + longerWays }
    /// How long every packet of the last moment has waited in a queue, in milliseconds.
    public var waitingMs: Double { queue.waitingMs }
    /// Whether much more is sent than arrives, and what does has waited.
    public private(set) var isJammed = false
    /// What arrives, in bits per second.
    public var deliveredBitrate: Int? {
        mutating get { newestArrival.flatMap { delivered.bitrate(at: $0) } }
    }

    /// Takes what became of one packet.
    public mutating func note(_ outcome: PacketOutcome) {
        guard let arrivedAt = outcome.arrivedAt else {
            guard !outcome.isUntold else { return noteUntold(outcome) }
            losses.note(lost: 1, of: 1)
            queue.note(lost: outcome.size)
            jam.note(outcome, waitedNs: nil)
            return
        }
        losses.note(lost: outcome.wasLost ? -1 : 0, of: outcome.wasLost ? 0 : 1)
        if !outcome.isUntold {
            delivered.note(outcome.size, at: arrivedAt)
            emptied.note(outcome.size, at: arrivedAt)
        }
        newestArrival = max(newestArrival ?? arrivedAt, arrivedAt)
        transit = arrivedAt &- outcome.sentAt
        newestSent = max(newestSent ?? outcome.sentAt, outcome.sentAt)
        let size = outcome.wasLost || outcome.isUntold ? 0 : outcome.size
        if queue.note(sentAt: outcome.sentAt, arrivedAt: arrivedAt, size: size) { isLonger = true }
        jam.note(outcome, waitedNs: queue.waited(sentAt: outcome.sentAt, arrivedAt: arrivedAt))
        let waiting = queue.waitingMs
        if waiting > Self.lossWaitingMs { isQueued = true }
        // What a probe has heaped up is its own doing.
        if outcome.probe == 0, let gap = groups.note(sentAt: outcome.sentAt, arrivedAt: arrivedAt) {
            trend.note(gap)
            if trend.use == .over, waiting > Self.overuseWaitingMs, queue.busyMs >= Self.overuseBusyMs { isOver = true }
        }
        if outcome.probe != 0 { results.note(outcome, arrivedAt: arrivedAt) }
    }

    /// Takes a packet that nothing is known of, because the message about it is lost: it counts as come, less what is lost of all.
    ///
    /// Else a way back that loses a fifth would make the way there look a fifth narrower.
    private mutating func noteUntold(_ outcome: PacketOutcome) {
        jam.note(untold: outcome)
        // It has left, whatever became of it, and it's less of what leaves that a longer way is known by.
        queue.note(lost: outcome.size)
        guard let transit else { return }
        let arrivedAt = outcome.sentAt &+ transit, bytes = Int(Double(outcome.size) * (1 - losses.loss))
        delivered.note(bytes, at: arrivedAt)
        emptied.note(bytes, at: arrivedAt)
    }

    /// Ends a message of feedback.
    ///
    /// - Parameter sent: what is sent, in bits per second.
    public mutating func finish(sent: Int?, now: MonotonicTime) {
        if let newestSent {
            let trip = Double(now.nanoseconds &- newestSent) / 1e6
            roundTripMs = trip < roundTripMs ? trip : roundTripMs * 0.95 + trip * 0.05
        }
        let arriving = newestArrival.flatMap { delivered.bitrate(at: $0) }.map(Double.init)
        let before = delay.rate
        let use = isOver ? PathUse.over : trend.use == .over ? .normal : trend.use
        let moment = newestArrival.flatMap { emptied.bitrate(at: $0) }.map(Double.init) ?? 0
        // What the path loses by itself is sent too.
        let inherent = losses.inherent
        let carried = arriving.map { LossControl.sent(toDeliver: max($0, moment), losing: inherent) }
        delay.update(
            use, delivered: arriving, carried: carried, waitingMs: queue.waitingMs,
            roundTripMs: roundTripMs, now: now)
        let jammed = jam.carried(sent: sent, inherentLoss: inherent)
        isJammed = jammed != nil
        if let jammed {
            // This is the path's own rate, and no mean of before and after: the queue empties by what the layers leave of it.
            delay.lose(carried: LossControl.sent(toDeliver: jammed, losing: inherent), waitingMs: 0, now: now)
        }
        if delay.rate < before {
            lastDecrease = now
            probes.overused(now: now)
        } else if !isOver {
            lookAtProbe(now)
        }
        if isLonger {
            delay.set(max(delay.rate, trusted))
            isLonger = false
            isQueued = false
            longerWays += 1
        } else if queue.waitingMs < Self.overuseWaitingMs {
            trusted = delay.rate
        }
        isOver = false
        newestSent = nil
        look(sent: sent, delivered: arriving, carried: carried, now: now)
    }

    private mutating func lookAtProbe(_ now: MonotonicTime) {
        guard let probe = probes.sent else { return }
        switch results.result(of: probe.id, expectedBytes: probe.bytes) {
        case .open: break
        case .unclear: probes.unclear(now: now)
        case .rate(let found):
            // As much is lost of a probe as of anything else.
            let rate = LossControl.sent(toDeliver: found, losing: losses.loss)
            probes.found(rate, above: Double(bitrate), now: now)
            if rate > delay.rate { delay.set(rate) }
            losses.allow(rate)
        }
    }

    private mutating func look(sent: Int?, delivered: Double?, carried: Double?, now: MonotonicTime) {
        let before = min(delay.rate, losses.rate)
        let isFull = losses.update(
            current: before, sent: sent.map(Double.init), delivered: delivered, isQueued: isQueued, now: now)
        isQueued = false
        if isFull { delay.lose(carried: carried, waitingMs: queue.waitingMs, now: now) }
        if min(delay.rate, losses.rate) < before {
            lastDecrease = now
            probes.overused(now: now)
        }
        delay.set(min(max(delay.rate, Double(Self.minimumBitrate)), Double(Self.maximumBitrate)))
        bitrate = max(Self.minimumBitrate, Int(min(delay.rate, losses.rate)))
    }
}
