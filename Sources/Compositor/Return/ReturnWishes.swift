// In which codecs somebody gets the program's picture, and who needs a key frame: told by the connection, read by the encoder.

import Media
import Synchronization

/// What is wanted of one connection's picture; told by its client's thread and read by the one that encodes.
final class ReturnWishes: Sendable {
    private struct State {
        // Until the media server says otherwise: the first picture does not wait for its word.
        var wanted: Set<Codec> = [.vp8], keyframes: Set<Codec> = []
    }

    private let state = Mutex(State())

    /// Somebody gets the picture in this codec, or nobody does any more; the same again changes nothing.
    func want(_ codec: Codec, _ isWanted: Bool) {
        state.withLock { state in
            if isWanted { state.wanted.insert(codec) } else { state.wanted.remove(codec) }
        }
    }

    /// Somebody can't go on without a key frame.
    func requestKeyframe(_ codec: Codec) { state.withLock { _ = $0.keyframes.insert(codec) } }

    /// What is wanted now, and the key frames that were asked for since the last time.
    func take() -> (wanted: Set<Codec>, keyframes: Set<Codec>) {
        state.withLock { state in
            defer { state.keyframes = [] }
            return (state.wanted, state.keyframes)
        }
    }
}
