// A shard's state and the way of packets through it.

import Control
import Media
import PacketIO
import RTC

/// A command with the one who waits for its reply.
struct ShardMessage: Sendable {
    var command: SFUCommand
    var reply: @Sendable (Result<SFUReply, SFUError>) -> Void
}

/// A shard's state; everything in it is confined to the loop's thread.
final class ShardCore: PacketHandler {
    static let tickMs: Int64 = 20

    let socket: UDPSocket
    let identity: DTLSIdentity
    let configuration: ShardConfiguration
    let candidates: [ICECandidate]
    let onEvent: @Sendable (SFUEvent) -> Void
    var rooms: [String: Room] = [:]
    var sessions: [String: Session] = [:]
    var byUfrag: [String: Session] = [:], byAddress: [NetworkAddress: Session] = [:]
    /// Subscribers to whom something leaves by and by.
    var pacing: [Session] = []
    let padding = PaddingBytes()
    var drops = DropCounters()
    var counters = SFUStatistics()
    /// How long packets are here; counted when their batch has left.
    var latency = ForwardingLatency(), receivedAt: MonotonicTime?, toldForwarded: UInt64 = 0
    private let wallNanoseconds: Int64, startedAt: MonotonicTime
    private var nextTick: MonotonicTime?, lastReports: MonotonicTime?

    init(
        socket: UDPSocket, identity: DTLSIdentity, configuration: ShardConfiguration,
        onEvent: @escaping @Sendable (SFUEvent) -> Void
    ) {
        self.socket = socket
        self.identity = identity
        self.configuration = configuration
        self.onEvent = onEvent
        startedAt = SystemClock.monotonic()
        wallNanoseconds = SystemClock.wallMilliseconds() * 1_000_000
        candidates = Self.candidates(configuration, port: socket.address.port)
    }

    /// Nanoseconds since the Unix epoch, on the shard's one time base.
    func unixNanoseconds(_ now: MonotonicTime) -> Int64 { wallNanoseconds &+ now.nanoseconds(since: startedAt) }

    func receive(_ datagram: UnsafeMutableRawBufferPointer, from source: NetworkAddress, now: MonotonicTime) {
        counters.packetsIn &+= 1
        receivedAt = now
        let view = UnsafeRawBufferPointer(datagram)
        guard let session = session(for: view, from: source) else { return }
        let arrived = socket.arrivedAt ?? now, told = configuration.maximumPublisherBitrate
        guard session.takes(view, told: told, now: arrived) else { return drops.count(.tooMuch) }
        switch session.transport.receive(datagram, from: source, now: now) {
        case .handled: settle(session, now: now)
        case .rtp(let header, let length, _):
            guard session.isPublisher else { return drops.count(.unknownSource) }
            // What waited for its turn here was not under way.
            session.uplink.note(header, in: view, now: socket.arrivedAt ?? now)
            media(session, UnsafeRawBufferPointer(rebasing: view[..<length]), header, now: now)
        case .rtcp(let packets):
            if packets.isEmpty { drops.count(.unknownRTCP) }
            for packet in packets { control(session, packet, now: now) }
            send(session)
        case .dropped(let reason):
            drops.count(reason)
            send(session)
        }
    }

    private func session(for datagram: UnsafeRawBufferPointer, from source: NetworkAddress) -> Session? {
        switch DatagramKind(datagram) {
        case .unknown:
            drops.count(.noise)
            return nil
        case .stun:
            guard let message = try? STUNMessage(datagram) else {
                drops.count(.malformedSTUN)
                return nil
            }
            guard let username = message.username, let end = username.firstIndex(of: UInt8(ascii: ":")),
                let session = byUfrag[String(decoding: username[..<end], as: UTF8.self)]
            else {
                drops.count(.unauthenticatedSTUN)
                return nil
            }
            return session
        default:
            guard let session = byAddress[source] else {
                drops.count(.unknownPeer)
                return nil
            }
            return session
        }
    }

    /// Sends what a session's transport has queued.
    func send(_ session: Session) {
        for (target, bytes) in session.transport.takeOutgoing() { socket.send(bytes, to: target) }
        let unsent = session.transport.takeUnsent()
        if unsent > 0 { drops.count(.queueFull, unsent) }
    }

