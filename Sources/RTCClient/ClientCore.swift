// A client's state and the way of packets through it.

import Media
import PacketIO
import RTC

enum ClientMessage: Sendable {
    case offer([LocalTrack], stream: String, reply: @Sendable (Result<String, RTCClientError>) -> Void)
    case restart(stream: String, reply: @Sendable (Result<String, RTCClientError>) -> Void)
    case acceptAnswer(String, reply: @Sendable (Result<Void, RTCClientError>) -> Void)
    case acceptOffer(String, reply: @Sendable (Result<String, RTCClientError>) -> Void)
    case send(track: String, layer: String, frame: EncodedFrame, signal: PictureSignal, level: UInt8?)
    case requestKeyframe(track: String)
    case statistics(@Sendable (RTCClientStatistics) -> Void)
    case close
}

/// A client's state; everything in it is confined to the loop's thread.
final class ClientCore: PacketHandler {
    private static let tickMs: Int64 = 20
    /// A program's picture in two codecs, and a mix for each of 64 listeners.
    private static let maximumTracks = 66

    private let socket: UDPSocket
    private let transport: PeerTransport
    private let onEvent: @Sendable (RTCClientEvent) -> Void
    private var loss: LossModel
    private let reach: RTCClientReach, feedsBack: Bool
    private var arrivals = TransportArrivals(), numberExtension: UInt8 = 0
    private var outgoing: [OutgoingTrack] = [], incoming: [IncomingTrack] = []
    private var counters = RTCClientStatistics(), drops = DropCounters()
    /// What the SFU calls its transport; another name is a restart of ICE.
    private var remoteUfrag = ""
    private var hasRemote = false, isConnected = false, isClosed = false
    private var version: UInt64 = 0
    private var nextTick: MonotonicTime?, lastReports: MonotonicTime?
    private let wallNanoseconds: Int64, startedAt: MonotonicTime
    /// The SFU's clock, as it has told it last, and when that was; to be answered with the next reports.
    private var asked: (ssrc: UInt32, reference: UInt32, at: MonotonicTime)?
    /// The moment of the first frame, and its time on the timeline that all tracks share: picture and sound stay together.
    private var anchor: (now: MonotonicTime, mediaNanoseconds: Int64)?

    init(
        socket: UDPSocket, identity: DTLSIdentity, loss: LossModel, reach: RTCClientReach = .any,
        feedsBack: Bool = false, onEvent: @escaping @Sendable (RTCClientEvent) -> Void
    ) {
        self.socket = socket
        self.onEvent = onEvent
        self.loss = loss
        self.reach = reach
        self.feedsBack = feedsBack
        transport = PeerTransport(identity: identity, isServer: false)
        startedAt = SystemClock.monotonic()
        wallNanoseconds = SystemClock.wallMilliseconds() * 1_000_000
    }

