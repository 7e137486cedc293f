// The one clock: programTime, from camera to poll.

/// The UTC millisecond of a frame on an event's program clock, since the Unix epoch.
public struct ProgramTime: Hashable, Comparable, Sendable, Codable {
    /// Milliseconds since the Unix epoch.
    public var milliseconds: Int64

    /// Creates a program time from milliseconds since the Unix epoch.
    public init(milliseconds: Int64) { self.milliseconds = milliseconds }

    /// Reads a plain number of milliseconds.
    public init(from decoder: any Decoder) throws {
        milliseconds = try decoder.singleValueContainer().decode(Int64.self)
    }

    /// Writes a plain number of milliseconds.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(milliseconds)
    }

    /// Compares two program times.
    public static func < (left: Self, right: Self) -> Bool { left.milliseconds < right.milliseconds }

    /// Returns the program time that lies `milliseconds` later.
    public func advanced(byMilliseconds delta: Int64) -> Self { Self(milliseconds: milliseconds &+ delta) }

    /// Returns how many milliseconds lie between an earlier program time and this one.
    public func milliseconds(since earlier: Self) -> Int64 { milliseconds &- earlier.milliseconds }
}

/// The grid on which every rung, encoder and restart lines up: IDRs at multiples of 2 s, segments at multiples of 6 s.
public enum ProgramGrid {
    /// An IDR lies where programTime mod this is 0.
    public static let idrMilliseconds: Int64 = 2000
    /// A segment is cut where programTime mod this is 0.
    public static let segmentMilliseconds: Int64 = 6000

    /// Returns the first point of the segment grid at or after a program time.
    public static func segmentStart(atOrAfter time: ProgramTime) -> ProgramTime {
        roundUp(time, to: segmentMilliseconds)
    }

    /// Returns the first point of the IDR grid at or after a program time.
    public static func idr(atOrAfter time: ProgramTime) -> ProgramTime { roundUp(time, to: idrMilliseconds) }

    private static func roundUp(_ time: ProgramTime, to step: Int64) -> ProgramTime {
        let remainder = ((time.milliseconds % step) + step) % step
        return remainder == 0 ? time : time.advanced(byMilliseconds: step - remainder)
    }
}

/// An event's program clock: wall time read once, rounded up to the IDR grid, then advanced by the monotonic clock.
///
/// It is never stepped. Frame n lies exactly at `anchor + n / fps`. The anchor pair is handed on when the process
/// that runs the clock is started again on the same machine.
public struct ProgramClock: Hashable, Sendable, Codable {
    /// The program time of frame 0, a multiple of 2000 ms.
    public let anchor: ProgramTime
    /// The monotonic clock, in nanoseconds, at the anchor.
    public let anchorMonotonicNanoseconds: Int64

    /// Starts a clock from one reading of both clocks of the machine.
    ///
    /// - Parameters:
    ///   - wallMilliseconds: wall time in milliseconds since the Unix epoch.
    ///   - monotonic: the monotonic clock at the same moment.
    public init(wallMilliseconds: Int64, monotonic: MonotonicTime) {
        anchor = ProgramGrid.idr(atOrAfter: ProgramTime(milliseconds: wallMilliseconds))
        let ahead = anchor.milliseconds &- wallMilliseconds
        anchorMonotonicNanoseconds = monotonic.advanced(byMilliseconds: ahead).nanoseconds
    }

    /// Returns the program time at a moment of the monotonic clock, rounded down to the millisecond.
    public func programTime(at moment: MonotonicTime) -> ProgramTime {
        let elapsed = MonotonicTime(nanoseconds: moment.nanoseconds &- anchorMonotonicNanoseconds)
        return anchor.advanced(byMilliseconds: elapsed.milliseconds)
    }

    /// Returns the moment of the monotonic clock at which a program time is due.
    public func monotonic(at time: ProgramTime) -> MonotonicTime {
        MonotonicTime(nanoseconds: anchorMonotonicNanoseconds)
            .advanced(byMilliseconds: time.milliseconds(since: anchor))
    }

    /// Returns the exact offset of a frame from the anchor, in units of a timescale, rounded down.
    ///
    /// - Parameters:
    ///   - index: the frame's number, from 0.
    ///   - timescale: ticks per second of the result.
    ///   - frameRate: frames per second.
    public static func offset(ofFrame index: Int64, timescale: Int64, frameRate: FrameRate) -> Int64 {
        index &* timescale &* Int64(frameRate.denominator) / Int64(frameRate.numerator)
    }
}

/// A frame rate as an exact fraction.
public struct FrameRate: Hashable, Sendable, Codable {
    /// Frames.
    public let numerator: Int32
    /// Seconds.
    public let denominator: Int32

    /// Creates a rate of `numerator / denominator` frames per second; values below 1 become 1.
    public init(_ numerator: Int32, _ denominator: Int32 = 1) {
        self.numerator = max(1, numerator)
        self.denominator = max(1, denominator)
    }

    /// Frames per second.
    public var perSecond: Double { Double(numerator) / Double(denominator) }
}
