// Everything that a program's pictures and sound come from, as one.

public import Control
public import Media

/// Gives pictures and sound by the machine's monotonic clock: the room, streams that come in, rolls.
public protocol StageSource: Sendable {
    /// The newest picture of each source that is due at a moment, for the program's thread.
    func pictures(at moment: MonotonicTime) -> [SceneSource: VideoFrame]
    /// The 10 ms of sound from a moment on, 960 samples of each source that is not silent, for the sound's thread.
    func sound(at moment: MonotonicTime, _ body: (SoundSource, UnsafeBufferPointer<Float>) -> Void)
    /// Decodes only what is seen.
    func setVisible(_ sources: Set<SceneSource>)
    /// Counters by Prometheus name.
    var counters: [String: Double] { get }
    /// Ends connections and threads, and waits for them.
    func close()
}

/// Several sources as one.
struct StageSources: StageSource {
    let all: [any StageSource]

    func pictures(at moment: MonotonicTime) -> [SceneSource: VideoFrame] {
        var pictures: [SceneSource: VideoFrame] = [:]
        for source in all { pictures.merge(source.pictures(at: moment)) { $1 } }
        return pictures
    }

    func sound(at moment: MonotonicTime, _ body: (SoundSource, UnsafeBufferPointer<Float>) -> Void) {
        for source in all { source.sound(at: moment, body) }
    }

    func setVisible(_ sources: Set<SceneSource>) { for source in all { source.setVisible(sources) } }

    var counters: [String: Double] { all.reduce(into: [:]) { $0.merge($1.counters) { $1 } } }

    func close() { for source in all { source.close() } }
}

extension StageRoom: StageSource {}
