// One publishing session in the place of another, make before break: its tracks go on as the same tracks, with new keys.

import Control
import Media
import RTC

/// How long one session waits to take over from another.
enum TakeOver {
    /// Layers that have not come by then are not waited for, nor a clock of pictures; sound is reported on every five seconds.
    static let patienceMs: Int64 = 4000, soundPatienceMs: Int64 = 8000
    /// Who still waits for a key frame then goes on without.
    static let longestMs: Int64 = 10_000
    /// A session that has not taken over by then never does: the one of before goes on alone.
    static let abandonMs: Int64 = 20_000
    /// A track of which nothing came for so long has stopped.
    static let silenceMs: Int64 = 1000
}

extension Producer {
    /// Whether packets of it came lately.
    func isFlowing(_ now: MonotonicTime) -> Bool {
        layers.contains { $0.lastPacket.map { now.milliseconds(since: $0) < TakeOver.silenceMs } ?? false }
    }

    /// The layers that come: streams, or those within the only one.
    private var coming: Int {
        guard spatial == nil else { return spatial?.table.activeCount ?? 0 }
        return table.activeCount
    }

    /// Whether subscribers can go on with it as with the one of before: as many layers come (a browser begins with the small ones),
    /// sender reports say how its clock lies to the other's, and it is known what its layers take of a line.
    ///
    /// - Parameter since: when its session stood, in milliseconds before now.
    func hasCaughtUp(with old: Producer, since: Int64, now: MonotonicTime) -> Bool {
        guard coming > 0 else { return false }
        let patienceMs = isVideo ? TakeOver.patienceMs : TakeOver.soundPatienceMs
        guard since < patienceMs, old.session.hasConsent else { return true }
        guard coming >= old.coming, layers.count == old.layers.count else { return false }
        for (layer, before) in zip(layers, old.layers) where table.isActive(layer.index) {
            guard layer.reportNTP != nil || before.reportNTP == nil else { return false }
            guard !isVideo || layer.rate.bitrate(at: now.nanoseconds) != nil else { return false }
        }
        return true
    }
}

extension ShardCore {
    /// Lets the tracks of a session take the places of those that another one of the same participant publishes.
    func replace(_ old: Session, by session: Session) {
        for producer in session.producers {
            let known = old.producers.first { known in
                known.track.source == producer.track.source && known.codec == producer.codec
                    && known.media.parameters == producer.media.parameters && known.isAnnounced
                    && !session.producers.contains { $0.replaces === known }
            }
            guard let known else {
                // Another codec is another track, and as mute as what stands for it now.
                producer.track.isMuted = old.producers.contains {
                    $0.track.source == producer.track.source && $0.track.isMuted
                }
                continue
            }
            producer.replaces = known
            if let voice = producer.voice { session.room.voices.remove(voice) }
            producer.voice = nil
            // The session stays its own until it has taken over.
            producer.track.id = known.track.id
            producer.track.isMuted = known.track.isMuted
            producer.audience = known.audience
        }
        // The same clock: what is told of it does not step.
        session.captureClock = old.captureClock
        session.replaces = old.id
    }

    /// The session that is to take over from another.
    func heir(of session: Session) -> Session? { session.room.sessions.first { $0.replaces == session.id } }

    /// The track that is to take over from another.
    func successor(of producer: Producer) -> Producer? {
        guard let heir = heir(of: producer.session) else { return nil }
        return heir.producers.first { $0.replaces === producer }
    }

    /// What somebody who takes over sends in the place of a track: what takes it over, and what comes beside it as another track,
    /// of which nobody knows yet.
    func heirs(of producer: Producer) -> [Producer] {
        guard let heir = heir(of: producer.session) else { return [] }
        return heir.producers.filter { next in
            next.replaces === producer
                || next.replaces == nil && !next.isAnnounced && next.track.source == producer.track.source
        }
    }

