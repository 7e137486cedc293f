// What a player gets when it is slow: whole groups of pictures or nothing.

import Media
import Synchronization

/// Decides which events reach a player; after a loss it goes on at a key frame.
struct PlayerView {
    let ingestID: String
    let slot: PlayerSlot
    private var needsKeyframe = true
    private var hasVideo = false

    init(ingestID: String, slot: PlayerSlot) {
        self.ingestID = ingestID
        self.slot = slot
    }

    mutating func admits(_ event: StreamEvent, isWritable: Bool) -> Bool {
        slot.backlog.subtract(1, ordering: .relaxed)
        if slot.hasLost.exchange(false, ordering: .relaxed) || !isWritable { needsKeyframe = true }
        switch event {
        case .videoConfiguration:
            hasVideo = true
            return true
        case .audioConfiguration, .programTime, .ended: return true
        case .frame(let frame):
            guard isWritable else { return false }
            if frame.codec == .h264, frame.isKeyframe { needsKeyframe = false }
            return !needsKeyframe || !hasVideo
        }
    }
}
