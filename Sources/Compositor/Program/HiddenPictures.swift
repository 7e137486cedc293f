// Cameras and screens that their senders hide: nothing of them is shown, and nothing old when they come back.

import Control
import Media

/// Leaves out what its sender hides, until a picture comes that was sent after that; confined to the program's thread.
///
/// A hidden track goes on to exist, and the room keeps its last picture as it does for one whose packets are lost.
struct HiddenPictures {
    private var hidden: Set<SceneSource> = []
    /// When that was hidden of which no new picture has been seen.
    private var since: [SceneSource: MonotonicTime] = [:]

    /// Takes out of the pictures what is hidden, and what had come before it was.
    ///
    /// - Parameters:
    ///   - hidden: what senders hide now.
    ///   - pictures: the newest picture of each source.
    ///   - now: a moment on the clock of the pictures' arrival.
    mutating func leaveOut(
        _ hidden: Set<SceneSource>, of pictures: inout [SceneSource: VideoFrame], at now: MonotonicTime
    ) {
        for source in hidden.subtracting(self.hidden) { since[source] = now }
        self.hidden = hidden
        for (source, moment) in since {
            if let arrival = pictures[source]?.arrival, arrival <= moment { pictures[source] = nil; continue }
            if hidden.contains(source) { pictures[source] = nil } else { since[source] = nil }
        }
    }
}
