// The way from the program's thread to the encoder's: a short queue, the newest picture, and what is counted.

import Control
import Media
import Synchronization

/// Pictures on their way to the encoder; one thread puts in, one takes out, anybody looks at the newest.
final class ProgramLine: Sendable {
    /// One picture for the encoder.
    struct Job: Sendable {
        var picture: VideoFrame
        var frame: FrameScheduler.Frame
        /// When the oldest of the pictures that are new in it had come; nil when none is.
        var arrival: MonotonicTime?
    }

    /// What the newest picture was made from.
    struct Sources: Sendable {
        var pictures: [SceneSource: VideoFrame] = [:]
        var direction = ProgramDirection()
    }

    private let queue: BoundedQueue<Job>
    private let seen = Mutex<(program: VideoFrame?, sources: Sources)>((nil, Sources()))
    private let droppedFrames = Atomic<UInt64>(0), repeatedFrames = Atomic<UInt64>(0)
    private let drawnFrames = Atomic<UInt64>(0), drawnNanoseconds = Atomic<UInt64>(0)
    private let encodedFrames = Atomic<UInt64>(0), encodedNanoseconds = Atomic<UInt64>(0)
    private let leftOutFrames = Atomic<UInt64>(0), step = Atomic<Int>(0), isThinned = Atomic(false)
    private let stepsDown = Atomic<UInt64>(0)
    private let times = LineTimes()

    init(capacity: Int) { queue = BoundedQueue(capacity: capacity) }

    var newest: (program: VideoFrame?, sources: Sources) { seen.withLock { $0 } }

    /// Frames that the encoder had no room for.
    var dropped: UInt64 { droppedFrames.load(ordering: .relaxed) }

    /// Puts a picture in and waits for room until a deadline; for an IDR, which must never be left out, without end.
    func put(_ job: Job, sources: Sources?, until deadline: MonotonicTime) {
        seen.withLock { seen in
            seen.program = job.picture
            if let sources { seen.sources = sources }
        }
        if !queue.push(job, until: job.frame.isIDR ? nil : deadline) {
            droppedFrames.wrappingAdd(1, ordering: .relaxed)
        }
    }

    func drawn(nanoseconds: Int64) {
        drawnFrames.wrappingAdd(1, ordering: .relaxed)
        drawnNanoseconds.wrappingAdd(UInt64(max(0, nanoseconds)), ordering: .relaxed)
    }

    func repeated() { repeatedFrames.wrappingAdd(1, ordering: .relaxed) }

    func encoded(nanoseconds: Int64) {
        encodedFrames.wrappingAdd(1, ordering: .relaxed)
        encodedNanoseconds.wrappingAdd(UInt64(max(0, nanoseconds)), ordering: .relaxed)
    }

    /// How many pictures wait for the encoder.
    var waiting: Int { queue.count }

    /// Whether every second picture is left out, because the encoder can't keep up at all.
    var leavesOut: Bool { isThinned.load(ordering: .relaxed) }

    /// Notes the step of the overload ladder.
    func set(step new: Int, leavesOut: Bool) {
        if new > step.exchange(new, ordering: .relaxed) { stepsDown.wrappingAdd(1, ordering: .relaxed) }
        isThinned.store(leavesOut, ordering: .relaxed)
    }

    /// Counts a picture that is left out.
    func leftOut() { leftOutFrames.wrappingAdd(1, ordering: .relaxed) }

    /// Notes that a picture has reached the encoder.
    func entered(_ job: Job, at now: MonotonicTime) {
        times.entered(index: job.frame.index, arrival: job.arrival, at: now)
    }

    /// Notes that a frame has left the encoder.
    func left(index: Int64, at now: MonotonicTime) { times.left(index: index, at: now) }

    /// The next picture to encode; nil when the line is closed and empty.
    func next() -> Job? { queue.pop() }

    func close() { queue.close() }

    var counters: [String: Double] {
        times.counters.merging([
            "proscenium_compositor_frames_repeated_total": Double(repeatedFrames.load(ordering: .relaxed)),
            "proscenium_compositor_frames_dropped_total": Double(dropped),
            "proscenium_compositor_frames_drawn_total": Double(drawnFrames.load(ordering: .relaxed)),
            "proscenium_compositor_draw_seconds_total": Double(drawnNanoseconds.load(ordering: .relaxed)) / 1e9,
            "proscenium_compositor_frames_encoded_total": Double(encodedFrames.load(ordering: .relaxed)),
            "proscenium_compositor_encode_seconds_total": Double(encodedNanoseconds.load(ordering: .relaxed)) / 1e9,
            "proscenium_compositor_frames_left_out_total": Double(leftOutFrames.load(ordering: .relaxed)),
            "proscenium_compositor_encoder_step": Double(step.load(ordering: .relaxed)),
            "proscenium_compositor_encoder_steps_down_total": Double(stepsDown.load(ordering: .relaxed)),
        ]) { $1 }
    }
}
