// From wall time to program time, by what the compositor or Output reports each second.

public import Media

/// Where the program clock stands beside the wall clock; without a report they are the same.
public struct ProgramClockMapping: Hashable, Sendable {
    /// Program time minus wall time, in milliseconds; nil without a report.
    public private(set) var offsetMilliseconds: Int64?

    /// Creates a mapping.
    public init(offsetMilliseconds: Int64? = nil) { self.offsetMilliseconds = offsetMilliseconds }

    /// Takes a report: both clocks at one moment.
    public mutating func report(programTime: ProgramTime, wallMilliseconds: Int64) {
        offsetMilliseconds = programTime.milliseconds &- wallMilliseconds
    }

    /// Forgets the reports, when the program has ended.
    public mutating func reset() { offsetMilliseconds = nil }

    /// Returns the program time at a moment of the wall clock.
    public func programTime(atWallMilliseconds wall: Int64) -> ProgramTime {
        ProgramTime(milliseconds: wall &+ (offsetMilliseconds ?? 0))
    }
}