    func receive(_ datagram: UnsafeMutableRawBufferPointer, from source: NetworkAddress, now: MonotonicTime) {
        guard datagram.count > 0 else { return drops.count(.noise) }
        switch transport.receive(datagram, from: source, now: now) {
        case .handled: settle(now: now)
        case .rtp(let header, let length, _):
            counters.packetsReceived &+= 1
            guard !loss.loses(loss.incomingPercent) else {
                counters.packetsLostOnPurpose &+= 1
                return
            }
            guard let track = incoming.first(where: { $0.ssrc == header.ssrc || $0.rtxSSRC == header.ssrc }) else {
                return drops.count(.unknownSource)
            }
            let packet = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(datagram)[..<length])
            arrivals.note(header, in: packet, numberedBy: numberExtension, now: now)
            if let reason = track.receive(header, packet, now: now) { drops.count(reason) }
            deliver(track, now: now)
        case .rtcp(let packets):
            for packet in packets { control(packet, now: now) }
            flush()
        case .dropped(let reason):
            drops.count(reason)
            flush()
        }
    }

    func receive(_ message: ClientMessage, now: MonotonicTime) {
        switch message {
        case .offer(let tracks, let stream, let reply): reply(makeOffer(tracks, stream: stream))
        case .restart(let stream, let reply):
            transport.restart(now: now)
            reply(makeOffer([], stream: stream))
        case .acceptAnswer(let text, let reply):
            reply(Self.run { () throws(SDPError) in try accept(answer: text, now: now) })
        case .acceptOffer(let text, let reply):
            reply(Self.run { () throws(SDPError) in try accept(offer: text, now: now) })
        case .send(let name, let layer, let frame, let signal, let level):
            send(name, layer, frame, signal, level, now: now)
        case .requestKeyframe(let id):
            guard let track = incoming.first(where: { $0.track.id == id }) else { return }
            transport.send([.pictureLoss(.init(sender: 1, media: track.ssrc))])
            track.lastKeyframeRequest = now
            flush()
        case .statistics(let reply):
            var result = counters
            result.packetsRecovered = incoming.reduce(0) { $0 + $1.nack.recovered }
            result.roundTripMs = transport.roundTripMs
            result.drops = drops.nonZero
            reply(result)
        case .close:
            transport.close("closed")
            settle(now: now)
        }
    }

    func handleTimeout(now: MonotonicTime) -> MonotonicTime? {
        guard hasRemote, !isClosed else { return nil }
        if let due = nextTick, now < due { return due }
        let next = now.advanced(byMilliseconds: Self.tickMs)
        nextTick = next
        transport.handleTimeout(now: now)
        settle(now: now)
        guard isConnected, !isClosed else { return isClosed ? nil : next }
        for track in incoming {
            deliver(track, now: now)
            let lost = track.nack.due(now: now, roundTripMs: transport.roundTripMs ?? 100)
            if !lost.isEmpty { transport.send([.nack(.init(sender: 1, media: track.ssrc, lost: lost))]) }
            if track.needsKeyframe(now: now) {
                track.lastKeyframeRequest = now
                transport.send([.pictureLoss(.init(sender: 1, media: track.ssrc))])
            }
        }
        if numberExtension != 0, let media = incoming.first?.ssrc {
            let feedback = arrivals.due(sender: 1, media: media, now: now)
            transport.send(feedback.map { .transportFeedback($0) })
        }
        if lastReports.map({ now.milliseconds(since: $0) >= 1000 }) ?? true {
            lastReports = now
            report(now: now)
        }
        flush()
        return next
    }

    func lost(stream: NetworkAddress, now: MonotonicTime) {
        transport.lost(stream, now: now)
        settle(now: now)
    }

    func stop(_ unread: [ClientMessage]) {
        let error = RTCClientError(description: "The client is stopping.")
        for message in unread {
            switch message {
            case .offer(_, _, let reply): reply(.failure(error))
            case .restart(_, let reply): reply(.failure(error))
            case .acceptAnswer(_, let reply): reply(.failure(error))
            case .acceptOffer(_, let reply): reply(.failure(error))
            case .statistics(let reply): reply(counters)
            default: break
            }
        }
        transport.close("closed")
        flush()
    }

    // MARK: - Descriptions

    private static func run<Value>(_ body: () throws(SDPError) -> Value) -> Result<Value, RTCClientError> {
        do throws(SDPError) { return .success(try body()) } catch {
            return .failure(RTCClientError(description: error.description))
        }
    }

    private func makeOffer(_ tracks: [LocalTrack], stream: String) -> Result<String, RTCClientError> {
        guard incoming.isEmpty, tracks.count <= Self.maximumTracks, tracks.allSatisfy({ $0.codec != .aac }) else {
            return .failure(
                RTCClientError(
                    description:
                        "A client publishes up to \(Self.maximumTracks) tracks of VP8, VP9, H.264 and Opus, or it receives."
                ))
        }
        guard tracks.allSatisfy({ $0.layers.count <= Simulcast.maximumLayers }) else {
            return .failure(RTCClientError(description: "A track has up to \(Simulcast.maximumLayers) layers."))
        }
        for track in tracks where !outgoing.contains(where: { $0.track == track }) {
            let mid = String(Set(outgoing.map(\.mid)).count)
            outgoing += (track.layers.isEmpty ? [""] : track.layers).map { OutgoingTrack(track, mid: mid, layer: $0) }
        }
        version += 1
        let local = transport.local(candidates: [])
        var offer = SessionDescription()
        offer.version = version
        offer.media = outgoing.filter { $0.layer == $0.track.layers.first ?? "" }.map { track in
            var (kind, source) = track.section
            source.cname = stream
            var section = MediaSection.offer(
                kind: kind, mid: track.mid, transport: local, stream: stream, track: track.track.name, source: source,
                codecs: MediaSection.offered(track.track.codec))
            if !track.layer.isEmpty { section.send(layers: track.track.layers) }
            return section
        }
        offer.bundle = offer.media.map(\.mid)
        return .success(offer.text())
    }

    private func accept(answer text: String, now: MonotonicTime) throws(SDPError) {
        let answer = try SessionDescription(parsing: text)
        let remote = try answer.remoteTransport()
        for section in answer.media where !section.isRejected && section.direction.receives {
            guard let media = section.acceptedCodecs().first else { continue }
            for track in outgoing where track.mid == section.mid {
                track.payloadType = media.payloadType
                track.rtxPayloadType = section.rtx(for: media.payloadType)?.payloadType
                track.midExtension = section.extensionID(RTPExtensionURI.mid) ?? 0
                track.ridExtension = section.extensionID(RTPExtensionURI.rid) ?? 0
                track.repairedRidExtension = section.extensionID(RTPExtensionURI.repairedRid) ?? 0
                track.signals = OutgoingSignals(section)
                track.isAccepted = track.layer.isEmpty || section.simulcast.receives.contains(track.layer)
            }
        }
        // Who watches has made the offer, and gets tracks by the answer.
        follow(answer)
        connect(remote, role: remote.setup == .active ? .server : .client, now: now)
    }

    private func accept(offer text: String, now: MonotonicTime) throws(SDPError) -> String {
        let offer = try SessionDescription(parsing: text)
        let remote = try offer.remoteTransport()
        guard outgoing.isEmpty else { throw .unsupported("receiving on a connection that publishes") }
        if hasRemote, remote.ufrag != remoteUfrag { transport.restart(now: now) }
        let local = transport.local(candidates: [])
        version += 1
        let answer = offer.answerReceiving(local, from: remote, version: version, feedsBack: feedsBack)
        let told = answer.media.first { !$0.isRejected && $0.hasTransportFeedback }
        numberExtension = told?.extensionID(RTPExtensionURI.transportNumber) ?? 0
        follow(offer)
        connect(remote, role: remote.setup == .active ? .server : .client, now: now)
        return answer.text()
    }

    /// Makes tracks of what an offer sends, and ends those that it does not.
    private func follow(_ offer: SessionDescription) {
        var current: Set<UInt32> = []
        for (index, section) in offer.media.enumerated() where !section.isRejected && section.direction.sends {
            guard let source = section.sources.first, let media = section.acceptedCodecs().first else { continue }
            current.insert(source.ssrc)
            guard !incoming.contains(where: { $0.ssrc == source.ssrc }) else { continue }
            // The SFU writes the codec of the track first.
            let track = RemoteTrack(
                participant: section.stream, id: section.track,
                codec: media.carried ?? (section.kind == .audio ? .opus : .vp8))
            incoming.append(
                IncomingTrack(
                    track: track, section: index, source: source, payloadType: media.payloadType,
                    rtxPayloadType: section.rtx(for: media.payloadType)?.payloadType, signals: PictureSignals(section)))
            onEvent(.track(track))
        }
        for track in incoming where !current.contains(track.ssrc) { onEvent(.trackEnded(track.track)) }
        incoming.removeAll { !current.contains($0.ssrc) }
    }

    private func connect(_ remote: RemoteTransport, role: DTLSEndpoint.Role, now: MonotonicTime) {
        let isRestart = hasRemote && remote.ufrag != remoteUfrag
        guard !hasRemote || isRestart else { return }
        remoteUfrag = remote.ufrag
        hasRemote = true
        var remote = remote
        // A socket of IPv4 can't say an address of IPv6.
        let isFour = socket.address.isIPv4
        remote.candidates.removeAll {
            !reach.includes($0.address.transport) || isFour && !$0.address.isIPv4 && $0.address.transport == .udp
        }
        if isRestart {
            transport.restarted(remote, now: now)
        } else {
            transport.connect(remote, role: role, now: now)
        }
        settle(now: now)
    }

    // MARK: - Media

    private func settle(now: MonotonicTime) {
        flush()
        switch transport.state {
        case .connected where !isConnected:
            isConnected = true
            onEvent(.connected)
        case .closed where !isClosed:
            isClosed = true
            onEvent(.closed(reason: transport.closeReason))
        default: break
        }
    }

    private func flush() { for (target, bytes) in transport.takeOutgoing() { socket.send(bytes, to: target) } }

    private func deliver(_ track: IncomingTrack, now: MonotonicTime) {
        while let frame = track.pop(now: now) {
            counters.framesReceived &+= 1
            onEvent(.frame(track.track, frame))
        }
        let discarded = track.takeDiscarded()
        if discarded != DiscardedPackets() { onEvent(.discarded(track.track, discarded)) }
    }

    private func send(
        _ name: String, _ layer: String, _ frame: EncodedFrame, _ signal: PictureSignal, _ level: UInt8?,
        now: MonotonicTime
    ) {
        guard isConnected, !isClosed, let sender = transport.sender, let target = transport.selected,
            let track = outgoing.first(where: { $0.track.name == name && $0.layer == layer })
        else { return drops.count(.earlyMedia) }
        if anchor == nil, frame.timescale > 0 {
            // The part of a second too: it would be missing from what reports say of the time.
            let (seconds, rest) = frame.pts.quotientAndRemainder(dividingBy: Int64(frame.timescale))
            anchor = (now, seconds &* 1_000_000_000 &+ rest &* 1_000_000_000 / Int64(frame.timescale))
        }
        counters.framesSent &+= 1
        let isVideo = frame.codec != .opus
        track.send(frame, signal, level: level, sender: sender) { self.emit(target, isVideo: isVideo, $0) }
    }

    private func emit(_ target: NetworkAddress, isVideo: Bool, _ seal: (UnsafeMutableRawBufferPointer) -> Int?) {
        guard let length = seal(socket.reserve()) else { return drops.count(.sendBufferFull) }
        counters.packetsSent &+= 1
        guard !loss.loses(loss.outgoingPercent) else {
            counters.packetsLostOnPurpose &+= 1
            return
        }
        socket.commit(length, to: target, isVideo: isVideo)
    }

    private func control(_ packet: RTCPPacket, now: MonotonicTime) {
        switch packet {
        case .senderReport(let report): incoming.first { $0.ssrc == report.ssrc }?.note(report, now: now)
        case .nack(let nack):
            guard let track = outgoing.first(where: { $0.ssrc == nack.media }), let sender = transport.sender,
                let target = transport.selected
            else { return }
            for number in nack.lost {
                let isVideo = track.track.codec != .opus
                if track.resend(number, sender: sender, write: { self.emit(target, isVideo: isVideo, $0) }) {
                    counters.packetsRetransmitted &+= 1
                } else {
                    drops.count(.notStored)
                }
            }
        case .pictureLoss(let loss): keyframe(loss.media)
        case .fullIntraRequest(let request): for entry in request.entries { keyframe(entry.ssrc) }
        case .bitrateLimit(let limit):
            for entry in limit.entries {
                guard let track = outgoing.first(where: { $0.ssrc == entry.ssrc }) else { continue }
                onEvent(.limited(track: track.track.name, bitsPerSecond: entry.bitsPerSecond))
            }
        case .extendedReport(let report):
            if let reference = report.reference { asked = (report.ssrc, NTPTime.middle(reference), now) }
        default: break
        }
    }

    private func keyframe(_ ssrc: UInt32) {
        if let track = outgoing.first(where: { $0.ssrc == ssrc }) {
            onEvent(.keyframeRequested(track: track.track.name))
        }
    }

    private func report(now: MonotonicTime) {
        let unix = wallNanoseconds &+ now.nanoseconds(since: startedAt)
        if let anchor {
            let media = anchor.mediaNanoseconds &+ now.nanoseconds(since: anchor.now)
            for track in outgoing where track.packets > 0 {
                let ticks = media / 1000 * track.clockRate / 1_000_000
                transport.send([
                    .senderReport(
                        .init(
                            ssrc: track.ssrc, ntp: NTPTime.from(unixNanoseconds: unix),
                            rtpTimestamp: track.timestamp(ticks),
                            packets: track.packets, bytes: track.bytes)),
                    .sourceDescription(.init(chunks: [.init(ssrc: track.ssrc, cname: "proscenium")])),
                ])
            }
        }
        if let asked {
            let delay = UInt32(clamping: now.nanoseconds(since: asked.at) / 1000 * 65_536 / 1_000_000)
            transport.send([
                .extendedReport(
                    .init(
                        ssrc: outgoing.first?.ssrc ?? 1,
                        delays: [.init(ssrc: asked.ssrc, reference: asked.reference, delay: delay)]))
            ])
            self.asked = nil
        }
        let blocks = incoming.compactMap { $0.statistics.report(ssrc: $0.ssrc, now: now) }
        if !blocks.isEmpty { transport.send([.receiverReport(.init(ssrc: 1, blocks: blocks))]) }
    }
}
