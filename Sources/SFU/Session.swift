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
    var producers: [Producer] = [], consumers: [Consumer] = []
    var sources: [Source] = []
    /// What a subscriber has said that it shows, by track; the whole of what is not named.
    var sizes: [String: LayerSize] = [:]
    var addresses: [NetworkAddress] = []
    /// How the publisher's clock lies to ours: one for audio and video, so that they stay in sync.
    var captureClock = CaptureClock()
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
        let named = byType.filter { has($0.midExtension, $0.mid.utf8) }
        guard let found = named.first ?? (byType.count == 1 ? byType.first : nil) else { return nil }
        let isRTX = header.payloadType == found.rtxPayloadType
        let id = isRTX ? found.repairedRidExtension : found.ridExtension
        // A layer is known by its name alone (RFC 8852): one that has none here is not guessed.
        guard let layer = found.hasLayers ? found.layers.first(where: { has(id, $0.name) }) : found.layers[0] else {
            return nil
        }
        if !isRTX {
            // A second source in a running layer would tear its sequence numbers apart.
            guard layer.statistics.received == 0 else { return nil }
            layer.ssrc = header.ssrc
        }
        let source = Source(ssrc: header.ssrc, producer: found, layer: layer, isRTX: isRTX)
        sources.append(source)
        return source
    }
}

/// A room: who is in it.
final class Room {
    let id: String
    var sessions: [Session] = []
    init(id: String) { self.id = id }
}
