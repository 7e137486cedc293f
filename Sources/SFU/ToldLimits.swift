// Which tracks a subscriber's line has no room for, as its page is told.

import Control
import Media

/// What a subscriber was told of its line.
struct ToldLimits {
    /// How long the next word waits.
    static let pauseMs: Int64 = 1000

    var tracks: [String: LineLimit] = [:]
    var isStale = false
    var at: MonotonicTime?
}

extension LayerGrant {
    /// What keeps the subscriber from what it asks for.
    var limit: LineLimit? { isPaused ? .paused : isWhole ? nil : .smaller }
}
