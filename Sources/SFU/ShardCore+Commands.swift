// What commands do: rooms, sessions, offers and answers.

import Control
import Media
import PacketIO
import RTC

extension ShardCore {
    func receive(_ message: ShardMessage, now: MonotonicTime) {
        do throws(SFUError) {
            message.reply(.success(try run(message.command, now: now)))
        } catch {
            message.reply(.failure(error))
        }
    }

    private func run(_ command: SFUCommand, now: MonotonicTime) throws(SFUError) -> SFUReply {
        switch command {
        case .createRoom(let id):
            try check(name: id, "room")
            guard rooms[id] != nil || rooms.count < configuration.maximumRooms else {
                throw SFUError(.full, "This media server carries \(rooms.count) rooms and takes no more.")
            }
            if rooms[id] == nil { rooms[id] = Room(id: id, loudest: configuration.loudestSpeakers) }
            return .done
        case .closeRoom(let id):
            let room = try room(id)
            for session in room.sessions { remove(session, reason: "the room is closed", now: now) }
            rooms[id] = nil
            return .done
        case .note(let id, let text):
            try note(text, on: try session(id))
            return .done
        case .sessions(let id): return .sessions(sessions(after: id))
        case .closeRooms:
            for room in Array(rooms.values) {
                for session in room.sessions { remove(session, reason: "the room is closed", now: now) }
            }
            rooms.removeAll()
            return .done
        case .publish(
            let room, let participant, let session, let offer, let sources, let audiences, let allowed, let replaced,
            let goesOn):
            if goesOn { _ = try self.session(session) }
            return .answer(
                try publish(
                    self.room(room), participant: participant, id: session, offer: offer, sources: sources,
                    audiences: audiences, allowed: allowed, replacing: replaced, now: now))
        case .subscribe(let room, let participant, let id, let hearsEverybody):
            let session = try makeSession(
                self.room(room), participant: participant, id: id, isPublisher: false)
            session.hearsEverybody = hearsEverybody
            for other in session.room.sessions where other.isPublisher {
                subscribe(session, to: other.producers.filter(\.isAnnounced))
            }
            return .offer(session.sections.isEmpty ? nil : makeOffer(session))
        case .watch(let room, let viewer, let id, let offer, let source):
            return .answer(
                try watch(self.room(room), viewer: viewer, id: id, offer: offer, of: source, now: now))
        case .answer(let id, let answer):
            try take(answer: answer, try session(id), now: now)
            return .done
        case .leave(let id):
            remove(try session(id), reason: "left", now: now)
            return .done
        case .setMuted(let id, let muted):
            setMuted(muted, try producer(id), now: now)
            return .done
        case .requestKeyframe(let id):
            let producer = try producer(id)
            for one in [producer, successor(of: producer)].compactMap(\.self) { requestKeyframe(one, now: now) }
            return .done
        case .setSizes(let id, let sizes):
            try setSizes(sizes, of: try session(id), now: now)
            return .done
        case .restart(let id):
            try restart(subscriber: try session(id), now: now)
            return .done
        case .fragment(let id, let text, let restarts):
            return .fragment(try take(fragment: text, restarts: restarts, try session(id), now: now))
        case .statistics: return .statistics(statistics())
        case .connections(let id, let participant): return .connections(connections(try room(id), of: participant))
        }
    }

    private func statistics() -> SFUStatistics {
        var result = counters
        result.rooms = rooms.count
        result.sessions = sessions.count
        for session in sessions.values {
            result.producers += session.producers.count
            result.consumers += session.consumers.count
            result.consumersWithoutCodec += session.consumers.reduce(0) { $0 + ($1.lacksCodec ? 1 : 0) }
            result.pathMoves += UInt64(session.transport.pathMoves)
            if session.isConnected, !session.hasConsent { result.sessionsAway += 1 }
            if session.watches != nil { result.viewers += 1 }
            result.packetsRecovered += session.producers.reduce(0) { $0 + $1.recovered }
        }
        addAdaptation(to: &result)
        result.sendDropped = socket.statistics.sendDropped
        result.drops = drops.nonZero
        result.latencyCounts = latency.counts
        result.latencyNanoseconds = latency.nanoseconds
        addStreams(to: &result)
        return result
    }

    // MARK: - Finding

    private func room(_ id: String) throws(SFUError) -> Room {
        guard let room = rooms[id] else { throw SFUError(.notFound, "There is no room \(id.prefix(64)) here.") }
        return room
    }