    /// Follows a transport's state after STUN or DTLS.
    func settle(_ session: Session, now: MonotonicTime) {
        send(session)
        if session.transport.pathVersion != session.pathVersion {
            session.pathVersion = session.transport.pathVersion
            let addresses = session.transport.validatedAddresses
            for address in session.addresses where byAddress[address] === session { byAddress[address] = nil }
            // Whose media goes there keeps it: a check can be sent in somebody else's name, by who has a session of their own.
            for address in addresses where byAddress[address].map({ $0.transport.selected != address }) ?? true {
                byAddress[address] = session
            }
            endStreams(of: session, but: addresses)
            session.addresses = addresses
        }
        switch session.transport.state {
        case .connected where !session.isConnected:
            session.isConnected = true
            session.hasConsent = session.transport.selected != nil
            onEvent(.connected(room: session.room.id, participant: session.participant, session: session.id))
            announce(session, now: now)
            for consumer in session.consumers where consumer.isAccepted { begin(consumer, now: now) }
            send(session)
        case .connected where session.hasConsent != (session.transport.selected != nil):
            followConsent(of: session, now: now)
        case .closed: remove(session, reason: session.transport.closeReason, now: now)
        default: break
        }
    }

    // MARK: - Media

    func media(_ session: Session, _ packet: UnsafeRawBufferPointer, _ original: RTPHeader, now: MonotonicTime) {
        guard let source = session.source(of: original, in: packet) else {
            return drops.count(.unknownSource)
        }
        let producer = source.producer, layer = source.layer
        guard let payload = original.payload(in: packet, length: packet.count) else {
            return drops.count(.malformedRTP)
        }
        var header = original
        var offset = payload.lowerBound, length = payload.count
        if source.isRTX {
            // The original sequence number stands before the payload (RFC 4588 section 4); without one it is a probe.
            guard length >= 2, let ssrc = layer.ssrc else { return drops.count(.padding) }
            header.sequenceNumber = UInt16(packet[offset]) << 8 | UInt16(packet[offset + 1])
            header.ssrc = ssrc
            header.payloadType = producer.payloadType
            offset += 2
            length -= 2
        } else if header.payloadType != producer.payloadType {
            return drops.count(.unknownSource)
        }
        var entry = PacketStore.Entry()
        entry.sequence = layer.sequence.unwrap(header.sequenceNumber)
        entry.header = header
        entry.payloadOffset = offset
        entry.payloadLength = length
        entry.arrival = now.nanoseconds
        if producer.isVideo, !header.marker { entry.padding = EqualSizes.padding(of: length, behind: offset) }
        layer.lastPacket = now
        layer.measured.bytes &+= UInt64(length)
        if producer.tellsCapture {
            entry.capture = layer.captureTime(
                of: header, in: packet, id: producer.extensions.capture, session.captureClock,
                at: unixNanoseconds(now))
        }
        let dependency = producer.extensions.dependency
        if dependency != 0, let range = header.range(ofExtension: dependency, in: packet),
            !layer.noteFrame(UnsafeRawBufferPointer(rebasing: packet[range]), &entry)
        {
            counters.descriptorsRefused &+= 1
        }
        producer.table.note(layer.index, sequence: entry.sequence)
        if !source.isRTX {
            layer.statistics.note(sequence: entry.sequence, timestamp: header.timestamp, now: now)
            producer.table.note(layer.index, now: now)
        }
        if producer.isVideo {
            if !layer.nack.note(entry.sequence, now: now) { requestKeyframe(producer, layer, now: now) }
            if length > 0 {
                read(UnsafeRawBufferPointer(rebasing: packet[offset..<offset + length]), source, &entry, now: now)
            }
        }
        guard length > 0 else {
            // Stored like any other, so that the same number is not skipped twice.
            if layer.store.insert(packet, entry) {
                for consumer in producer.consumers where consumer.replay == nil {
                    consumer.skip(entry.sequence, of: layer.index)
                }
            }
            return drops.count(.padding)
        }
        guard layer.store.insert(packet, entry) else { return drops.count(.replayed) }
        if producer.isVideo, !producer.track.isMuted { layer.group.note(entry, now: now) }
        layer.rate.note(packet.count + 40, at: now.nanoseconds)
        if entry.place.isLayered { producer.spatial?.carry(packet.count + 40, of: entry.place.spatial, now: now) }
        if entry.startsKeyframe { layer.hasKeyframe(entry) }
        if producer.replaces != nil { takeOver(producer, entry, layer, now: now) }
        guard !producer.track.isMuted else { return drops.count(.muted) }
        if producer.consumers.isEmpty {
            drops.count(.noSubscriber)
        } else if let voice = producer.voice {
            forward(voice: voice, entry, layer, producer, packet, now: now)
        } else {
            for consumer in producer.consumers { forward(entry, layer, to: consumer, now: now) }
        }
        send(session)
    }

