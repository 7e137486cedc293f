// One transport of one participant: it publishes or it subscribes.

import Control
import Media
import RTC

/// A session; confined to its shard's thread.
final class Session {
    /// Whose packets an SSRC carries.
    struct Source {
        let ssrc: UInt32
        let producer: Producer
        let layer: Layer
        let isRTX: Bool
    }

    /// The SSRC that our reports carry; receivers need no more than a number.
    static let reporterSSRC: UInt32 = 1

    let id: String, participant: String
    let isPublisher: Bool
    unowned let room: Room
    let transport: PeerTransport
    /// Since when its transport could have come up; nil while there is nothing to connect for.
    var waitsSince: MonotonicTime?
    var isConnected = false
    /// Whether a path to the peer has consent; what is for one without is dropped.
    var hasConsent = false
    /// What the peer's transport was called last; another name on the same certificate is a restart of ICE.
    var remote: (ufrag: String, fingerprint: DTLSFingerprint)?
    /// What it was called before its last restart by a fragment.
    var remoteBefore: String?
    /// Names of ours that are still answered for a moment.
    var formerUfrags: [(ufrag: String, until: MonotonicTime)] = []
    var pathVersion: UInt32 = 0
    var producers: [Producer] = [], consumers: [Consumer] = []
    /// What was recovered of tracks that it has no more.
    private var formerlyRecovered: UInt64 = 0
    /// The session of the same participant whose tracks this one takes over, until it has; and since when it stands.
    var replaces: String?, takesOverSince: MonotonicTime?
    var sources: [Source] = []
    /// What SSRCs carried whose track has ended: browsers name a layer in its packets only until its first report, and go on
    /// with the same SSRC when the track is sent again.
    private var remembered: [(ssrc: UInt32, mid: String, layer: [UInt8], isRTX: Bool)] = []
    /// Whether a subscriber gets every voice, and not only the loudest.
    var hearsEverybody = false
    /// Whether it gets what its line carries.
    ///
    /// The compositor is on this machine: where that is short of time, no line is thin.
    var followsLine: Bool { !hearsEverybody }
    /// Whether its peer has said to have H.264 and no VP8, which all others have.
    var lacksVP8 = false
    /// What a viewer watches, who has made the offer; nil for people in the room.
    var watches: WatchedSource?
    /// A viewer's seats by section; nil for sections that get nothing.
    var seats: [ViewerSeat?] = []
    /// What a subscriber has said that it shows, by track; the whole of what is not named.
    var sizes: [String: LayerSize] = [:]
    var addresses: [NetworkAddress] = []
    /// The last round trip to a publisher; nil while they have answered nothing.
    var roundTripMs: Int64?
    /// What Studio has written of it.
    var note: String?
    /// How much is taken of it.
    var intake = IntakeLimit()
    /// How the publisher's clock lies to ours: one for audio and video, so that they stay in sync.
    var captureClock = CaptureClock()
    /// What a publisher is told of the way of its packets.
    var uplink = Uplink()
    /// How long whoever watches a publisher is to wait for what its line loses.
    var lateness = PlayoutWait()
    /// Whether something leaves to it by and by.
    var isPacing = false
    /// What tracks to a subscriber are called.
    var names = SSRCNames()
    /// The way to a subscriber.
    let downlink = Downlink()
    /// What was told of layers that the line has no room for.
    var limits = ToldLimits()
    /// A subscriber's sections, and what each carries now.
    var sections: [(kind: MediaSection.Kind, consumer: Consumer?)] = []
    var version: UInt64 = 0
    var offerIsOpen = false, offerIsStale = false, hasRemote = false

    init(
        id: String, participant: String, isPublisher: Bool, room: Room, transport: PeerTransport
    ) {
        self.id = id
        self.participant = participant
        self.isPublisher = isPublisher
        self.room = room
        self.transport = transport
    }

    /// Which layer a packet belongs to: by SSRC, else by rid and mid, else by its payload type where only one track has it.
    @inline(__always)
    func source(of header: RTPHeader, in bytes: UnsafeRawBufferPointer) -> Source? {
        for source in sources where source.ssrc == header.ssrc { return source }
        return learn(header, bytes)
    }

    private func learn(_ header: RTPHeader, _ bytes: UnsafeRawBufferPointer) -> Source? {
        // Chrome probes with SSRC 0 before it sends media.
        guard sources.count < 64, header.ssrc != 0 else { return nil }
        func has(_ id: UInt8?, _ value: some Sequence<UInt8>) -> Bool {
            guard let id, let range = header.range(ofExtension: id, in: bytes) else { return false }
            return bytes[range].elementsEqual(value)
        }
        let byType = producers.filter {
            $0.payloadType == header.payloadType || $0.rtxPayloadType == header.payloadType
        }
        if let known = remembered.first(where: { $0.ssrc == header.ssrc }),
            let found = byType.first(where: { $0.mid == known.mid && $0.hasLayers }),
            let layer = found.layers.first(where: { $0.name == known.layer }),
            known.isRTX == (header.payloadType == found.rtxPayloadType)
        {
            return add(header.ssrc, found, layer, isRTX: known.isRTX)
        }
        let named = byType.filter { has($0.midExtension, $0.mid.utf8) }
        guard let found = named.first ?? (byType.count == 1 ? byType.first : nil) else { return nil }
        let isRTX = header.payloadType == found.rtxPayloadType
        let id = isRTX ? found.repairedRidExtension : found.ridExtension
        // A layer is known by its name alone (RFC 8852): one that has none here is not guessed.
        guard let layer = found.hasLayers ? found.layers.first(where: { has(id, $0.name) }) : found.layers[0] else {
            return nil
        }
        return add(header.ssrc, found, layer, isRTX: isRTX)
    }

    private func add(_ ssrc: UInt32, _ producer: Producer, _ layer: Layer, isRTX: Bool) -> Source? {
        if !isRTX {
            // A second source in a running layer would tear its sequence numbers apart.
            guard layer.statistics.received == 0 else { return nil }
            layer.ssrc = ssrc
        }
        let source = Source(ssrc: ssrc, producer: producer, layer: layer, isRTX: isRTX)
        sources.append(source)
        return source
    }

    /// Lets go of all that knows the session in turn: nothing else ends the two.
    func letGo() {
        consumers = []
        sections = []
        seats = []
    }

    /// Packets of all its tracks that came after they had been asked for, also of those that have ended.
    var recovered: UInt64 { producers.reduce(formerlyRecovered) { $0 &+ $1.recovered } }

    /// Takes a track out; what its SSRCs carried is remembered.
    func forget(_ producer: Producer) {
        if producers.contains(where: { $0 === producer }) { formerlyRecovered &+= producer.recovered }
        producers.removeAll { $0 === producer }
        for source in sources where source.producer === producer && producer.hasLayers {
            remembered.removeAll { $0.ssrc == source.ssrc }
            if remembered.count == 64 { remembered.removeFirst() }
            remembered.append((source.ssrc, producer.mid, source.layer.name, source.isRTX))
        }
        sources.removeAll { $0.producer === producer }
    }
}

/// A room: who is in it.
final class Room {
    let id: String
    var sessions: [Session] = []
    var voices: LoudestVoices
    var dominant = DominantSpeaker()
    /// Whose picture comes before the others' where a line is thin: who has the floor.
    var speaker: String? { dominant.current?.participant }

    /// - Parameter loudest: how many voices are sent to who does not hear everybody; 0 for all.
    init(id: String, loudest: Int = 0) {
        self.id = id
        voices = LoudestVoices(limit: loudest)
    }
}
