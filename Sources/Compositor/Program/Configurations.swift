// Both codec configurations, known once.

import Media
import Synchronization

/// Hands both codec configurations on when the second one is there.
final class Configurations: Sendable {
    private let known = Mutex<(video: ByteBlock?, audio: ByteBlock?)>((nil, nil))
    private let onBoth: @Sendable (ByteBlock, ByteBlock) -> Void

    init(onBoth: @escaping @Sendable (ByteBlock, ByteBlock) -> Void) { self.onBoth = onBoth }

    func video(_ block: ByteBlock) { set { $0.video = block } }

    func audio(_ block: ByteBlock) { set { $0.audio = block } }

    private func set(_ change: (inout (video: ByteBlock?, audio: ByteBlock?)) -> Void) {
        let both = known.withLock { known in
            change(&known)
            return known
        }
        if let video = both.video, let audio = both.audio { onBoth(video, audio) }
    }
}
