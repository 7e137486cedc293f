// Who watches by WHEP: sessions of people who take part in nothing and stand in no list.

internal import Control
internal import Web

/// Who watches, and from where.
struct Viewer: Sendable {
    let principal: Principal
    /// The network address, after trusted proxies.
    let address: String

    var claims: TokenClaims { principal.claims }
}

/// How many may watch at once.
struct ViewerLimits: Sendable {
    /// Of one event: each is sent the whole program by one media server.
    var perEvent = 300
    /// Of one event from one address: an office may be behind it.
    var perAddress = 50
    /// Of one event by one person: windows and devices of theirs.
    var perPerson = 10
}

extension SpeakerRooms {
    /// Takes a viewer's offer.
    ///
    /// - Parameters:
    ///   - event: the event.
    ///   - viewer: who watches; their token ends the session when it ends.
    ///   - source: what they watch.
    ///   - offer: their SDP.
    ///   - limits: how many may watch.
    /// - Returns: the session and the SDP answer.
    /// - Throws: `Problem` 409 when no program is made here, 404 for a participant who is not there, 429 above the limits, and
    ///   the media server's.
    func view(
        _ event: EventScope, _ viewer: Viewer, of source: WatchedSource, offer: String, limits: ViewerLimits
    ) async throws -> (session: String, answer: String) {
        guard let room = rooms[event.id], makesProgram(event.id) || source != .program else {
            var problem = Problem.conflict("not-live", "No program is made here now.")
            problem.retryAfterMs = 2000
            throw problem
        }
        if case .participant(let id) = source {
            // Who is not let in does not look in either, and who is hidden is nobody to them.
            try checkLock(event.id, viewer.principal)
            guard room.has(id, withHidden: SpeakerRoutes.seesHidden(viewer.principal)) else {
                throw Problem.notFound("There is no such participant.")
            }
        }
        guard room.viewers.count < limits.perEvent else {
            throw Problem.overloaded(
                "\(room.viewers.count) people watch this event, and no more can.", retryAfterMs: 5000)
        }
        let beside = room.viewers.count { sessions[$0]?.viewer?.address == viewer.address }
        guard beside < limits.perAddress else {
            throw Problem.tooMany("\(beside) sessions watch from this address, and no more may.", retryAfterMs: 5000)
        }
        let own = room.viewers.count { sessions[$0]?.viewer?.principal.id == viewer.principal.id }
        guard own < limits.perPerson else {
            throw Problem.tooMany("\(own) sessions watch with this token, and no more may.", retryAfterMs: 5000)
        }
        let session = RandomToken.id()
        rooms[event.id]?.viewers.insert(session)
        var made = Session(event: event.id, participant: viewer.principal.id)
        (made.viewer, made.watched) = (viewer, source)
        sessions[session] = made
        let command = SFUCommand.watch(
            room: event.id, viewer: Self.viewerName, session: session, offer: offer, source: source)
        guard case .answer(let answer) = try await send(command, event.id, opening: session) else {
            throw Self.unexpected
        }
        writeDown(session)
        // Whoever came first may have failed.
        if source == .program { changed(event.id) }
        return (session, answer)
    }

    /// Ends what somebody watches.
    ///
    /// - Throws: `Problem` 404 for a session that is not the caller's, or is no viewer's.
    func stopViewing(_ event: EventScope, _ session: String, _ caller: Principal) async throws {
        try checkViewer(session, event)
        try await leave(session, caller)
    }

    /// Throws `Problem` 404 unless a session is a viewer's in an event.
    func checkViewer(_ session: String, _ event: EventScope) throws {
        guard let known = sessions[session], known.viewer != nil, known.event == event.id else {
            throw Problem.notFound("There is no such session.")
        }
    }

    /// Ends the sessions of all who watch an event, which is over.
    func endViewers(of event: String) async { await endViewers { $0.event == event } }

    /// Ends the sessions of the viewers for whom something holds.
    func endViewers(where isOver: (Session) -> Bool) async {
        for (session, known) in sessions.filter({ $0.value.viewer != nil && isOver($0.value) }) {
            forget(session)
            _ = try? await send(.leave(session: session), known.event)
        }
    }

    /// All who watch.
    var viewers: [Viewer] { sessions.values.compactMap(\.viewer) }

    /// Whether a compositor is in the event's room.
    func makesProgram(_ event: String) -> Bool { rooms[event]?.hidden.isEmpty == false }

    /// Whether somebody watches an event's program.
    func watchesProgram(_ event: String) -> Bool {
        rooms[event]?.viewers.contains { sessions[$0]?.watched == .program } == true
    }

    /// As whom the media server knows those who watch: they may be in the room as well, by their own name.
    private static let viewerName = "proscenium-viewer"
}
