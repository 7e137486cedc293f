// A published track on its shard: what arrives, what is missing, who gets it.

import Control
import Media
import RTC

/// A published track; confined to its shard's thread.
final class Producer {
    /// Keyframe requests of all subscribers are merged into one per this time.
    static let keyframeIntervalMs: Int64 = 500

    var track: TrackInfo
    /// Who gets it.
    var audience: TrackAudience
    let mid: String
    let isVideo: Bool
    /// How the publisher sends it.
    let media: MediaSection.Codec
    let codec: Media.Codec
    let payloadType: UInt8, rtxPayloadType: UInt8?
    let midExtension: UInt8?
    let extensions: ExtensionIDs
    let clockRate: Int
    let cname: String
    let store: PacketStore
    unowned let session: Session
    var ssrc: UInt32?
    var isAnnounced = false
    var consumers: [Consumer] = []
    var statistics: ReceiveStatistics
    var sequence = SequenceUnwrapper()
    var nack = NackGenerator()
    var reportNTP: Int64?, reportTimestamp: UInt32 = 0
    var lastPacket: MonotonicTime?
    var lastKeyframeRequest: MonotonicTime?
    var wantsKeyframe = false

    init(
        track: TrackInfo, audience: TrackAudience, section: MediaSection, media: MediaSection.Codec,
        rtx: MediaSection.Codec?, session: Session
    ) {
        self.track = track
        self.audience = audience
        self.session = session
        mid = section.mid
        isVideo = track.source.isVideo
        self.media = media
        codec = media.carried ?? (track.source.isVideo ? .vp8 : .opus)
        payloadType = media.payloadType
        rtxPayloadType = rtx?.payloadType
        midExtension = section.extensionID(RTPExtensionURI.mid)
        extensions = ExtensionIDs(section)
        clockRate = media.clockRate
        cname = section.sources.first?.cname ?? ""
        store = PacketStore(capacity: isVideo ? 1024 : 256)
        statistics = ReceiveStatistics(clockRate: media.clockRate)
        ssrc = section.sources.first?.ssrc
    }

    /// Asks the publisher for a keyframe, at once or as soon as the throttle allows; returns whether a request went out.
    func requestKeyframe(now: MonotonicTime) -> Bool {
        guard isVideo else { return false }
        wantsKeyframe = true
        if let last = lastKeyframeRequest, now.milliseconds(since: last) < Self.keyframeIntervalMs { return false }
        guard let ssrc, session.transport.state == .connected else { return false }
        lastKeyframeRequest = now
        session.transport.send([.pictureLoss(.init(sender: Session.reporterSSRC, media: ssrc))])
        return true
    }
}