    func session(_ id: String) throws(SFUError) -> Session {
        guard let session = sessions[id] else {
            throw SFUError(.notFound, "There is no session \(id.prefix(64)) here.")
        }
        return session
    }

    private func producer(_ id: String) throws(SFUError) -> Producer {
        for session in sessions.values {
            for producer in session.producers where producer.track.id == id && producer.replaces == nil {
                return producer
            }
        }
        throw SFUError(.notFound, "There is no track \(id.prefix(128)) here.")
    }

    /// Names become parts of session descriptions, so they are kept to what those allow everywhere.
    func check(name: String, _ what: String) throws(SFUError) {
        let isGood = name.utf8.allSatisfy {
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || $0 == UInt8(ascii: "-")
                || $0 == UInt8(ascii: "_")
        }
        guard (1...64).contains(name.utf8.count), isGood else {
            throw SFUError(.badRequest, "The \(what) must have 1 to 64 letters, digits, hyphens and underscores.")
        }
    }

    func makeSession(
        _ room: Room, participant: String, id: String, isPublisher: Bool
    ) throws(SFUError) -> Session {
        try check(name: participant, "participant")
        try check(name: id, "session")
        guard sessions[id] == nil else { throw SFUError(.conflict, "There is a session \(id) already.") }
        guard sessions.count < configuration.maximumSessions else {
            throw SFUError(.full, "This media server carries \(sessions.count) sessions and takes no more.")
        }
        let session = Session(
            id: id, participant: participant, isPublisher: isPublisher, room: room,
            transport: PeerTransport(identity: identity, isServer: true))
        sessions[id] = session
        byUfrag[session.transport.credentials.ufrag] = session
        room.sessions.append(session)
        return session
    }

    /// Reads an offer, and the transport that it describes.
    static func read(
        offer text: String
    ) throws(SFUError) -> (offer: SessionDescription, remote: RemoteTransport) {
        do throws(SDPError) {
            let offer = try SessionDescription(parsing: text)
            return (offer, try offer.remoteTransport())
        } catch {
            throw SFUError(error)
        }
    }

    // MARK: - Publishing

    private func publish(
        _ room: Room, participant: String, id: String, offer text: String, sources: [String: TrackSource],
        audiences: [String: TrackAudience], allowed: Set<TrackSource>?, replacing replaced: String?, now: MonotonicTime
    ) throws(SFUError) -> String {
        let (offer, remote) = try Self.read(offer: text)
        let sending = offer.media.filter { !$0.isRejected && $0.direction.sends && !$0.acceptedCodecs().isEmpty }
        let isProgram = sources.values.contains { !$0.isOfPeople }
        let limit = isProgram ? configuration.maximumProgramTracks : configuration.maximumTracks
        guard sending.count <= limit else { throw SFUError(.badRequest, "A session may publish \(limit) tracks.") }
        guard !sending.isEmpty || sessions[id] != nil else {
            throw SFUError(
                .badRequest,
                "The offer sends nothing that is carried here: VP8, VP9 in profile 0, H.264 in a baseline profile with packetization-mode=1, and Opus."
            )
        }
        if let known = sessions[id], !known.isPublisher || known.participant != participant || known.room !== room {
            throw SFUError(.conflict, "The session \(id) is somebody else's.")
        }
        // One that has ended meanwhile needs nobody in its place.
        let old = sessions[id] == nil ? replaced.flatMap { sessions[$0] } : nil
        if let old {
            guard old.isPublisher, old.participant == participant, old.room === room else {
                throw SFUError(.conflict, "The session \(old.id) is somebody else's.")
            }
            guard old.replaces == nil, heir(of: old) == nil else {
                throw SFUError(.conflict, "One session takes over from another already.")
            }
        }
        let named = Self.sources(of: sending, sources, known: sessions[id]?.producers ?? [])
        if let allowed { try Self.check(named.values, allowed) }
        let session: Session
        if let known = sessions[id] {
            session = known
        } else {
            session = try makeSession(room, participant: participant, id: id, isPublisher: true)
        }
        try takeName(of: remote, session, now: now)
        // Nothing refuses the offer any more. What another session is to take over are the tracks of before.
        if let heir = heir(of: session) { remove(heir, reason: "something else is published", now: now) }
        let local = session.transport.local(candidates: candidates)
        session.version += 1
        var answer = SessionDescription()
        answer.isLite = true
        answer.version = session.version
        answer.media = offer.media.map { $0.answer(local, receives: true) }
        answer.bundle = answer.media.filter { !$0.isRejected }.map(\.mid)
        session.uplink.agree(answer.media)
        let current = Set(sending.map(\.mid))
        for producer in session.producers where !current.contains(producer.mid) { end(producer, now: now) }
        for section in sending {
            // Another codec in the same section, or other layers, is another track: what was sent before does not go on.
            guard let known = session.producers.first(where: { $0.mid == section.mid }), !known.goesOn(in: section)
            else {
                continue
            }
            end(known, now: now)
        }
        for section in sending {
            let audience = audiences[section.mid] ?? .everybody
            if let known = session.producers.first(where: { $0.mid == section.mid }) {
                change(known, to: audience, now: now)
            } else {
                addProducer(section, source: named[section.mid] ?? .camera, audience: audience, to: session)
            }
        }
        if let old { replace(old, by: session) }
        if !session.hasRemote {
            session.hasRemote = true
            session.transport.connect(remote, role: remote.setup == .passive ? .client : .server, now: now)
        }
        settle(session, now: now)
        if session.isConnected { announce(session, now: now) }
        return answer.text()
    }

