// The frames of an event, numbered from the Unix epoch: slot n is shown at n / fps.

public import Media

/// Numbers the pictures of the output by program time.
///
/// Counting from the epoch instead of a start makes every rung, restart and backup agree without talking:
/// slot n is an IDR when n mod 2·fps = 0, and starts a segment when n mod 6·fps = 0.
public struct SlotGrid: Sendable, Hashable {
    /// Pictures per second, a whole number.
    public let framesPerSecond: Int64

    /// Creates a grid.
    public init(framesPerSecond: Int32) { self.framesPerSecond = Int64(min(max(1, framesPerSecond), 120)) }

    /// The slot nearest to a program time in microseconds.
    public func slot(nearest microseconds: Int64) -> Int64 {
        floorDivide(microseconds &* framesPerSecond &+ 500_000, 1_000_000)
    }

    /// How far a program time in microseconds lies from a slot, in microseconds times frames per second.
    func distance(_ microseconds: Int64, from slot: Int64) -> Int64 {
        abs(microseconds &* framesPerSecond &- slot &* 1_000_000)
    }

    /// The last slot at or before a program time.
    public func slot(atOrBefore time: ProgramTime) -> Int64 { floorDivide(time.milliseconds &* framesPerSecond, 1000) }

    /// The first slot at or after a program time.
    public func slot(atOrAfter time: ProgramTime) -> Int64 {
        floorDivide(time.milliseconds &* framesPerSecond &+ 999, 1000)
    }

    /// The program time of a slot, rounded down to the millisecond; exact on the IDR grid.
    public func time(of slot: Int64) -> ProgramTime {
        ProgramTime(milliseconds: floorDivide(slot &* 1000, framesPerSecond))
    }

    /// The first slot of the IDR grid at or after a slot.
    public func idrSlot(atOrAfter slot: Int64) -> Int64 {
        let step = framesPerSecond * ProgramGrid.idrMilliseconds / 1000
        return floorDivide(slot &+ step &- 1, step) &* step
    }

    /// Whether a segment starts at a slot.
    public func isSegmentStart(_ slot: Int64) -> Bool {
        slot % (framesPerSecond * ProgramGrid.segmentMilliseconds / 1000) == 0
    }

    /// Whether an IDR lies at a slot.
    public func isIDR(_ slot: Int64) -> Bool { slot % (framesPerSecond * ProgramGrid.idrMilliseconds / 1000) == 0 }

    /// A slot's time in 90 kHz ticks since the epoch.
    func ticks(of slot: Int64) -> Int64 { slot &* 90_000 / framesPerSecond }
}
