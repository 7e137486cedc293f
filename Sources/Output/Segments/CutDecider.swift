// One decision for all rungs: where an IDR lies and where a segment is cut. Knows no container and no codec.

public import Media

/// The start of a segment, and the end of the one before.
public struct SegmentBoundary: Sendable, Equatable {
    /// The program time of the first picture of the segment that starts.
    public var start: ProgramTime
    /// Where the segment before ends: the same moment, or earlier when pictures are missing between.
    public var previousEnd: ProgramTime
    /// Whether players must start over here.
    public var isDiscontinuity: Bool
}

/// Decides by program time alone, picture by picture.
///
/// An IDR lies where programTime mod 2000 = 0, a segment starts where programTime mod 6000 = 0; when the picture of
/// such a moment is missing, the next one takes its place. Besides that only the first picture, a splice and a gap
/// that nothing filled start a segment, the last two with a discontinuity.
public struct CutDecider: Sendable {
    /// What to do with a picture.
    public enum Decision: Sendable, Equatable {
        /// Leave it out: it lies at or before one that is already through.
        case late
        /// Leave it out: nothing starts before the next point of the IDR grid.
        case waiting
        /// Encode it as it comes.
        case picture
        /// Make it an IDR.
        case idr
        /// Make it an IDR, and start a segment with it.
        case cut(SegmentBoundary)
    }

    private let frameMilliseconds: Int64
    private let longestGapMilliseconds: Int64
    private let notBefore: ProgramTime?
    private var marksNext: Bool
    private var last: ProgramTime?

    /// Creates a decider.
    ///
    /// - Parameters:
    ///   - frameMilliseconds: how long the last picture before a gap is shown.
    ///   - longestGapMilliseconds: a longer gap ends the segment where the pictures end.
    ///   - resumingAfter: where the last published segment of an earlier run ended; nothing starts before it, and the
    ///     first segment is a discontinuity. Nil at the very start.
    public init(frameMilliseconds: Int64 = 34, longestGapMilliseconds: Int64 = 1000, resumingAfter: ProgramTime? = nil)
    {
        self.frameMilliseconds = frameMilliseconds
        self.longestGapMilliseconds = longestGapMilliseconds
        notBefore = resumingAfter
        marksNext = resumingAfter != nil
    }

    /// The program time of the last picture that was let through.
    public var lastTime: ProgramTime? { last }

    /// Decides about the picture at a program time.
    ///
    /// - Parameters:
    ///   - time: its program time.
    ///   - splices: whether the encoding changes with it, in any rung: then it starts a segment with a discontinuity.
    public mutating func decide(_ time: ProgramTime, splices: Bool = false) -> Decision {
        guard let last else {
            if let notBefore, time < notBefore { return .late }
            guard isOnGrid(time) else { return .waiting }
            return start(time, previousEnd: time)
        }
        guard time > last else { return .late }
        if time.milliseconds(since: last) > longestGapMilliseconds {
            guard isOnGrid(time) else { return .waiting }
            marksNext = true
            return start(time, previousEnd: last.advanced(byMilliseconds: frameMilliseconds))
        }
        if splices {
            marksNext = true
            return start(time, previousEnd: time)
        }
        if crosses(ProgramGrid.segmentMilliseconds, from: last, to: time) { return start(time, previousEnd: time) }
        self.last = time
        return crosses(ProgramGrid.idrMilliseconds, from: last, to: time) ? .idr : .picture
    }

    private mutating func start(_ time: ProgramTime, previousEnd: ProgramTime) -> Decision {
        last = time
        defer { marksNext = false }
        return .cut(SegmentBoundary(start: time, previousEnd: previousEnd, isDiscontinuity: marksNext))
    }

    private func isOnGrid(_ time: ProgramTime) -> Bool { ProgramGrid.idr(atOrAfter: time) == time }

    private func crosses(_ step: Int64, from earlier: ProgramTime, to later: ProgramTime) -> Bool {
        floorDivide(earlier.milliseconds, step) != floorDivide(later.milliseconds, step)
    }
}

func floorDivide(_ value: Int64, _ divisor: Int64) -> Int64 {
    let quotient = value / divisor
    return value % divisor < 0 ? quotient - 1 : quotient
}
