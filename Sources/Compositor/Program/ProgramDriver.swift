// The thread that keeps the program's time.

public import Media
import Synchronization

/// Runs a schedule on a thread of its own, sleeping to absolute moments of the monotonic clock.
public final class ProgramDriver: Sendable {
    private final class State: Sendable {
        let isStopped = Atomic(false)
        let late = Atomic<UInt64>(0), missed = Atomic<UInt64>(0), emitted = Atomic<UInt64>(0)
    }

    private let state: State
    private let thread: MediaThread

    /// Starts the thread.
    ///
    /// - Parameters:
    ///   - clock: the event's program clock.
    ///   - frameRate: frames per second.
    ///   - onFrame: is called on the thread for each frame, in order; it draws or repeats, and hands on to the encoder's
    ///     queue without waiting.
    public init(clock: ProgramClock, frameRate: FrameRate, onFrame: @escaping @Sendable (FrameScheduler.Frame) -> Void)
    {
        let state = State()
        self.state = state
        thread = MediaThread(name: "program") {
            var scheduler = FrameScheduler(clock: clock, frameRate: frameRate, now: SystemClock.monotonic())
            while !state.isStopped.load(ordering: .acquiring) {
                switch scheduler.step(at: SystemClock.monotonic()) {
                case .wait(let moment): Self.sleep(until: moment)
                case .emit(let frame):
                    onFrame(frame)
                    state.emitted.store(state.emitted.load(ordering: .relaxed) &+ 1, ordering: .relaxed)
                    state.late.store(scheduler.lateFrames, ordering: .relaxed)
                    state.missed.store(scheduler.missedFrames, ordering: .relaxed)
                }
            }
        }
    }

    /// How many frames came out, how many of them repeated a picture, and how many never did.
    public var counts: (emitted: UInt64, late: UInt64, missed: UInt64) {
        (
            state.emitted.load(ordering: .relaxed), state.late.load(ordering: .relaxed),
            state.missed.load(ordering: .relaxed)
        )
    }

    /// Ends the thread and waits for it; at most 100 ms.
    public func stop() {
        state.isStopped.store(true, ordering: .releasing)
        thread.join()
    }

    private static func sleep(until moment: MonotonicTime) {
        // The clock may start up to 2 s from now; a stop is noticed in between.
        let soon = SystemClock.monotonic().advanced(byMilliseconds: 100)
        SystemClock.sleep(until: min(moment, soon))
    }
}
