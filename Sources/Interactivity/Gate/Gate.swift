// The gate: nothing of the timeline is read before the media that covers it is published.

public import Media

/// Where viewers of one carrier can possibly be.
public struct PlayheadWindow: Hashable, Sendable {
    /// Nobody can be further behind.
    public var earliest: ProgramTime
    /// Nobody can be further ahead.
    public var latest: ProgramTime
    /// Whether everybody sees everything at once, because no program is live.
    public var isImmediate: Bool

    /// Holds a claim inside the window; without a claim a viewer is at its head.
    public func clamp(_ claim: ProgramTime?) -> ProgramTime {
        guard let claim else { return latest }
        return min(max(claim, earliest), latest)
    }
}

/// The gate of one event for one delayed carrier, as a state machine that is told the time.
///
/// Entries leave in the order of the log. While a program is live, an entry leaves when media up to a later program
/// time is published. When no segment has come for 10 s (30 s while Output still reports), the published head goes on
/// as the program clock minus the last lag. When the program has ended, the head follows the clock in the same way until nothing waits; then the
/// gate is open.
public struct Gate: Sendable {
    /// After so long without a segment the gate goes on by the clock, when Output is silent too.
    public static let silenceMilliseconds: Int64 = 10_000
    /// While Output still reports its clock, its segments are late and not lost: the gate then waits until every
    /// player has used up the five segments that were listed, so that a slow machine gives nothing away.
    public static let lateMilliseconds: Int64 = 30_000
    /// For so long a report says that Output is there.
    static let reportMilliseconds: Int64 = 5000
    /// The lag that is assumed before the first segment.
    static let initialLagMilliseconds: Int64 = 10_000
    /// No lag counts as more than this.
    static let maximumLagMilliseconds: Int64 = 60_000
    /// How far behind the published head players can go: five segments of 6 s.
    public static let dvrWindowMilliseconds: Int64 = 30_000

    private enum Program: Sendable { case idle, live, draining }

    private struct Waiting: Sendable {
        let offset: Int64, time: ProgramTime
    }

    private var program = Program.idle
    /// Everything before it is published; nil before a program was ever live.
    public private(set) var head: ProgramTime?
    /// The log's offset up to which everything has left.
    public private(set) var releasedOffset: Int64
    private var lag = Self.initialLagMilliseconds
    private var lastSegment: MonotonicTime?
    private var lastReport: MonotonicTime?
    private var waiting: [Waiting] = []
    private var firstWaiting = 0

    /// Creates an open gate.
    ///
    /// - Parameter releasedOffset: the log's offset up to which everything has left.
    public init(releasedOffset: Int64 = 0) { self.releasedOffset = releasedOffset }

    /// Whether a program is live.
    public var isLive: Bool { program == .live }
    /// How many entries wait.
    public var waitingCount: Int { waiting.count - firstWaiting }

    /// A program is live from now on; `head` is what was published before a restart.
    public mutating func programStarted(now: MonotonicTime, programNow: ProgramTime, head restored: ProgramTime? = nil)
    {
        guard program != .live else { return }
        // What was stamped before the start has left an open gate already.
        let known = head ?? programNow
        head = restored ?? (program == .idle ? max(known, programNow) : known)
        program = .live
        lastSegment = now
    }

    /// The program has ended: what waits follows the clock.
    public mutating func programStopped() {
        guard program == .live else { return }
        program = .draining
    }

    /// Media of `from..<to` can be fetched from now on.
    public mutating func mediaPublished(from: ProgramTime, to: ProgramTime, now: MonotonicTime, programNow: ProgramTime)
    {
        guard from < to else { return }
        head = max(head ?? to, to)
        lag = min(max(0, programNow.milliseconds(since: to)), Self.maximumLagMilliseconds)
        lastSegment = now
    }

    /// Output has reported the program's clock: it is there.
    public mutating func clockReported(now: MonotonicTime) { lastReport = now }

    /// An entry was added to the log.
    public mutating func append(offset: Int64, programTime: ProgramTime) {
        waiting.append(Waiting(offset: offset, time: programTime))
    }

    /// Lets out what may leave now.
    ///
    /// - Returns: the offset up to which everything has left.
    public mutating func release(now: MonotonicTime, programNow: ProgramTime) -> Int64 {
        followClock(now: now, programNow: programNow)
        while firstWaiting < waiting.count {
            let next = waiting[firstWaiting]
            guard program == .idle || next.time < head ?? next.time else { break }
            releasedOffset = next.offset
            firstWaiting += 1
        }
        if firstWaiting == waiting.count || firstWaiting > 1024 {
            waiting.removeFirst(firstWaiting)
            firstWaiting = 0
        }
        if program == .draining, waiting.isEmpty { program = .idle }
        return releasedOffset
    }

    private mutating func followClock(now: MonotonicTime, programNow: ProgramTime) {
        let isThere = lastReport.map { now.milliseconds(since: $0) < Self.reportMilliseconds } ?? false
        let limit = isThere ? Self.lateMilliseconds : Self.silenceMilliseconds
        let isSilent = lastSegment.map { now.milliseconds(since: $0) >= limit } ?? true
        guard program == .draining || (program == .live && isSilent) else { return }
        let clockHead = programNow.advanced(byMilliseconds: -lag)
        head = max(head ?? clockHead, clockHead)
    }

    /// Where viewers can possibly be.
    public func playheads(programNow: ProgramTime) -> PlayheadWindow {
        guard program != .idle, let head else {
            return PlayheadWindow(earliest: programNow, latest: programNow, isImmediate: true)
        }
        return PlayheadWindow(
            earliest: head.advanced(byMilliseconds: -Self.dvrWindowMilliseconds), latest: head, isImmediate: false)
    }
}
