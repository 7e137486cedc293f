// Publishing: offers and what they send, who is told of it, and its end.

import Control
import Media
import RTC

extension ShardCore {
    func publish(
        _ room: Room, participant: String, id: String, offer text: String, sources: [String: TrackSource],
        audiences: [String: TrackAudience], allowed: Set<TrackSource>?, replacing replaced: String?, now: MonotonicTime
    ) throws(SFUError) -> String {
        let (offer, remote) = try Self.read(offer: text)
        let sending = offer.media.filter { !$0.isRejected && $0.direction.sends && !$0.acceptedCodecs().isEmpty }
        let isProgram = sources.values.contains { !$0.isOfPeople }
        let limit = isProgram ? configuration.maximumProgramTracks : configuration.maximumTracks
        guard sending.count <= limit else { throw SFUError(.badRequest, "A session may publish \(limit) tracks.") }
        if sessions[id] == nil { try Self.checkWhole(offer, sending) }
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

    /// Refuses a first offer of which something could not be carried: who is heard and not seen would take that for a success
    /// (RFC 9725 section 4.4.3).
    private static func checkWhole(_ offer: SessionDescription, _ sending: [MediaSection]) throws(SFUError) {
        let refused = offer.media.first { section in
            !section.isRejected && section.kind != .application && section.direction.sends
                && !sending.contains { $0.mid == section.mid }
        }
        guard refused != nil || sending.isEmpty else { return }
        let section = refused.map { "section \($0.mid) of the offer" } ?? "the offer"
        throw SFUError(
            .badRequest,
            "Nothing that \(section) sends is carried here: VP8, VP9 in profile 0, H.264 in a baseline profile with packetization-mode=1, and Opus."
        )
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

    func end(_ producer: Producer, now: MonotonicTime) {
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
        drops.count(.notWanted, consumer.forgetUnsent())
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

    /// Holds a track back, or lets it go on, with the one that is to take over from it.
    func setMuted(_ isMuted: Bool, _ producer: Producer, now: MonotonicTime) {
        guard producer.track.isMuted != isMuted else { return }
        if let voice = producer.voice {
            producer.session.room.voices.yield(voice)
            voice.reset()
        }
        for one in [producer] + heirs(of: producer) {
            one.track.isMuted = isMuted
            // Nobody is shown later what was sent while it was held back.
            for layer in one.layers { layer.group.forget() }
            for consumer in one.consumers {
                consumer.forwarder.hold()
                drops.count(.late, consumer.endReplay())
            }
            if !isMuted { requestKeyframe(one, now: now) }
        }
        onEvent(.muted(room: producer.session.room.id, track: producer.track))
    }
}
