// When each frame is due, and what a late one does: pure, in the time that it is told.

public import Media

/// The schedule of the program's frames.
///
/// Frame n is due exactly at `anchor + n / fps`, computed from n alone, so that it never drifts. A frame that would come
/// more than half a frame late repeats the last picture under its own number: the encoder sees every number in order,
/// and the picture that follows is on time again. After a stop of more than `longestCatchUp` the numbers in between are
/// given up, and counted.
public struct FrameScheduler: Sendable {
    /// One frame to put out.
    public struct Frame: Hashable, Sendable {
        /// The number since the anchor of the program clock.
        public var index: Int64
        /// Its place on the program clock, rounded down to the millisecond.
        public var programTime: ProgramTime
        /// Whether an IDR lies here: the first frame at or after a multiple of 2000 ms.
        public var isIDR: Bool
        /// Whether the last picture is sent again, because there is no time to draw.
        public var isRepeat: Bool
    }

    /// What to do now.
    public enum Step: Hashable, Sendable {
        /// Nothing is due before this moment.
        case wait(until: MonotonicTime)
        /// Put a frame out, then ask again.
        case emit(Frame)
    }

    /// The longest stop whose frames are all made up for, in nanoseconds: as long as the output waits for a compositor.
    public static let longestCatchUp: Int64 = 10_000_000_000

    /// The clock and the rate.
    public let clock: ProgramClock, frameRate: FrameRate
    /// The number of the next frame.
    public private(set) var nextIndex: Int64
    /// How many frames repeated a picture because they were late, and how many never came out.
    public private(set) var lateFrames: UInt64 = 0, missedFrames: UInt64 = 0

    /// Starts a schedule at the first IDR that is not yet due.
    ///
    /// - Parameters:
    ///   - clock: the event's program clock; the one handed on, after a restart.
    ///   - frameRate: frames per second.
    ///   - now: the monotonic clock.
    public init(clock: ProgramClock, frameRate: FrameRate, now: MonotonicTime) {
        self.clock = clock
        self.frameRate = frameRate
        let elapsed = max(0, now.nanoseconds &- clock.anchorMonotonicNanoseconds)
        // By whole seconds, so that no product overflows; the loop below walks the rest.
        let seconds = elapsed / 1_000_000_000
        nextIndex = max(0, seconds &* Int64(frameRate.numerator) / Int64(frameRate.denominator) &- 1)
        while due(nextIndex) < now || !Self.isIDR(nextIndex, frameRate) { nextIndex &+= 1 }
    }

    /// The moment at which a frame is due.
    public func due(_ index: Int64) -> MonotonicTime {
        let whole = index / Int64(frameRate.numerator), rest = index % Int64(frameRate.numerator)
        let nanoseconds =
            whole &* Int64(frameRate.denominator) &* 1_000_000_000
            &+ rest &* Int64(frameRate.denominator) &* 1_000_000_000 / Int64(frameRate.numerator)
        return MonotonicTime(nanoseconds: clock.anchorMonotonicNanoseconds &+ nanoseconds)
    }

    /// Whether an IDR lies at a frame: no frame before it lies in the same 2000 ms of the program clock.
    public static func isIDR(_ index: Int64, _ frameRate: FrameRate) -> Bool {
        guard index > 0 else { return index == 0 }
        func period(_ index: Int64) -> Int64 {
            ProgramClock.offset(ofFrame: index, timescale: 1_000_000, frameRate: frameRate)
                / (ProgramGrid.idrMilliseconds * 1000)
        }
        return period(index) != period(index - 1)
    }

    /// Says what to do at a moment.
    public mutating func step(at now: MonotonicTime) -> Step {
        let dueNow = due(nextIndex)
        let late = now.nanoseconds(since: dueNow)
        if late < 0 { return .wait(until: dueNow) }
        if late > Self.longestCatchUp {
            // Only the newest ones are made up for.
            while now.nanoseconds(since: due(nextIndex)) > frameNanoseconds {
                nextIndex &+= 1
                missedFrames &+= 1
            }
        }
        let index = nextIndex
        nextIndex &+= 1
        let isRepeat = now.nanoseconds(since: due(index)) > frameNanoseconds / 2
        if isRepeat { lateFrames &+= 1 }
        let offset = ProgramClock.offset(ofFrame: index, timescale: 1000, frameRate: frameRate)
        return .emit(
            Frame(
                index: index, programTime: clock.anchor.advanced(byMilliseconds: offset),
                isIDR: Self.isIDR(index, frameRate), isRepeat: isRepeat))
    }

    private var frameNanoseconds: Int64 {
        1_000_000_000 * Int64(frameRate.denominator) / Int64(frameRate.numerator)
    }
}
