// What commands do: rooms and sessions; who publishes and who subscribes has files of its own.

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
            result.packetsRecovered &+= session.recovered
        }
        addAdaptation(to: &result)
        result.sendDropped = socket.statistics.sendDropped
        result.drops = drops.nonZero
        result.latencyCounts = latency.counts
        result.latencyNanoseconds = latency.nanoseconds
        addKernelDrops(to: &result)
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

    // MARK: - Leaving

    func remove(_ session: Session, reason: String, now: MonotonicTime) {
        guard sessions.removeValue(forKey: session.id) != nil else { return }
        counters.packetsRecovered &+= session.recovered
        session.transport.close(reason)
        send(session)
        let heir = heir(of: session)
        for producer in session.producers { end(producer, now: now) }
        for consumer in session.consumers {
            consumer.producer.consumers.removeAll { $0 === consumer }
            drops.count(.notConnected, consumer.forgetUnsent())
        }
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