    private func addProducer(
        _ section: MediaSection, source: TrackSource, audience: TrackAudience, to session: Session
    ) {
        let codecs = section.acceptedCodecs()
        guard let media = codecs.first else { return }
        let track = TrackInfo(
            id: "\(source.rawValue).\(session.id).\(section.mid)", participant: session.participant,
            session: session.id,
            source: source, codec: media.carried, isMuted: false,
            layers: section.acceptedLayers.count > 1 ? section.acceptedLayers.count : nil)
        let producer = Producer(
            track: track, audience: audience, section: section, media: media, rtx: codecs.count > 1 ? codecs[1] : nil,
            session: session)
        session.producers.append(producer)
        if let voice = producer.voice { session.room.voices.add(voice) }
        if let first = section.sources.first, !producer.hasLayers {
            let layer = producer.layers[0]
            session.sources.append(.init(ssrc: first.ssrc, producer: producer, layer: layer, isRTX: false))
            if let rtx = first.rtx {
                session.sources.append(.init(ssrc: rtx, producer: producer, layer: layer, isRTX: true))
            }
        }
    }

    /// What a section carries: what it is said to, else what it calls itself, else what comes first and second of its kind.
    private static func source(of section: MediaSection, isFirst: Bool, _ named: [String: TrackSource]) -> TrackSource {
        let isVideo = section.kind == .video
        if let source = named[section.mid], source.isVideo == isVideo { return source }
        // What a description calls itself is no proof that it is the program: only a command says that.
        if let source = TrackSource(rawValue: section.track), source.isVideo == isVideo, source.isOfPeople {
            return source
        }
        return isVideo ? (isFirst ? .camera : .screen) : (isFirst ? .microphone : .screenAudio)
    }

    /// What each section carries, by mid: what goes on stays what it is.
    private static func sources(
        of sending: [MediaSection], _ named: [String: TrackSource], known: [Producer]
    ) -> [String: TrackSource] {
        let staying = known.filter { producer in
            sending.contains { $0.mid == producer.mid && producer.goesOn(in: $0) }
        }
        var sources = Dictionary(staying.map { ($0.mid, $0.track.source) }) { first, _ in first }
        var seen = Set(staying.map(\.isVideo))
        for section in sending where sources[section.mid] == nil {
            let isFirst = seen.insert(section.kind == .video).inserted
            sources[section.mid] = source(of: section, isFirst: isFirst, named)
        }
        return sources
    }

    /// Refuses an offer that sends what its participant may not send.
    private static func check(_ sources: some Sequence<TrackSource>, _ allowed: Set<TrackSource>) throws(SFUError) {
        for source in sources where !allowed.contains(source) {
            throw SFUError(.forbidden, "Your invitation does not let you send your \(source.title).")
        }
    }

    /// Tells everybody of tracks whose transport is up.
    func announce(_ session: Session, now: MonotonicTime) {
        let fresh = session.producers.filter { !$0.isAnnounced && $0.replaces == nil }
        guard !fresh.isEmpty else { return }
        for producer in fresh {
            producer.isAnnounced = true
            onEvent(.published(room: session.room.id, track: producer.track))
        }
        for other in session.room.sessions where !other.isPublisher {
            guard other.watches == nil else {
                seat(other, to: fresh, now: now)
                continue
            }
            let before = other.consumers.count
            subscribe(other, to: fresh)
            if other.consumers.count > before { renew(other) }
        }
    }