    /// Reads what a payload says of its picture.
    @inline(__always)
    private func read(
        _ payload: UnsafeRawBufferPointer, _ source: Session.Source, _ entry: inout PacketStore.Entry,
        now: MonotonicTime
    ) {
        guard let picture = VideoPayload(payload, codec: source.producer.codec) else { return }
        entry.startsKeyframe = picture.startsKeyframe
        entry.indices = picture.indices
        if let size = picture.size { source.producer.table.note(source.layer.index, size: size) }
        guard picture.place.isLayered || source.producer.spatial != nil else { return }
        entry.place = picture.place
        source.producer.noteLayers(picture, payload, isRepeat: source.isRTX, now: now)
    }

    // MARK: - Time

    func handleTimeout(now: MonotonicTime) -> MonotonicTime? {
        guard !sessions.isEmpty else {
            nextTick = nil
            return nil
        }
        let paced = sendPaced(now: now)
        if let due = nextTick, now < due { return paced.map { min($0, due) } ?? due }
        let next = now.advanced(byMilliseconds: Self.tickMs)
        nextTick = next
        let reports = lastReports.map { now.milliseconds(since: $0) >= 1000 } ?? true
        if reports { lastReports = now }
        decideSpeakers(now: now)
        for session in Array(sessions.values) {
            session.transport.handleTimeout(now: now)
            if !session.formerUfrags.isEmpty { forgetNames(of: session, until: now) }
            // A subscriber alone in its room waits for nothing yet; from the first offer on it has to answer.
            if session.waitsSince == nil, session.hasRemote || session.offerIsOpen { session.waitsSince = now }
            if !session.isConnected, let since = session.waitsSince,
                now.milliseconds(since: since) > configuration.connectTimeoutMs
            {
                session.transport.close("the transport did not come up in time")
            }
            settle(session, now: now)
            guard session.isConnected, sessions[session.id] != nil else { continue }
            if reports { measure(session, now: now) }
            if session.isPublisher {
                tickPublisher(session, reports: reports, now: now)
                followTakeOver(session, now: now)
            }
            if !session.isPublisher {
                adapt(session, now: now)
                replayGroups(to: session, now: now)
                if reports { report(session, now: now) }
            }
            send(session)
        }
        return sendPaced(now: now).map { min($0, next) } ?? next
    }

    private func tickPublisher(_ session: Session, reports: Bool, now: MonotonicTime) {
        // Each for itself: together they may be more than a datagram holds, and then the reports would be lost as well.
        for told in session.uplink.due(session, now: now) { session.transport.send([told]) }
        var packets: [RTCPPacket] = []
        if reports {
            let blocks = session.producers.flatMap(\.layers).compactMap { layer -> RTCPReportBlock? in
                let block = layer.ssrc.flatMap { layer.statistics.report(ssrc: $0, now: now) }
                layer.measured.fractionLost = block?.fractionLost ?? 0
                return block
            }
            session.followLateness(now: now)
            packets.append(.receiverReport(.init(ssrc: Session.reporterSSRC, blocks: blocks)))
            packets.append(askRoundTrip(now: now))
            let video = session.producers.filter(\.isVideo).flatMap(\.layers).compactMap(\.ssrc)
            if !video.isEmpty {
                packets.append(
                    .bitrateEstimate(
                        .init(
                            sender: Session.reporterSSRC, bitsPerSecond: UInt64(configuration.maximumPublisherBitrate),
                            sources: video)))
            }
        }
        for producer in session.producers {
            if reports, producer.isAnnounced, producer.takeChange() {
                onEvent(.changed(room: session.room.id, track: producer.track))
            }
            producer.look(now: now)
            if let told = producer.told(isDue: reports, configuration, now: now) { packets.append(told) }
            for layer in producer.layers {
                if layer.wantsKeyframe { requestKeyframe(producer, layer, now: now) }
                if let asked = producer.askAgain(layer, now: now) { packets.append(asked) }
            }
        }
        session.transport.send(packets)
    }

    private func report(_ session: Session, now: MonotonicTime) {
        let unix = unixNanoseconds(now)
        for consumer in session.consumers where consumer.isAccepted {
            guard let report = consumer.senderReport(at: unix, now: now) else { continue }
            let name = RTCPSourceDescription.Chunk(ssrc: consumer.ssrc, cname: consumer.producer.session.participant)
            session.transport.send([.senderReport(report), .sourceDescription(.init(chunks: [name]))])
        }
    }

    func stop(_ unread: [ShardMessage]) {
        for message in unread { message.reply(.failure(SFUError(.stopped, "The media server is stopping."))) }
        for session in sessions.values {
            session.transport.close("the media server is stopping")
            send(session)
        }
    }
}
