// Which pictures of the program go back to the speakers, and which of them as key frames.

import Media

/// Decides picture by picture; a plain value of the thread that encodes, in the time that it is told.
///
/// A picture may be begun when eight times what the last ones took of a core has passed since the last began, and twice what
/// they took by the clock: on a machine that has nothing else to do that is every one, and where the program needs the machine
/// the feed makes room by itself. A key frame is made when somebody asks for one, and not twice in half a second.
struct ReturnPace: Sendable {
    /// What is to be done with a picture.
    enum Decision: Sendable, Hashable {
        /// It is left out, because the one before has cost so much.
        case rest
        /// It is left out, because what it would be made from has not gone out, and no key frame may come yet.
        case await
        /// It is encoded.
        case encode(isKeyframe: Bool)
    }

    /// The least time between two key frames that were asked for.
    static let keyframeIntervalMs: Int64 = 500
    /// Of how many parts of a core's time one may be used, and of the time that passes.
    static let share: Int64 = 8, wallShare: Int64 = 2
    /// However slow it is, a picture comes twice a second.
    static let longestRestMs: Int64 = 500
    /// Pictures come by a clock of their own, a little early or late.
    static let toleranceMs: Int64 = 4

    private var wantsKeyframe = true, isBroken = true
    private var lastKeyframe: MonotonicTime?, lastBegin: MonotonicTime?
    /// How long a picture keeps the next one away, smoothed, in nanoseconds.
    private var rest: Int64?

    /// Somebody can't go on without a key frame.
    mutating func requestKeyframe() { wantsKeyframe = true }

    /// What was encoded last has not gone out: nothing can be made from it.
    mutating func lost() { (wantsKeyframe, isBroken) = (true, true) }

    /// Decides about a picture.
    mutating func next(at now: MonotonicTime) -> Decision {
        if let lastBegin, let rest {
            guard now.nanoseconds(since: lastBegin) &+ Self.toleranceMs * 1_000_000 >= rest else { return .rest }
        }
        let mayBeKeyframe = lastKeyframe.map { now.milliseconds(since: $0) >= Self.keyframeIntervalMs } ?? true
        if isBroken, !mayBeKeyframe { return .await }
        return .encode(isKeyframe: wantsKeyframe && mayBeKeyframe)
    }

    /// Notes a picture that was encoded.
    ///
    /// - Parameters:
    ///   - begin: when it was begun.
    ///   - end: when it was done.
    ///   - cost: what it took of a core, in nanoseconds.
    ///   - isKeyframe: whether it has become a key frame; nil when the rate control left it out.
    mutating func encoded(from begin: MonotonicTime, to end: MonotonicTime, cost: Int64, isKeyframe: Bool?) {
        lastBegin = begin
        let wanted = min(
            max(max(0, cost) &* Self.share, max(0, end.nanoseconds(since: begin)) &* Self.wallShare),
            Self.longestRestMs * 1_000_000)
        rest = rest.map { (3 &* $0 &+ wanted) / 4 } ?? wanted
        guard isKeyframe == true else { return }
        lastKeyframe = begin
        (wantsKeyframe, isBroken) = (false, false)
    }
}
