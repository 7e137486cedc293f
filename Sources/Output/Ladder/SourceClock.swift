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
    private let tolerance: Int64 = 2_000

    /// Whether the source has told its program time.
    var isTold: Bool { if case .told = mapping { true } else { false } }

    /// Takes what an `onProgramTime` message says.
    mutating func told(_ time: ProgramTime, ptsMilliseconds: Int64) {
        if case .own = mapping { return }
        let offset = (time.milliseconds &- ptsMilliseconds) &* 1000
        if case .told(let known) = mapping, abs(known &- offset) <= tolerance { return }
        mapping = .told(offsetMicroseconds: offset)
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
