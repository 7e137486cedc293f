// A published track on its shard: its layers, and who gets it.

import Control
import Media
import RTC

/// A published track; confined to its shard's thread.
final class Producer {
    /// How often it is looked whether a subscriber needs another layer.
    static let lookIntervalMs: Int64 = 100

    var track: TrackInfo
    /// Who gets it.
    var audience: TrackAudience
    let mid: String
    let isVideo: Bool
    /// How the publisher sends it.
    let media: MediaSection.Codec
    let codec: Media.Codec
    let payloadType: UInt8, rtxPayloadType: UInt8?
    let midExtension: UInt8?, ridExtension: UInt8?, repairedRidExtension: UInt8?
    let extensions: ExtensionIDs
    let clockRate: Int
    let cname: String
    /// One, or those that the answer has taken.
    let layers: [Layer]
    var table: LayerTable
    /// The layers within its one stream; nil while no packet names any.
    var spatial: SpatialLayers?
    unowned let session: Session
    /// What it says, where it is a microphone.
    var voice: Voice?
    /// The track whose place it takes, until its session has taken over.
    var replaces: Producer?
    /// Whether nothing came of it any more at the last look of the session that takes over from it.
    var hasStopped = false
    /// Whether somebody has agreed to be told when things were captured.
    var tellsCapture = false
    var isAnnounced = false
    /// Whether its packets have named another number of layers since that was told.
    var hasChanged = false
    var consumers: [Consumer] = []
    /// Whether a picture of the program is to be made.
    var demand = Demand()
    private var lastLook: MonotonicTime?

    init(
        track: TrackInfo, audience: TrackAudience, section: MediaSection, media: MediaSection.Codec,
        rtx: MediaSection.Codec?, session: Session
    ) {
        self.track = track
        self.audience = audience
        self.session = session
        let isVideo = track.source.isVideo
        self.isVideo = isVideo
        mid = section.mid
        self.media = media
        codec = media.carried ?? (isVideo ? .vp8 : .opus)
        payloadType = media.payloadType
        rtxPayloadType = rtx?.payloadType
        midExtension = section.extensionID(RTPExtensionURI.mid)
        ridExtension = section.extensionID(RTPExtensionURI.rid)
        repairedRidExtension = section.extensionID(RTPExtensionURI.repairedRid)
        extensions = ExtensionIDs(section)
        voice = track.source == .microphone ? Voice(participant: track.participant) : nil
        clockRate = media.clockRate
        cname = section.sources.first?.cname ?? ""
        let names = section.acceptedLayers
        layers = (names.isEmpty ? [""] : names).enumerated().map { index, name in
            Layer(name: name, index: index, isVideo: isVideo, clockRate: media.clockRate)
        }
        table = LayerTable(count: layers.count)
        // With layers the description's sources tell nothing of which is which; their packets do.
        if names.isEmpty { layers[0].ssrc = section.sources.first?.ssrc }
    }

    /// What the answer has called its layers; none where there is one stream.
    var layerNames: [String] { hasLayers ? layers.map { String(decoding: $0.name, as: UTF8.self) } : [] }

    /// Whether a section of a later offer is this track: another codec or other layers make another one.
    func goesOn(in section: MediaSection) -> Bool {
        guard let media = section.acceptedCodecs().first else { return true }
        return codec == media.carried && payloadType == media.payloadType && layerNames == section.acceptedLayers
    }

    /// Whether it comes in more than one layer.
    var hasLayers: Bool { layers.count > 1 }

    /// Packets that came after they had been asked for.
    var recovered: UInt64 { layers.reduce(0) { $0 + $1.nack.recovered } }

    /// What a subscriber's wish means here: of a shared screen every letter counts.
    func wish(_ size: LayerSize?) -> LayerWish {
        guard let size else { return .top }
        guard size.isShown else { return .nothing }
        return track.source == .screen ? .top : .fill(PictureSize(width: size.width, height: size.height))
    }

    /// Asks the publisher for a keyframe of a layer, at once or as soon as the throttle allows; returns whether a request went out.
    func requestKeyframe(_ layer: Layer, now: MonotonicTime) -> Bool {
        guard isVideo, !track.isMuted else {
            layer.wantsKeyframe = false
            return false
        }
        layer.wantsKeyframe = true
        guard layer.mayRequestKeyframe(now: now), let ssrc = layer.ssrc, session.transport.state == .connected else {
            return false
        }
        layer.lastKeyframeRequest = now
        session.transport.send([.pictureLoss(.init(sender: Session.reporterSSRC, media: ssrc))])
        return true
    }

    /// Notes the layers of which key frames are needed; while it is held back nobody needs one.
    func look(now: MonotonicTime) {
        guard isVideo, !track.isMuted, lastLook.map({ now.milliseconds(since: $0) >= Self.lookIntervalMs }) ?? true
        else { return }
        lastLook = now
        for layer in layers where hasLayers && !table.isActive(layer.index) { layer.wantsKeyframe = false }
        for consumer in consumers
        where consumer.isAccepted && consumer.session.isConnected && consumer.session.hasConsent {
            if let layer = consumer.forwarder.wanted(table, now: now) { layers[layer].wantsKeyframe = true }
            if consumer.needsLargerLayer(now: now) { layers[0].wantsKeyframe = true }
        }
    }
}
