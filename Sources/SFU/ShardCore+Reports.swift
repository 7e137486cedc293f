// What is said of single connections: read off what is there, on the shard's thread, without a word to the packet path.

import Control
import Media
import RTC

extension ShardCore {
    /// Takes note of what a subscriber says of its streams.
    func note(_ report: RTCPReceiverReport, of session: Session) {
        for block in report.blocks {
            guard let consumer = session.consumers.first(where: { $0.ssrc == block.ssrc }) else { continue }
            consumer.measured.fractionLost = block.fractionLost
            consumer.measured.jitter = block.jitter
        }
    }

    /// Turns what was counted into rates; called each second.
    func measure(_ session: Session, now: MonotonicTime) {
        for producer in session.producers {
            for layer in producer.layers { layer.measured.measure(now: now) }
            for layer in 0..<(producer.spatial?.count ?? 0) { producer.spatial?.measured[layer].measure(now: now) }
        }
        for consumer in session.consumers { consumer.measured.measure(now: now) }
    }

    /// Tells how long packets of this batch have been here.
    func flushed() {
        let count = counters.packetsForwarded &- toldForwarded
        // What a timer or a command has sent was here for no time that could be told.
        toldForwarded = counters.packetsForwarded
        guard count > 0, let received = receivedAt else { return }
        receivedAt = nil
        latency.note(count, nanoseconds: SystemClock.monotonic().nanoseconds(since: received))
    }

    /// The connections of a room: of everybody in short, or of one participant with their tracks.
    func connections(_ room: Room, of participant: String?) -> [ConnectionReport] {
        room.sessions.filter { participant == nil || $0.participant == participant }
            .map { report($0, withTracks: participant != nil) }
    }

    private func report(_ session: Session, withTracks: Bool) -> ConnectionReport {
        var report = ConnectionReport(
            session: session.id, participant: session.participant,
            direction: session.isPublisher ? .publishes : .receives,
            state: !session.isConnected ? .connecting : session.hasConsent ? .connected : .away)
        if let selected = session.transport.selected {
            report.path = .init(
                transport: selected.transport == .tcp ? "tcp" : "udp", family: selected.isIPv4 ? "ipv4" : "ipv6",
                address: selected.by(.udp).description, paths: session.transport.validatedAddresses.count,
                moves: session.transport.pathMoves)
        }
        report.protection = session.transport.sender.map(\.profile.name)
        if !session.isPublisher { report.capacity = session.downlink.bitrate }
        report.roundTripMs = session.roundTripMs ?? session.downlink.roundTripMs
        for producer in session.producers {
            for layer in producer.layers {
                report.bitrateIn += layer.measured.bitrate
                report.loss = max(report.loss, layer.measured.loss)
            }
        }
        for consumer in session.consumers {
            report.bitrateOut += consumer.measured.bitrate
            report.loss = max(report.loss, consumer.measured.loss)
        }
        if withTracks { report.tracks = session.producers.map(Self.track) + session.consumers.map(Self.track) }
        return report
    }

    private static func track(_ producer: Producer) -> ConnectionReport.Track {
        let layers = producer.layers, measured = layers.map(\.measured)
        return .init(
            id: producer.track.id, participant: producer.track.participant, codec: producer.codec,
            isFlowing: !producer.track.isMuted, bitrate: measured.reduce(0) { $0 + $1.bitrate },
            loss: measured.map(\.loss).max() ?? 0,
            jitterMs: layers.map { $0.statistics.jitter * 1000 / Double(max(1, producer.clockRate)) }.max() ?? 0,
            nacks: measured.reduce(0) { $0 &+ $1.nacks }, retransmissions: producer.recovered,
            keyframeRequests: measured.reduce(0) { $0 &+ $1.keyframeRequests },
            layers: spatial(producer)
                ?? layers.map { layer in
                    let facts = producer.table.facts[layer.index]
                    return .init(
                        name: producer.hasLayers ? String(decoding: layer.name, as: UTF8.self) : nil,
                        isActive: producer.table.isActive(layer.index), width: facts.size?.width,
                        height: facts.size?.height, bitrate: layer.measured.bitrate)
                })
    }

    private static func track(_ consumer: Consumer) -> ConnectionReport.Track {
        let producer = consumer.producer, measured = consumer.measured
        return .init(
            id: producer.track.id, participant: producer.track.participant, codec: producer.codec,
            isFlowing: consumer.isAccepted && consumer.forwarder.current != nil && !producer.track.isMuted,
            bitrate: measured.bitrate, loss: measured.loss,
            jitterMs: measured.jitterMs(clockRate: producer.clockRate), nacks: measured.nacks,
            retransmissions: measured.retransmissions, keyframeRequests: measured.keyframeRequests,
            layer: consumer.shownLayer, limit: consumer.grant.limit)
    }

    /// The layers within one stream, by their numbers; nil where there are none.
    private static func spatial(_ producer: Producer) -> [ConnectionReport.Layer]? {
        guard let layers = producer.spatial, layers.count > 1 else { return nil }
        return (0..<layers.count).map { layer in
            let size = layers.table.facts[layer].size
            return .init(
                name: String(layer), isActive: layers.table.isActive(layer), width: size?.width, height: size?.height,
                bitrate: layers.measured[layer].bitrate)
        }
    }
}
