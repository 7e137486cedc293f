// One stream of a published track: what arrives, what is missing.

import Media
import RTC

/// A stream of packets, confined to its shard's thread; a track has one, or with simulcast up to three.
final class Layer {
    /// Keyframe requests of all subscribers are merged into one per this time; large layers are asked less often.
    static let keyframeIntervalMs: Int64 = 500, largeKeyframeIntervalMs: Int64 = 1000

    /// Its name in the packets (RFC 8852); empty for the only one.
    let name: [UInt8]
    let index: Int
    let store: PacketStore
    var ssrc: UInt32?
    var statistics: ReceiveStatistics
    var sequence = SequenceUnwrapper()
    var nack = NackGenerator()
    var reportNTP: Int64?, reportTimestamp: UInt32 = 0
    var lastPacket: MonotonicTime?
    var lastKeyframeRequest: MonotonicTime?
    var wantsKeyframe = false
    var measured = Measured()
    var group = GroupOfPictures()

    init(name: String, index: Int, isVideo: Bool, clockRate: Int) {
        self.name = Array(name.utf8)
        self.index = index
        store = PacketStore(capacity: isVideo ? 1024 : 256)
        statistics = ReceiveStatistics(clockRate: clockRate)
    }

    /// Whether a keyframe may be asked for now.
    func mayRequestKeyframe(now: MonotonicTime) -> Bool {
        let interval = index == 0 ? Self.keyframeIntervalMs : Self.largeKeyframeIntervalMs
        return lastKeyframeRequest.map { now.milliseconds(since: $0) >= interval } ?? true
    }
}
