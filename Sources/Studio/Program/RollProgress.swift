// How far the program's roll has run, for a compositor that takes over from one that is gone.

internal import Control
internal import Media
internal import Synchronization

/// Follows the roll and the music of one program by what was shown, and by what its compositor says; that is all there is
/// after Studio has started anew.
final class RollProgress: Sendable {
    /// A start, as a scene says it.
    private struct Start {
        let asset: String, run: Int64, fromMs: Int64, isPlaying: Bool

        init(_ media: MediaRoll) {
            (asset, run, fromMs, isPlaying) = (media.asset, media.run, media.positionMs, media.state == .playing)
        }

        init(_ music: SceneAudio.Music) {
            (asset, run, fromMs, isPlaying) = (music.asset, music.run, music.positionMs, music.state == .playing)
        }
    }

    private struct Course {
        var asset = "", run: Int64 = 0
        /// Where it began.
        var fromMs: Int64 = 0
        /// Where it was halted last.
        var haltedMs: Int64 = 0
        /// When it began or went on from there; nil while it stands.
        var since: ProgramTime?

        func isOf(_ start: Start) -> Bool {
            asset == start.asset && run == start.run && fromMs == start.fromMs
        }

        /// Bounded, because the times are a worker's.
        func positionMs(at time: ProgramTime) -> Int64 {
            let running = since.map { min(max(0, time.milliseconds(since: $0)), MediaRoll.longestMs) } ?? 0
            return min(haltedMs + running, MediaRoll.longestMs)
        }

        mutating func shown(_ start: Start?, at time: ProgramTime) {
            guard let start else {
                self = Course()
                return
            }
            if !isOf(start) {
                self = Course(asset: start.asset, run: start.run, fromMs: start.fromMs, haltedMs: start.fromMs)
            }
            if start.isPlaying {
                since = since ?? time
            } else {
                haltedMs = positionMs(at: time)
                since = nil
            }
        }

        mutating func reported(
            _ asset: String, run: Int64, positionMs: Int64, isPlaying: Bool, at time: ProgramTime
        ) {
            guard self.asset == asset, self.run == run else { return }
            haltedMs = min(max(0, positionMs), MediaRoll.longestMs)
            since = isPlaying ? time : nil
        }
    }

    private let state = Mutex((roll: Course(), music: Course()))

    /// A scene is shown from a program time on.
    func shown(_ scene: Scene, at time: ProgramTime) {
        shown(scene.media, at: time)
        state.withLock { $0.music.shown(scene.audio.music.map { Start($0) }, at: time) }
    }

    /// A scene with this roll, or without any, is shown from a program time on.
    func shown(_ media: MediaRoll?, at time: ProgramTime) {
        state.withLock { $0.roll.shown(media.map { Start($0) }, at: time) }
    }

    /// The compositor has said where what it plays stands; what it says of another roll or other music is late.
    func reported(_ asset: String, run: Int64, positionMs: Int64, isPlaying: Bool, at time: ProgramTime) {
        state.withLock { state in
            state.roll.reported(asset, run: run, positionMs: positionMs, isPlaying: isPlaying, at: time)
            state.music.reported(asset, run: run, positionMs: positionMs, isPlaying: isPlaying, at: time)
        }
    }

    /// Returns the scene with its roll and its music where they stand by now; what has run out meanwhile stands shortly
    /// before its end, unless it has begun again.
    ///
    /// - Parameters:
    ///   - scene: the program's scene.
    ///   - lengthMs: how long its roll runs; nil when it stays, or nobody knows.
    ///   - musicLengthMs: how long its music runs; nil when nobody knows.
    ///   - now: the program time.
    func resumed(_ scene: Scene, lengthMs: Int64?, musicLengthMs: Int64? = nil, at now: ProgramTime) -> Scene {
        var resumed = scene
        let (roll, music) = state.withLock { $0 }
        if var media = scene.media, let lengthMs {
            let position = roll.isOf(Start(media)) ? roll.positionMs(at: now) : media.positionMs
            let last = max(media.positionMs, lengthMs - MediaRoll.heldMs)
            media.positionMs = min(max(position, media.positionMs), last)
            resumed.media = media
        }
        if let one = scene.audio.music, let musicLengthMs, musicLengthMs > 0, music.isOf(Start(one)) {
            let position = music.positionMs(at: now), last = max(one.positionMs, musicLengthMs - MediaRoll.heldMs)
            resumed.audio.music?.positionMs =
                one.loop ? position % musicLengthMs : min(max(position, one.positionMs), last)
        }
        return resumed
    }
}