    private func end(_ producer: Producer, now: MonotonicTime) {
        guard !endsTakingOver(producer, now: now) else { return }
        let session = producer.session
        session.forget(producer)
        if let voice = producer.voice { session.room.voices.remove(voice) }
        let consumers = producer.consumers
        producer.consumers = []
        for consumer in consumers { detach(consumer) }
        seatAgain(consumers, now: now)
        if producer.isAnnounced { onEvent(.unpublished(room: session.room.id, track: producer.track)) }
    }

    /// Takes a track from its subscriber.
    private func detach(_ consumer: Consumer) {
        let subscriber = consumer.session
        subscriber.downlink.forget(consumer)
        guard subscriber.watches == nil else { return unseat(consumer) }
        subscriber.consumers.removeAll { $0 === consumer }
        if consumer.section < subscriber.sections.count { subscriber.sections[consumer.section].consumer = nil }
        renew(subscriber)
    }

    /// Gives a track to whom it is for now, and takes it from whom it is not for any more.
    private func change(_ producer: Producer, to audience: TrackAudience, now: MonotonicTime) {
        guard producer.audience != audience else { return }
        producer.audience = audience
        // Whom it is for only now is shown nothing of before.
        for layer in producer.layers { layer.group.forget() }
        producer.voice?.close()
        let others = producer.consumers.filter { !$0.session.gets(producer) }
        producer.consumers.removeAll { consumer in others.contains { $0 === consumer } }
        for consumer in others { detach(consumer) }
        seatAgain(others, now: now)
        guard producer.isAnnounced else { return }
        for session in producer.session.room.sessions where !session.isPublisher {
            guard !producer.consumers.contains(where: { $0.session === session }) else { continue }
            guard session.watches == nil else {
                seat(session, to: [producer], now: now)
                continue
            }
            let before = session.consumers.count
            subscribe(session, to: [producer])
            if session.consumers.count > before { renew(session) }
        }
    }

    // MARK: - Subscribing

    func subscribe(_ session: Session, to producers: [Producer]) {
        for producer in producers where session.gets(producer) {
            let kind: MediaSection.Kind = producer.isVideo ? .video : .audio
            let free = session.sections.firstIndex { $0.kind == kind && $0.consumer == nil }
            guard free != nil || session.sections.count < configuration.maximumSections else { continue }
            let consumer = Consumer(
                producer: producer, session: session, section: free ?? session.sections.count,
                wish: session.sizes[producer.track.id])
            if let free {
                session.sections[free].consumer = consumer
            } else {
                session.sections.append((kind, consumer))
            }
            session.consumers.append(consumer)
            producer.consumers.append(consumer)
        }
    }

    /// Sends a new offer, or notes that one is needed when the last is answered.
    func renew(_ session: Session) {
        guard !session.sections.isEmpty, session.watches == nil else { return }
        guard !session.offerIsOpen else {
            session.offerIsStale = true
            return
        }
        onEvent(.offer(session: session.id, offer: makeOffer(session)))
    }

    func makeOffer(_ session: Session) -> String {
        session.offerIsOpen = true
        session.offerIsStale = false
        session.version += 1
        let local = session.transport.local(candidates: candidates)
        var offer = SessionDescription()
        offer.isLite = true
        offer.version = session.version
        for (index, element) in session.sections.enumerated() {
            let consumer = element.consumer
            var section = MediaSection.offer(
                kind: element.kind, mid: String(index), transport: local,
                stream: consumer?.producer.track.participant ?? "",
                track: consumer?.producer.track.id ?? "",
                source: .init(
                    ssrc: consumer?.ssrc ?? 0, rtx: element.kind == .video ? consumer?.rtxSSRC : nil,
                    cname: consumer?.producer.track.participant ?? ""),
                codecs: consumer?.producer.offeredCodecs ?? MediaSection.offered(free: element.kind))
            if consumer == nil {
                section.direction = .inactive
                section.sources = []
            }
            offer.media.append(section)
        }
        offer.bundle = offer.media.map(\.mid)
        return offer.text()
    }