    /// Moves subscribers at a packet with which they can go on: any one of sound, of pictures the first of a key frame.
    func takeOver(_ producer: Producer, _ entry: PacketStore.Entry, _ layer: Layer, now: MonotonicTime) {
        guard let old = producer.replaces, !old.consumers.isEmpty, let begun = producer.session.takesOverSince else {
            return
        }
        guard old.track.isMuted || !producer.isVideo || entry.startsKeyframe else { return }
        let since = now.milliseconds(since: begun)
        guard old.track.isMuted || producer.hasCaughtUp(with: old, since: since, now: now) else { return }
        guard producer.isVideo, !old.track.isMuted else {
            return move(old.consumers, to: producer, asks: false, now: now)
        }
        let ready = old.consumers.filter { consumer in
            // Who gets nothing goes along with the others.
            guard consumer.isAccepted, consumer.session.hasConsent,
                producer.table.choose(consumer.forwarder.wish, allowed: consumer.forwarder.allowed) != nil
            else { return true }
            return consumer.forwarder.mayChangeTrack(
                from: old.table, with: entry, of: layer.index, producer.table, now: now)
        }
        move(ready, to: producer, asks: false, now: now)
    }

    /// Asks for what subscribers need to move, and moves them without it where it does not come.
    func followTakeOver(_ session: Session, now: MonotonicTime) {
        guard let id = session.replaces else { return }
        guard let old = sessions[id] else { return session.replaces = nil }
        let begun = session.takesOverSince ?? now
        session.takesOverSince = begun
        let since = now.milliseconds(since: begun)
        guard since < TakeOver.abandonMs else {
            return remove(session, reason: "it did not take over in time", now: now)
        }
        var isDone = true
        for producer in session.producers {
            guard let former = producer.replaces, !isSettled(producer, former, since: since, now: now) else { continue }
            isDone = false
        }
        guard isDone else { return }
        // What the new session does not send ends with the old one.
        remove(old, reason: "another connection has taken over", now: now)
    }

    /// Whether a track needs the one of before no more.
    private func isSettled(_ producer: Producer, _ former: Producer, since: Int64, now: MonotonicTime) -> Bool {
        guard !former.track.isMuted else { return true }
        guard producer.hasCaughtUp(with: former, since: since, now: now) else {
            // Of what comes no more, there is nothing to wait for. Behind a pause of our own what came meanwhile is not read yet.
            let isOver = since >= TakeOver.patienceMs && !former.isFlowing(now)
            defer { former.hasStopped = isOver }
            return isOver && former.hasStopped
        }
        guard !former.consumers.isEmpty else { return true }
        guard producer.isVideo, since < TakeOver.longestMs else { return since >= TakeOver.longestMs }
        for consumer in former.consumers {
            guard let wanted = producer.table.choose(consumer.forwarder.wish, allowed: consumer.forwarder.allowed)
            else { continue }
            requestKeyframe(producer, producer.layers[wanted], now: now)
        }
        return false
    }

    /// Makes a track the one that it replaces.
    private func settle(_ producer: Producer, in place: Producer, now: MonotonicTime) {
        move(place.consumers, to: producer, asks: true, now: now)
        producer.replaces = nil
        producer.voice = place.voice
        place.voice = nil
        let session = producer.session
        var track = place.track
        (track.session, track.layers) = (session.id, producer.track.layers)
        producer.track = track
        producer.audience = place.audience
        producer.isAnnounced = true
        place.session.forget(place)
        onEvent(.changed(room: session.room.id, track: track))
    }

    /// Whether a track that ends is one that another takes over from, or that takes over; its subscribers keep theirs then.
    func endsTakingOver(_ producer: Producer, now: MonotonicTime) -> Bool {
        if let old = producer.replaces {
            producer.session.forget(producer)
            move(producer.consumers, to: old, asks: true, now: now)
            producer.replaces = nil
            producer.voice = nil
            return true
        }
        guard let next = successor(of: producer) else { return false }
        settle(next, in: producer, now: now)
        return true
    }

    /// Lets subscribers go on with another publication of their track.
    ///
    /// - Parameter asks: whether pictures have to be asked for, because none comes just now that decoding can begin at.
    private func move(_ consumers: [Consumer], to producer: Producer, asks: Bool, now: MonotonicTime) {
        guard let former = consumers.first?.producer else { return }
        for consumer in consumers {
            // What waits lies in the stores of before.
            sendWaiting(consumer.session, now: now)
            drops.count(.late, consumer.endReplay())
            consumer.move(to: producer)
        }
        former.consumers.removeAll { $0.producer !== former }
        producer.consumers += consumers
        if let voice = former.voice ?? producer.voice {
            // What was said goes on; the numbers of the packets are others.
            voice.close()
            producer.voice = voice
        }
        guard asks, producer.isVideo else { return }
        for consumer in consumers where consumer.isAccepted { requestKeyframe(for: consumer, now: now) }
    }
}
