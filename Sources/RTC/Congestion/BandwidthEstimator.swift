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
    /// What is delivered is counted over so many milliseconds.
    private static let deliveredMs: Int64 = 500

    /// What the path carries, in bits per second.
    public private(set) var bitrate: Int
    /// The probes.
    public var probes = ProbeControl()
    /// When over-use or losses have made it smaller.
    public private(set) var lastDecrease: MonotonicTime?
    /// From a packet's leaving to the feedback on it, in milliseconds, the shortest of late.
    public private(set) var roundTripMs = 100.0
    private var groups = ArrivalGroups(), trend = DelayTrend(), results = ProbeResults()
    private var delay: DelayControl, losses = LossControl()
    private var delivered = RateMeter(windowMs: deliveredMs)
    private var newestArrival: Int64?, newestSent: Int64?, isOver = false, found: Double?

    /// Starts at a rate in bits per second.
    public init(bitrate: Int = startBitrate) {
        self.bitrate = bitrate
        delay = DelayControl(rate: Double(bitrate))
    }

    /// The part of the packets that was lost lately.
    public var loss: Double { losses.loss }
    /// What arrives, in bits per second.
    public var deliveredBitrate: Int? {
        mutating get { newestArrival.flatMap { delivered.bitrate(at: $0) } }
    }

    /// Takes what became of one packet.
    public mutating func note(_ outcome: PacketOutcome) {
        guard let arrivedAt = outcome.arrivedAt else {
            losses.note(lost: 1, of: 1)
            return
        }
        losses.note(lost: outcome.wasLost ? -1 : 0, of: outcome.wasLost ? 0 : 1)
        delivered.note(outcome.size, at: arrivedAt)
        newestArrival = max(newestArrival ?? arrivedAt, arrivedAt)
        newestSent = max(newestSent ?? outcome.sentAt, outcome.sentAt)
        // What a probe has heaped up is its own doing.
        if outcome.probe == 0, let gap = groups.note(sentAt: outcome.sentAt, arrivedAt: arrivedAt) {
            trend.note(gap)
            if trend.use == .over { isOver = true }
        }
        if outcome.probe != 0, let bytes = probes.expectedBytes(outcome.probe),
            let rate = results.note(outcome, arrivedAt: arrivedAt, expectedBytes: bytes)
        {
            found = rate
        }
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
        delay.update(
            isOver ? .over : trend.use, delivered: arriving, sent: sent.map { Double($0) * (1 - losses.loss) },
            roundTripMs: roundTripMs, now: now)
        if delay.rate < before {
            lastDecrease = now
            probes.overused(now: now)
        } else if let found, !isOver {
            probes.found(found, now: now)
            if found > delay.rate { delay.set(found) }
            losses.allow(found)
        }
        found = nil
        isOver = false
        newestSent = nil
        look(sent: sent, delivered: arriving, now: now)
    }

    private mutating func look(sent: Int?, delivered: Double?, now: MonotonicTime) {
        let before = losses.rate
        losses.update(
            current: min(delay.rate, losses.rate), sent: sent.map(Double.init), delivered: delivered, now: now)
        if losses.rate < before {
            lastDecrease = now
            probes.overused(now: now)
        }
        let allowed = min(delay.rate, losses.rate, Double(Self.maximumBitrate))
        bitrate = max(Self.minimumBitrate, Int(allowed))
        if delay.rate > Double(Self.maximumBitrate) { delay.set(Double(Self.maximumBitrate)) }
        if delay.rate < Double(Self.minimumBitrate) { delay.set(Double(Self.minimumBitrate)) }
    }
}