    private func take(answer text: String, _ session: Session, now: MonotonicTime) throws(SFUError) {
        guard !session.isPublisher, session.offerIsOpen else {
            throw SFUError(.conflict, "There is no offer to answer.")
        }
        let answer: SessionDescription, remote: RemoteTransport?
        do throws(SDPError) {
            answer = try SessionDescription(parsing: text)
            // Who can take nothing of what there is says of no transport, and may take what comes next.
            remote = answer.refusesEverything ? nil : try answer.remoteTransport()
        } catch {
            throw SFUError(error)
        }
        guard answer.media.count <= session.sections.count else {
            throw SFUError(
                .badRequest, "The answer has \(answer.media.count) sections, the offer had \(session.sections.count).")
        }
        guard remote?.setup != .actpass else {
            throw SFUError(.badRequest, "An answer says a=setup:active or passive.")
        }
        session.offerIsOpen = false
        for (index, section) in answer.media.enumerated() {
            guard let consumer = session.sections[index].consumer, !consumer.isAccepted else { continue }
            let media = section.isRejected ? nil : section.codec(for: consumer.producer.media)
            consumer.lacksCodec = media == nil
            if consumer.producer.track.source == .program { session.noteCodecs(of: section) }
            guard section.direction.receives, let media else { continue }
            consumer.take(media, of: section, mid: String(index))
            if consumer.extensions.transportNumber != 0, session.followsLine { session.downlink.agree() }
            if session.isConnected { begin(consumer, now: now) }
        }
        if !session.hasRemote, let remote {
            session.hasRemote = true
            session.transport.connect(remote, role: remote.setup == .active ? .server : .client, now: now)
        }
        if session.lacksVP8 { exchangeProgram(of: session) }
        settle(session, now: now)
        if session.offerIsStale { renew(session) }
    }

    /// Holds a track back, or lets it go on, with the one that is to take over from it.
    private func setMuted(_ isMuted: Bool, _ producer: Producer, now: MonotonicTime) {
        guard producer.track.isMuted != isMuted else { return }
        if let voice = producer.voice {
            producer.session.room.voices.yield(voice)
            voice.reset()
        }
        for one in [producer, successor(of: producer)].compactMap(\.self) {
            one.track.isMuted = isMuted
            // Nobody is shown later what was sent while it was held back.
            for layer in one.layers { layer.group.forget() }
            for consumer in one.consumers {
                consumer.forwarder.hold()
                consumer.replay = nil
            }
            if !isMuted { requestKeyframe(one, now: now) }
        }
        onEvent(.muted(room: producer.session.room.id, track: producer.track))
    }

    /// Takes what a subscriber shows now.
    private func setSizes(_ sizes: [String: LayerSize], of session: Session, now: MonotonicTime) throws(SFUError) {
        guard !session.isPublisher else {
            throw SFUError(.badRequest, "A session that publishes shows nothing.")
        }
        guard sizes.count <= configuration.maximumSections, sizes.keys.allSatisfy({ $0.utf8.count <= 256 }) else {
            throw SFUError(.badRequest, "A subscriber may name \(configuration.maximumSections) tracks.")
        }
        guard sizes.values.allSatisfy(\.isAllowed) else {
            throw SFUError(.badRequest, "Width and height are 0 to \(LayerSize.maximum) pixels.")
        }
        session.sizes = sizes
        for consumer in session.consumers where consumer.producer.isVideo {
            let wish = consumer.producer.wish(sizes[consumer.producer.track.id])
            guard wish != consumer.forwarder.wish else { continue }
            consumer.forwarder.setWish(wish)
            if wish == .nothing { consumer.replay = nil }
            guard consumer.isAccepted, session.isConnected, consumer.forwarder.current == nil else { continue }
            requestKeyframe(for: consumer, now: now)
        }
    }

    // MARK: - Leaving

    func remove(_ session: Session, reason: String, now: MonotonicTime) {
        guard sessions.removeValue(forKey: session.id) != nil else { return }
        session.transport.close(reason)
        send(session)
        let heir = heir(of: session)
        for producer in session.producers { end(producer, now: now) }
        for consumer in session.consumers { consumer.producer.consumers.removeAll { $0 === consumer } }
        session.letGo()
        byUfrag[session.transport.credentials.ufrag] = nil
        forgetNames(of: session, until: nil)
        for address in session.addresses where byAddress[address] === session { byAddress[address] = nil }
        endStreams(of: session, but: [])
        session.room.sessions.removeAll { $0 === session }
        pacing.removeAll { $0 === session }
        if let heir {
            heir.replaces = nil
            heir.note = session.note
            counters.sessionsReplaced &+= 1
            onEvent(.replaced(room: session.room.id, session: session.id, by: heir.id))
        }
        onEvent(.left(room: session.room.id, participant: session.participant, session: session.id, reason: reason))
    }
}
