// The playout clock of one participant, shared by the threads that receive, decode, show and mix.

import Media
import RTCClient
import Synchronization

/// A `Playout` behind a lock that is held for a few comparisons at a time.
final class SharedPlayout: Sendable {
    private let state = Mutex(Playout())

    /// Takes note of a frame; returns its stamp in nanoseconds.
    ///
    /// - Parameter lookahead: by how many nanoseconds what the frame holds was captured before what its stamp says.
    func note(_ id: Int, _ received: ReceivedFrame, lookahead: Int64 = 0) -> Int64 {
        let isPicture = received.frame.codec.isVideo
        let scale = Int64(max(1, received.frame.timescale))
        // In two parts: stamps without their wraps times a thousand million would not fit.
        let stamp =
            received.frame.pts / scale &* 1_000_000_000 &+ received.frame.pts % scale &* 1_000_000_000 / scale
        state.withLock {
            $0.note(
                id, stamp: stamp &- lookahead, captured: received.captureUnixNanoseconds.map { $0 &- lookahead },
                arrival: received.arrival, isPicture: isPicture)
        }
        return stamp
    }

    /// Takes note of a frame of a stream whose stamps are one clock for all tracks.
    func note(_ id: Int, stamp: Int64, arrival: MonotonicTime, isPicture: Bool) {
        state.withLock { $0.note(id, stamp: stamp, captured: stamp, arrival: arrival, isPicture: isPicture) }
    }

    func remove(_ id: Int) { state.withLock { $0.remove(id) } }

    func time(_ id: Int, stamp: Int64) -> MonotonicTime? { state.withLock { $0.time(id, stamp: stamp) } }

    func stamp(_ id: Int, at moment: MonotonicTime) -> Int64? { state.withLock { $0.stamp(id, at: moment) } }

    func noteLate(by late: Int64, at now: MonotonicTime, isPicture: Bool) {
        state.withLock { $0.noteLate(by: late, at: now, isPicture: isPicture) }
    }

    /// Takes note of a picture that became ready after it had been asked for.
    func noteUse(_ id: Int, stamp: Int64, asked: MonotonicTime, counters: RoomCounters) {
        let isLate = state.withLock { playout -> Bool in
            guard let due = playout.time(id, stamp: stamp), due < asked else { return false }
            playout.noteLate(by: asked.nanoseconds(since: due), at: asked, isPicture: true)
            return true
        }
        if isLate { counters.add(.framesLate) }
    }

    /// The delay in nanoseconds, and what happened.
    var summary: (delay: Int64, restarts: UInt64, raises: UInt64) {
        state.withLock { ($0.delay, $0.restarts, $0.raises) }
    }
}
