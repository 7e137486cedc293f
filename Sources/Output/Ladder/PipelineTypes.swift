// What a pipeline is told, tells and counts.

public import Media

/// Reads the time for a pipeline; tests bring their own.
public protocol PipelineClock: Sendable {
    /// The monotonic clock.
    func monotonic() -> MonotonicTime
    /// Wall time in milliseconds since the Unix epoch.
    func wallMilliseconds() -> Int64
}

/// The machine's clocks.
public struct MachineClock: PipelineClock {
    /// Creates it.
    public init() {}
    /// Reads the monotonic clock.
    public func monotonic() -> MonotonicTime { SystemClock.monotonic() }
    /// Reads the wall clock.
    public func wallMilliseconds() -> Int64 { SystemClock.wallMilliseconds() }
}

/// What went wrong without stopping the pipeline.
public enum PipelineFault: Error, Sendable, Equatable {
    /// A segment could not be written; it isn't listed, and the next one begins with a discontinuity.
    case disk(DiskError)
    /// A rung had no key frame where a segment starts; the segment isn't listed.
    case brokenSegment(rung: String)
    /// The source's video or audio configuration can't be used.
    case unusableConfiguration(String)
    /// The program's source told a clock that is too far from the running one, or from the wall's.
    case clockRefused(ProgramTime)
    /// An encoder could not be opened.
    case encoder(rung: String, AVError)
}

/// What a pipeline calls, on its own threads; the closures must not wait.
public struct PipelineCallbacks: Sendable {
    /// There is room again after `offer` has returned false.
    public var onRoom: @Sendable () -> Void = {}
    /// A segment is on disk and listed in every rung.
    public var onSegment: @Sendable (SegmentPublished) -> Void = { _ in }
    /// Each second while a source is there or held: which program time arrives at which wall time.
    public var onClock: @Sendable (_ programTime: ProgramTime, _ wallMilliseconds: Int64) -> Void = { _, _ in }
    /// Something went wrong; the pipeline goes on.
    public var onFault: @Sendable (PipelineFault) -> Void = { _ in }
    /// The pipeline has begun to hold the last picture (true), or has a source again (false).
    public var onHold: @Sendable (Bool) -> Void = { _ in }

    /// Callbacks that do nothing.
    public init() {}
}

/// Counters of a pipeline since its start.
public struct PipelineStatistics: Sendable, Equatable {
    /// Events that were refused because the queue was full.
    public var refusedEvents: UInt64 = 0
    /// Source pictures: decoded, damaged, without a program time, too late, and too many for the frame rate.
    public var decodedFrames: UInt64 = 0, damagedFrames: UInt64 = 0, unmappedFrames: UInt64 = 0
    public var lateFrames: UInt64 = 0, surplusFrames: UInt64 = 0
    /// Pictures that the ladder was fed with, and those of them that repeat the one before.
    public var ladderFrames: UInt64 = 0, repeatedFrames: UInt64 = 0
    /// Pictures that one rung left out under overload, never an IDR.
    public var overloadFrames: UInt64 = 0
    /// Pictures of the top rung that were taken over as they came.
    public var passedFrames: UInt64 = 0
    /// Audio frames that were put in as silence, and those that overlapped.
    public var silentAudioFrames: UInt64 = 0, droppedAudioFrames: UInt64 = 0
    /// Times that the last picture was held.
    public var holds: UInt64 = 0
    /// Clocks that were told and not taken.
    public var refusedClocks: UInt64 = 0
    /// Pictures that an encoder failed on.
    public var encoderErrors: UInt64 = 0
    /// Segments that were published, and that could not be.
    public var publishedSegments: UInt64 = 0, lostSegments: UInt64 = 0

    /// Zeros.
    public init() {}
}

extension PipelineStatistics {
    /// What a worker tells of it, by Prometheus name.
    var counters: [String: Double] {
        let counts = [
            "segments_published": publishedSegments, "segments_lost": lostSegments,
            "frames_decoded": decodedFrames, "frames_damaged": damagedFrames, "frames_repeated": repeatedFrames,
            "frames_late": lateFrames, "frames_overload": overloadFrames, "frames_passed": passedFrames,
            "input_refused": refusedEvents, "audio_silent": silentAudioFrames, "holds": holds,
            "clocks_refused": refusedClocks,
        ]
        return Dictionary(uniqueKeysWithValues: counts.map { ("proscenium_output_\($0)_total", Double($1)) })
    }
}
