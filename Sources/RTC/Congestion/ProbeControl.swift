// When to send a short burst at a higher rate, and at which, to find out whether the path carries more than is sent.

public import Media

/// The probes of one path; pure.
public struct ProbeControl: Sendable {
    /// A burst that is being sent.
    struct Probe: Sendable {
        var id: UInt8, rate: Double, from: MonotonicTime, bytes: Int, sent = 0, packets = 0
    }

    /// How long a burst takes, its fewest bytes and packets, and how much more than now it tries.
    private static let lengthMs: Int64 = 20, minimumBytes = 2000, minimumPackets = 7, step = 2.0
    /// After how long a burst that nothing was heard of has failed.
    private static let answerMs: Int64 = 1000
    /// How long is waited after one that has found little: twice as long each time.
    private static let firstWaitMs: Int64 = 1500, maximumWaitMs: Int64 = 3000
    /// And after one that told nothing, for it was held up on the way: twice as long each time too.
    private static let unclearWaitMs: Int64 = 200
    /// A burst has found something when so much of it came through, and that is so much more than was known.
    private static let foundShare = 0.7, gain = 1.05

    private(set) var active: Probe?
    private var open: (id: UInt8, rate: Double, bytes: Int, until: MonotonicTime)?
    private var next: MonotonicTime?, waitMs = firstWaitMs
    private var lastID: UInt8 = 0, unclearMs = unclearWaitMs

    init() {}

    /// The mark of packets that are sent now, 0 without a probe.
    public var mark: UInt8 { active?.id ?? 0 }

    /// Begins a probe when one is due.
    ///
    /// - Parameters:
    ///   - bitrate: what the path is known to carry, in bits per second.
    ///   - useful: more than this would help nobody.
    public mutating func look(bitrate: Double, useful: Double, now: MonotonicTime) {
        if let open, now >= open.until {
            self.open = nil
            failed(now)
        }
        guard active == nil, open == nil, useful > bitrate * 1.02, next.map({ now >= $0 }) ?? true else { return }
        lastID = lastID == 255 ? 1 : lastID + 1
        let rate = min(bitrate * Self.step, useful)
        active = Probe(
            id: lastID, rate: rate, from: now,
            bytes: max(Self.minimumBytes, Int(rate * Double(Self.lengthMs) / 8000)))
    }

    /// How many bytes the probe lacks now; it ends when it has sent all.
    public func lacking(_ now: MonotonicTime) -> Int {
        guard let active else { return 0 }
        // Ahead by as much as a turn of the loop takes, so that the burst is not slower than it should be.
        let elapsed = Double(now.nanoseconds(since: active.from)) / 1e9 + 0.005
        let due = Int(active.rate * elapsed / 8)
        if active.sent >= active.bytes { return active.packets < Self.minimumPackets ? max(1, due - active.sent) : 0 }
        return min(active.bytes, due) - active.sent
    }

    /// Counts bytes that were sent while the probe went on.
    @inline(__always)
    public mutating func note(_ bytes: Int, now: MonotonicTime) {
        guard active != nil else { return }
        count(bytes, now)
    }

    private mutating func count(_ bytes: Int, _ now: MonotonicTime) {
        guard var probe = active else { return }
        probe.sent += bytes
        probe.packets += 1
        active = probe
        if probe.sent >= probe.bytes, probe.packets >= Self.minimumPackets { close(probe, now) }
    }

    /// Gives a probe up that can't be sent for lack of anything to send it with.
    public mutating func abandon(now: MonotonicTime) {
        active = nil
        next = now.advanced(byMilliseconds: Self.firstWaitMs)
    }

    /// Ends a probe that took too long, by what it has sent.
    public mutating func expire(now: MonotonicTime) {
        guard let active, now.milliseconds(since: active.from) > 4 * Self.lengthMs else { return }
        close(active, now)
    }

    private mutating func close(_ probe: Probe, _ now: MonotonicTime) {
        active = nil
        open = (probe.id, probe.rate, probe.sent, now.advanced(byMilliseconds: Self.answerMs))
    }

    /// The probe whose answer is waited for, and what it has sent.
    var sent: (id: UInt8, bytes: Int)? { open.map { ($0.id, $0.bytes) } }

    /// Takes what a probe has found, in bits per second, and what was known before.
    mutating func found(_ rate: Double, above bitrate: Double, now: MonotonicTime) {
        guard let open else { return }
        self.open = nil
        guard rate >= open.rate * Self.foundShare, rate > bitrate * Self.gain else { return failed(now) }
        waitMs = Self.firstWaitMs
        unclearMs = Self.unclearWaitMs
        next = now.advanced(byMilliseconds: 50)
    }

    /// Takes note that a probe has told nothing.
    mutating func unclear(now: MonotonicTime) {
        open = nil
        next = now.advanced(byMilliseconds: unclearMs)
        unclearMs = min(2 * unclearMs, Self.firstWaitMs)
    }

    private mutating func failed(_ now: MonotonicTime) {
        unclearMs = Self.unclearWaitMs
        next = now.advanced(byMilliseconds: waitMs)
        waitMs = min(2 * waitMs, Self.maximumWaitMs)
    }

    /// Takes note that the path carries less than was thought: it is left in peace for a moment.
    mutating func overused(now: MonotonicTime) {
        active = nil
        open = nil
        waitMs = Self.firstWaitMs
        let earliest = now.advanced(byMilliseconds: 2 * Self.firstWaitMs)
        next = next.map { max($0, earliest) } ?? earliest
    }
}
