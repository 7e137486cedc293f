// Viewers: who watches what others send and takes part in nothing, by an offer of their own (draft-ietf-wish-whep).

import Control
import Media
import RTC

/// A section of a viewer's offer that gets a track, and what it goes on with when that is another one.
struct ViewerSeat {
    /// The section as it was answered.
    let section: MediaSection
    /// What the answer has named, and where numbers and time stand.
    var trail: Consumer.Trail
}

extension Session {
    /// Whether a track is for whoever is behind the session.
    func gets(_ producer: Producer) -> Bool {
        if producer.track.source == .program, !takes(programIn: producer.codec) { return false }
        return switch (watches, producer.track.source) {
        case (nil, _):
            producer.session.participant != participant && producer.audience.includes(participant)
        case (.program?, .program): producer.audience == .everybody
        case (.program?, .programMix): producer.audience == .viewers
        case (.participant(let id)?, .camera), (.participant(let id)?, .microphone):
            producer.session.participant == id && producer.audience == .everybody
        default: false
        }
    }
}

extension ShardCore {
    /// Takes a viewer's offer.
    ///
    /// There is one answer and no second offer, so the first section of each kind is a seat: it has its track when there is one, and
    /// the next when that ends, as it does when a compositor is started anew. Its SSRC, numbers and time go on.
    ///
    /// - Throws: `SFUError` for what can't be read, and for an offer that takes nothing of what is sent here.
    func watch(
        _ room: Room, viewer: String, id: String, offer text: String, of source: WatchedSource, now: MonotonicTime
    ) throws(SFUError) -> String {
        let (offer, remote) = try Self.read(offer: text)
        guard offer.media.count <= configuration.maximumTracks else {
            throw SFUError(.badRequest, "An offer to watch has at most \(configuration.maximumTracks) sections.")
        }
        var seats: [Int: MediaSection.Kind] = [:]
        for (index, section) in offer.media.enumerated()
        where !section.isRejected && section.direction.receives && !seats.values.contains(section.kind)
            && !section.acceptedCodecs(all: true).isEmpty
        {
            seats[index] = section.kind
        }
        guard !seats.isEmpty else {
            throw SFUError(
                .badRequest, "The offer receives nothing that is sent here: VP8, VP9 in profile 0, H.264 and Opus.")
        }
        if case .participant(let id) = source { try check(name: id, "participant") }
        let session = try makeSession(room, participant: viewer, id: id, isPublisher: false)
        session.watches = source
        // Who asks for one voice gets it, however loud others are.
        session.hearsEverybody = true
        session.remote = (remote.ufrag, remote.fingerprint)
        let local = session.transport.local(candidates: candidates)
        session.version += 1
        var answer = SessionDescription()
        answer.isLite = true
        answer.version = session.version
        for (index, section) in offer.media.enumerated() {
            session.sections.append((section.kind, nil))
            guard seats[index] != nil else {
                answer.media.append(section.answer(local, receives: false))
                session.seats.append(nil)
                continue
            }
            let trail = Consumer.Trail(isVideo: section.kind == .video, to: session)
            let answered = section.answer(
                local, sending: .init(ssrc: trail.ssrc, rtx: trail.rtxSSRC, cname: room.id), stream: source.name,
                track: "\(source.name)-\(section.kind.rawValue)")
            answer.media.append(answered)
            session.seats.append(ViewerSeat(section: answered, trail: trail))
            session.noteCodecs(of: answered)
        }
        answer.bundle = answer.media.filter { !$0.isRejected }.map(\.mid)
        session.hasRemote = true
        session.transport.connect(remote, role: remote.setup == .passive ? .client : .server, now: now)
        for other in room.sessions where other.isPublisher {
            seat(session, to: other.producers.filter(\.isAnnounced), now: now)
        }
        settle(session, now: now)
        return answer.text()
    }

    /// Gives a viewer's free seats the tracks that are for them.
    func seat(_ session: Session, to producers: [Producer], now: MonotonicTime) {
        for producer in producers where session.gets(producer) {
            guard !session.consumers.contains(where: { $0.producer === producer }) else { continue }
            let kind: MediaSection.Kind = producer.isVideo ? .video : .audio
            guard
                let place = session.seats.indices.first(where: {
                    session.seats[$0]?.section.kind == kind && session.sections[$0].consumer == nil
                }), let seat = session.seats[place], let media = seat.section.codec(for: producer.media)
            else { continue }
            let consumer = Consumer(producer: producer, session: session, section: place, wish: nil, after: seat.trail)
            consumer.take(media, of: seat.section, mid: seat.section.mid)
            session.sections[place].consumer = consumer
            session.consumers.append(consumer)
            producer.consumers.append(consumer)
            if session.isConnected { begin(consumer, now: now) }
        }
    }

    /// Gives the viewers among these the tracks that found no seat free: somebody's next session may come before the last one ends.
    func seatAgain(_ consumers: [Consumer], now: MonotonicTime) {
        for consumer in consumers where consumer.session.watches != nil {
            for other in consumer.session.room.sessions where other.isPublisher {
                seat(consumer.session, to: other.producers.filter(\.isAnnounced), now: now)
            }
        }
    }

    /// Takes a track from a viewer, whose seat waits for the next one.
    func unseat(_ consumer: Consumer) {
        let session = consumer.session
        session.consumers.removeAll { $0 === consumer }
        guard session.seats.indices.contains(consumer.section) else { return }
        session.sections[consumer.section].consumer = nil
        session.seats[consumer.section]?.trail = consumer.trail
    }
}

extension WatchedSource {
    /// What descriptions call it.
    fileprivate var name: String {
        switch self {
        case .program: "program"
        case .participant(let id): id
        }
    }
}
