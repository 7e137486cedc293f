// How far the program's roll has run, for a compositor that takes over from one that is gone.

internal import Control
internal import Media
internal import Synchronization

/// Follows the roll of one program by what was shown, and by what its compositor says; that is all there is after Studio has
/// started anew.
final class RollProgress: Sendable {
    private struct State {
        var asset = "", run: Int64 = 0
        /// Where it began.
        var fromMs: Int64 = 0
        /// Where it was halted last.
        var haltedMs: Int64 = 0
        /// When it began or went on from there; nil while it stands.
        var since: ProgramTime?

        func isOf(_ media: MediaRoll) -> Bool {
            asset == media.asset && run == media.run && fromMs == media.positionMs
        }

        /// Bounded, because the times are a worker's.
        func positionMs(at time: ProgramTime) -> Int64 {
            let running = since.map { min(max(0, time.milliseconds(since: $0)), MediaRoll.longestMs) } ?? 0
            return min(haltedMs + running, MediaRoll.longestMs)
        }
    }

    private let state = Mutex(State())

    /// A scene with this roll, or without any, is shown from a program time on.
    func shown(_ media: MediaRoll?, at time: ProgramTime) {
        state.withLock { state in
            guard let media else {
                state = State()
                return
            }
            if !state.isOf(media) {
                state = State(
                    asset: media.asset, run: media.run, fromMs: media.positionMs, haltedMs: media.positionMs)
            }
            if media.state == .playing {
                state.since = state.since ?? time
            } else {
                state.haltedMs = state.positionMs(at: time)
                state.since = nil
            }
        }
    }

    /// The compositor has said where the roll that it shows stands; what it says of another one is late.
    func reported(_ asset: String, run: Int64, positionMs: Int64, isPlaying: Bool, at time: ProgramTime) {
        state.withLock { state in
            guard state.asset == asset, state.run == run else { return }
            state.haltedMs = min(max(0, positionMs), MediaRoll.longestMs)
            state.since = isPlaying ? time : nil
        }
    }

    /// Returns the scene with its roll where it stands by now; one that has run out meanwhile stands shortly before its end.
    ///
    /// - Parameters:
    ///   - scene: the program's scene.
    ///   - lengthMs: how long its roll runs; nil when it stays, or nobody knows.
    ///   - now: the program time.
    func resumed(_ scene: Scene, lengthMs: Int64?, at now: ProgramTime) -> Scene {
        guard var media = scene.media, let lengthMs else { return scene }
        let position = state.withLock { $0.isOf(media) ? $0.positionMs(at: now) : media.positionMs }
        let last = max(media.positionMs, lengthMs - MediaRoll.heldMs)
        media.positionMs = min(max(position, media.positionMs), last)
        var resumed = scene
        resumed.media = media
        return resumed
    }
}
