// One transport of one participant: it publishes or it subscribes.

import Media
import RTC

/// A session; confined to its shard's thread.
final class Session {
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
    var sources: [(ssrc: UInt32, producer: Producer, isRTX: Bool)] = []
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

    /// Which track a packet belongs to: by SSRC, else by mid, else by its payload type where only one track has it.
    @inline(__always)
    func producer(for header: RTPHeader, in bytes: UnsafeRawBufferPointer) -> (producer: Producer, isRTX: Bool)? {
        for source in sources where source.ssrc == header.ssrc { return (source.producer, source.isRTX) }
        return learn(header, bytes)
    }

    private func learn(_ header: RTPHeader, _ bytes: UnsafeRawBufferPointer) -> (producer: Producer, isRTX: Bool)? {
        // Chrome probes with SSRC 0 before it sends media.
        guard sources.count < 64, header.ssrc != 0 else { return nil }
        var found: Producer?
        for producer in producers {
            guard let id = producer.midExtension, let range = header.range(ofExtension: id, in: bytes),
                bytes[range].elementsEqual(producer.mid.utf8)
            else { continue }
            found = producer
        }
        let byType = producers.filter {
            $0.payloadType == header.payloadType || $0.rtxPayloadType == header.payloadType
        }
        if found == nil, byType.count == 1 { found = byType.first }
        guard let found, byType.contains(where: { $0 === found }) else { return nil }
        let isRTX = header.payloadType == found.rtxPayloadType
        if !isRTX {
            // A second source in a running track would tear its sequence numbers apart.
            guard found.statistics.received == 0 else { return nil }
            found.ssrc = header.ssrc
        }
        sources.append((header.ssrc, found, isRTX))
        return (found, isRTX)
    }
}

/// A room: who is in it.
final class Room {
    let id: String
    var sessions: [Session] = []
    init(id: String) { self.id = id }
}
