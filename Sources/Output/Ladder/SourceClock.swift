// From a source's stamps to program time: the source's own clock where it tells it, else one made here.

import Media

/// Maps stamps of one incoming stream to program time, and program time to the machine's clock.
///
/// A direct ingest (OBS, ffmpeg) gets a program clock of ours: the wall time of its first picture rounded up to the
/// grid, then its stamps; never a sum of durations, which drifts.
struct SourceClock {
    private enum Mapping {
        case none
        case told(offsetMicroseconds: Int64)
        case own(offsetMicroseconds: Int64)
    }

    private var mapping = Mapping.none
    /// Program time minus monotonic time, of what arrives earliest; nil before the first picture.
    private var lead: (microseconds: Int64, at: MonotonicTime)?
    /// Steps smaller than this are rounding: stamps and program time both come in whole milliseconds.
    private let tolerance: UInt64 = 2_000

    /// Whether the source has told its program time.
    var isTold: Bool { if case .told = mapping { true } else { false } }

    /// Stamps that are further than this from what is due have stepped.
    private static let longestStepMicroseconds: Int64 = 60_000_000
    /// A clock that is told may differ by this much from the one that runs, forwards or backwards.
    private static let longestToldStepMilliseconds: Int64 = 10_000
    /// A clock that is told may differ by this much from the wall's.
    private static let longestFromWallMilliseconds: Int64 = 3_600_000

    /// Takes what an `onProgramTime` message says, unless it would throw the time-line elsewhere.
    ///
    /// - Parameters:
    ///   - time: the program time.
    ///   - ptsMilliseconds: the stamp that it belongs to.
    ///   - now: when it came.
    ///   - wallMilliseconds: the wall's time.
    /// - Returns: false when it is not taken: the mapping stays, and a stream without one is anchored here.
    mutating func told(
        _ time: ProgramTime, ptsMilliseconds: Int64, at now: MonotonicTime, wallMilliseconds: Int64
    ) -> Bool {
        if case .own = mapping { return true }
        let offset = (time.milliseconds &- ptsMilliseconds) &* 1000
        if case .told(let known) = mapping, (known &- offset).magnitude <= tolerance { return true }
        guard Self.isWithin(Self.longestFromWallMilliseconds, time.milliseconds, wallMilliseconds) else { return false }
        if let running = programTime(at: now)?.milliseconds {
            guard Self.isWithin(Self.longestToldStepMilliseconds, time.milliseconds, running) else { return false }
        }
        mapping = .told(offsetMicroseconds: offset)
        return true
    }

    /// Whether a stamp lies where no picture can belong that arrives now.
    ///
    /// What is late harms nobody and may have waited on its way; a told clock is held tighter towards the future.
    func hasStepped(ptsMicroseconds: Int64, at now: MonotonicTime) -> Bool {
        guard let mapped = microseconds(ptsMicroseconds: ptsMicroseconds), let due = programTime(at: now) else {
            return false
        }
        let ahead = mapped &- due.milliseconds &* 1000
        let most = isTold ? Self.longestToldStepMilliseconds * 1000 : Self.longestStepMicroseconds
        return ahead > most || ahead < -Self.longestStepMicroseconds
    }

    private static func isWithin(_ distance: Int64, _ left: Int64, _ right: Int64) -> Bool {
        let (difference, overflow) = left.subtractingReportingOverflow(right)
        return !overflow && difference.magnitude <= UInt64(distance)
    }

    /// Makes a mapping so that a stamp falls on a program time.
    mutating func anchor(_ time: ProgramTime, ptsMicroseconds: Int64) {
        mapping = .own(offsetMicroseconds: time.milliseconds &* 1000 &- ptsMicroseconds)
    }

    /// Forgets the stream's stamps, when it ends; the clock goes on.
    mutating func streamEnded() { mapping = .none }

    /// The program time of a stamp in microseconds, or nil while unknown.
    func microseconds(ptsMicroseconds: Int64) -> Int64? {
        switch mapping {
        case .none: nil
        case .told(let offset), .own(let offset): ptsMicroseconds &+ offset
        }
    }

    /// Notes that something of a program time has arrived.
    ///
    /// The earliest arrivals count, since a network only ever delays; 1 ms a second is given back, so that a drifting
    /// sender's clock is followed.
    mutating func arrived(_ microseconds: Int64, at now: MonotonicTime) {
        let fresh = microseconds &- now.nanoseconds / 1000
        guard let lead else {
            self.lead = (fresh, now)
            return
        }
        let eased = lead.microseconds &- now.nanoseconds(since: lead.at) / 1_000_000
        self.lead = (max(fresh, eased), now)
    }

    /// The program time that arrives at a moment, as far as is known.
    func programTime(at now: MonotonicTime) -> ProgramTime? {
        lead.map { ProgramTime(milliseconds: floorDivide($0.microseconds &+ now.nanoseconds / 1000, 1000)) }
    }
}
