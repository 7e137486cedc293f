// Who is in which room, on which SFU: the state behind WHIP and the pages' signalling.

internal import Control
internal import Foundation
internal import HTTPTypes
internal import Logging
internal import Media
internal import Web

/// The rooms of all events: one per event, each on one SFU.
///
/// Sessions live on the SFU; what stands here is who they belong to. When the SFU is gone, everybody is told to join
/// again, and the room is made anew where there is one.
actor SpeakerRooms {
    struct Member {
        let principal: Principal
        var sessions: Set<String> = []
        var connected: Set<String> = []
        var tracks: [String: TrackInfo] = [:]
        /// What they have muted themselves.
        var muted: Set<TrackSource> = []
        /// Who is hidden sees and hears, and sends nothing.
        var isHidden: Bool { SpeakerRooms.isHidden(principal) }
    }

    struct Room {
        let org: String, sfu: String
        var members: [String: Member] = [:]
        var hidden: Set<String> = []
        /// The sessions of those who watch and take part in nothing.
        var viewers: Set<String> = []
        var sessions: [String] { members.values.flatMap(\.sessions) + hidden + viewers }

        /// Whether somebody of this name is here.
        func has(_ participant: String, withHidden: Bool) -> Bool {
            members[participant].map { withHidden || !$0.isHidden } ?? false
        }
    }

    struct Session {
        let event: String, participant: String
        /// Names its generation of ICE, for those who were let in by HTTP.
        var entityTag = makeTag()
        var receives = false
        /// Who watches by it; nil for people in the room and for the compositor.
        var viewer: Viewer?
        /// What a viewer watches.
        var watched: WatchedSource?
        /// The offer that waits for its answer, for whoever comes back.
        var offer: String?
        /// Whose place it is to take; it does not count beside that one.
        var succeeds: String?
        /// What the line to it has no room for.
        var limits: [String: LineLimit] = [:]
        weak var listener: (any RoomListener)?

        static func makeTag() -> String { "\"\(RandomToken.id())\"" }
    }

    /// How many connections a participant has, as in three tabs; each may have one more that is to take its place.
    static let sessionLimit = 6
    /// As whom a compositor sees the room; it stands in no list, and nobody else may come by this name.
    static let compositorID = "proscenium-compositor"
    /// How many connections the people of one event have together, so that no event takes a media server from the others.
    let connectionLimit: Int
    static let standardConnectionLimit = 2000
    let registry: WorkerRegistry
    let logger: Logger
    var rooms: [String: Room] = [:]
    var sessions: [String: Session] = [:]
    var resumes = ResumeTable()
    /// Who stands behind the words that have been said.
    var standing: [String: any ResumableListener] = [:]
    var listeners: [String: [ObjectIdentifier: any RoomListener]] = [:]
    /// Who is heard in each event's program.
    var stages: [String: Set<String>] = [:]
    /// What the listeners of each event's room were told last.
    private var rosters: [String: Roster] = [:]
    /// Who may come back into a room that is locked.
    var locks: [String: Set<String>] = [:]
    /// Whom a producer keeps silent, by event.
    var silenced: [String: Set<String>] = [:]
    /// Who may be on the way back into a room.
    var departures = Departures()
    /// What the connections of each event's room were like when it was asked last.
    var figures: [String: ConnectionFigures] = [:]
    /// Who has the floor in each event's room.
    private var dominant: [String: String] = [:]
    private var notifying: Set<String> = []
    /// Until when a media server may still come that carries rooms of an earlier Studio.
    var adoptsUntil: MonotonicTime?

    /// Makes rooms that nobody is in.
    ///
    /// - Parameters:
    ///   - adoptionMs: for how long a media server may come that carries rooms of an earlier Studio.
    ///   - connectionLimit: how many connections the people of one event have together.
    init(
        registry: WorkerRegistry, logger: Logger, adoptionMs: Int64 = SpeakerRooms.adoptionMs,
        connectionLimit: Int = SpeakerRooms.standardConnectionLimit
    ) {
        self.connectionLimit = connectionLimit
        self.registry = registry
        self.logger = logger
        adoptsUntil = SystemClock.monotonic().advanced(byMilliseconds: adoptionMs)
    }

    // MARK: - What participants do

    /// Takes a publisher's offer.
    ///
    /// - Parameters:
    ///   - session: an own session that goes on; nil for a new one.
    ///   - sources: what the sections carry, by mid.
    ///   - replaced: an own session whose tracks a new one takes over; it ends by itself then.
    /// - Returns: the session and the SDP answer.
    func publish(
        _ event: EventScope, _ caller: Principal, session known: String?, offer: String,
        sources: [String: TrackSource], replacing replaced: String? = nil, listener: (any RoomListener)? = nil
    ) async throws -> (session: String, answer: String) {
        guard !Self.isHidden(caller) else { throw Problem.forbidden("Who is hidden sends nothing.") }
        guard sources.values.allSatisfy(\.isOfPeople) else {
            throw Problem.invalid("A participant sends a camera, a screen, a microphone or a screen's sound.")
        }
        if let replaced { _ = try own(replaced, caller) }
        let session = try await open(event, caller, known, succeeding: replaced, listener)
        let reply = try await send(
            .publish(
                room: event.id, participant: caller.id, session: session, offer: offer, sources: sources,
                allowed: Self.allowed(caller), replacing: replaced, goesOn: known != nil),
            event.id,
            opening: known == nil ? session : nil)
        guard case .answer(let answer) = reply else { throw Self.unexpected }
        if known == nil, replaced == nil { writeDown(session) }
        return (session, answer)
    }

    /// Opens a session that gets everybody else's tracks; offers go to the listener.
    ///
    /// - Parameter former: an own session that it is to take over from; until it has, it ends with this Studio.
    func subscribe(
        _ event: EventScope, _ caller: Principal, succeeding former: String? = nil, listener: any RoomListener
    ) async throws -> String {
        let session = try await open(event, caller, nil, succeeding: former, listener)
        let reply = try await send(
            .subscribe(room: event.id, participant: caller.id, session: session), event.id, opening: session)
        sessions[session]?.receives = true
        if former == nil { writeDown(session) }
        // The program comes back to those who receive, also while they are alone.
        changed(event.id)
        if case .offer(let offer?) = reply { offered(offer, to: session) }
        return session
    }

    /// Takes the answer to the last offer of a subscribing session.
    func answer(_ session: String, _ caller: Principal, _ answer: String) async throws {
        let event = try own(session, caller)
        // The next offer comes behind the answer, not before.
        let open = sessions[session]?.offer
        sessions[session]?.offer = nil
        do {
            _ = try await send(.answer(session: session, answer: answer), event)
        } catch {
            // Still open there, as far as is known: who comes back gets it again.
            if sessions[session]?.offer == nil { sessions[session]?.offer = open }
            throw error
        }
    }

    /// Says in which size an own subscribing session shows each track, all at once; what is not named is shown whole.
    func setSizes(_ session: String, _ caller: Principal, _ sizes: [String: LayerSize]) async throws {
        let event = try own(session, caller)
        _ = try await send(.setSizes(session: session, sizes: sizes), event)
    }

    /// Begins ICE anew for a subscribing session; the offer goes to its listener.
    func restart(_ session: String, _ caller: Principal) async throws {
        let event = try own(session, caller)
        _ = try await send(.restart(session: session), event)
    }

    /// Ends a session.
    ///
    /// - Parameter forGood: whether nobody comes back behind it.
    /// - Throws: `Problem` 404 for a session that is not there or not the caller's.
    func leave(_ session: String, _ caller: Principal, forGood: Bool = false) async throws {
        let event = try own(session, caller)
        forget(session)
        if forGood { departures.forget(caller.id, event) }
        _ = try await send(.leave(session: session), event)
    }

    /// Throws `Problem` 404 unless a session is the caller's.
    func checkOwn(_ session: String, _ caller: Principal) throws { _ = try own(session, caller) }

    // MARK: - Who listens

    /// Adds a listener and tells it who is there, unless it is somebody's who is not let in.
    func listen(_ event: String, _ listener: any RoomListener) {
        if let caller = listener.principal, !letsIn(event, caller) { return listener.shutOut() }
        listeners[event, default: [:]][ObjectIdentifier(listener)] = listener
        // The list that the others have: what is new since then reaches everybody with the next change.
        let roster = rosters[event] ?? Roster(participants(event, withHidden: true))
        rosters[event] = roster
        listener.participantsChanged(roster.all(withHidden: listener.seesHidden))
        if let dominant = dominant[event] { listener.speakerChanged(dominant) }
    }

    /// Who has the floor.
    func dominantSpeaker(_ event: String) -> String? { dominant[event] }

    func setDominant(_ participant: String?, _ event: String) {
        guard dominant[event] != participant else { return }
        dominant[event] = participant
        for listener in listeners[event]?.values.map({ $0 }) ?? [] { listener.speakerChanged(participant) }
    }

    private func offered(_ offer: String, to session: String) {
        sessions[session]?.offer = offer
        sessions[session]?.listener?.offered(offer)
    }

    /// Removes a listener that has no sessions of its own.
    func unlisten(_ event: String, _ listener: any RoomListener) {
        listeners[event]?[ObjectIdentifier(listener)] = nil
        if listeners[event]?.isEmpty == true {
            listeners[event] = nil
            rosters[event] = nil
        }
    }

    /// The participants of an event, by id.
    ///
    /// - Parameter withHidden: whether those are among them whom only producers see.
    func participants(_ event: String, withHidden: Bool = false) -> [SpeakerView] {
        let members = (rooms[event]?.members ?? [:]).filter { withHidden || !$0.value.isHidden }
        return members.sorted { $0.key < $1.key }.map { id, member in
            let tracks = member.tracks.values.sorted { $0.id < $1.id }.map {
                SpeakerView.Track(
                    id: $0.id, kind: $0.source.isVideo ? "video" : "audio", source: $0.source, codec: $0.codec,
                    muted: $0.isMuted, layers: $0.layers)
            }
            let state = member.connected.isEmpty ? "connecting" : "connected"
            return SpeakerView(
                id: id, name: member.principal.name, role: member.principal.role, tracks: tracks,
                connection: .init(state: state), onStage: stages[event]?.contains(id) == true,
                mutedInRoom: isSilenced(id, event) ? true : nil, hidden: member.isHidden ? true : nil)
        }
    }

    /// Who a participant is.
    ///
    /// - Throws: `Problem` 404.
    func principal(of participant: String, event: String) throws -> Principal {
        guard let member = rooms[event]?.members[participant] else {
            throw Problem.notFound("There is no such participant.")
        }
        return member.principal
    }

    /// Ends every session of a token.
    func end(jti: String) async {
        for (event, room) in rooms {
            for (participant, member) in room.members where member.principal.claims.jti == jti {
                for session in member.sessions {
                    forget(session)
                    departures.forget(participant, event)
                    _ = try? await send(.leave(session: session), event)
                }
            }
        }
        await endViewers { $0.viewer?.principal.claims.jti == jti }
    }

    /// Ends the sessions whose tokens have expired; called each second.
    func endExpired(nowSeconds: Int64) async {
        let people = rooms.values.flatMap(\.members.values).map(\.principal.claims)
        let expired = (people + viewers.map(\.claims)).filter { $0.exp <= nowSeconds }
        for claims in expired { await end(jti: claims.jti) }
    }

    /// Ends an event's room.
    func close(_ event: String) async {
        stages[event] = nil
        locks[event] = nil
        silenced[event] = nil
        defer { departures.forget(event: event) }
        guard let room = rooms[event] else { return }
        drop(event, room, "the event was deleted")
        _ = try? await registry.send(.sfu(.closeRoom(room: event)), to: room.sfu)
    }

    // MARK: - What the SFU reports

    /// Follows an event of a shard.
    func follow(_ event: SFUEvent) {
        switch event {
        case .connected(let room, let participant, let session):
            guard sessions[session]?.viewer == nil else { return }
            rooms[room]?.members[participant]?.connected.insert(session)
            changed(room)
        case .disconnected(let room, let participant, let session):
            guard sessions[session]?.viewer == nil else { return }
            rooms[room]?.members[participant]?.connected.remove(session)
            changed(room)
        case .published(let room, let track), .muted(let room, let track), .changed(let room, let track):
            rooms[room]?.members[track.participant]?.tracks[track.id] = track
            // Whoever comes anew with it open has not muted it; their page says it if they have.
            if case .published = event, !track.isMuted {
                rooms[room]?.members[track.participant]?.muted.remove(track.source)
            }
            holdBack(track, room)
            changed(room)
        case .unpublished(let room, let track):
            rooms[room]?.members[track.participant]?.tracks[track.id] = nil
            changed(room)
        case .speaking(let room, let participant):
            if rooms[room] != nil { setDominant(participant, room) }
        case .limited(let session, let tracks):
            sessions[session]?.limits = tracks
            sessions[session]?.listener?.lineChanged(tracks)
        case .lossy(let session): sessions[session]?.listener?.lineLosesMuch()
        case .offer(let session, let offer): offered(offer, to: session)
        case .replaced(let room, let session, let heir): replaced(session, by: heir, in: room)
        case .left(_, _, let session, let reason):
            // One that left by itself is forgotten already.
            let listener = sessions[session]?.listener
            forget(session)
            listener?.mustRejoin(reason)
        }
    }

    /// An SFU is gone, with its rooms.
    func lost(_ sfu: String) {
        for (event, room) in rooms where room.sfu == sfu {
            drop(event, room, "the media server is gone")
            changed(event)
        }
    }

    /// Gives somebody a place in a room without a session, as tests need it.
    func seat(_ caller: Principal, in event: String, org: String) {
        rooms[event, default: Room(org: org, sfu: "")].members[caller.id] = Member(principal: caller)
    }

    // MARK: - Inside

    private func drop(_ event: String, _ room: Room, _ reason: String) {
        let watching = room.hidden.compactMap { sessions[$0]?.listener }
        for session in room.sessions { sessions[session] = nil }
        let now = SystemClock.monotonic()
        for participant in room.members.keys { departures.note(participant, event, now: now) }
        rooms[event] = nil
        figures[event] = nil
        setDominant(nil, event)
        for listener in watching + (listeners[event]?.values.map { $0 } ?? []) { listener.mustRejoin(reason) }
    }

    func makeRoom(_ event: String, org: String) async throws {
        guard rooms[event] == nil else { return }
        guard let sfu = Placement.choose(.sfu, among: registry.candidates(.sfu)) else {
            throw Problem.overloaded("No media server has room.", retryAfterMs: 1000)
        }
        guard case .sfu = try await registry.send(.sfu(.createRoom(room: event)), to: sfu.id) else {
            throw Self.unexpected
        }
        // Somebody else may have made the room meanwhile.
        if rooms[event] == nil { rooms[event] = Room(org: org, sfu: sfu.id) }
    }

    private func open(
        _ event: EventScope, _ caller: Principal, _ known: String?, succeeding former: String?,
        _ listener: (any RoomListener)?
    ) async throws -> String {
        if let known {
            _ = try own(known, caller)
            return known
        }
        guard caller.id != Self.compositorID, caller.id != TrackAudience.viewersName else {
            throw Problem.forbidden("The name \(caller.id) is taken by the program itself.")
        }
        try checkLock(event.id, caller)
        try await makeRoom(event.id, org: event.org)
        // It may have been locked meanwhile.
        try checkLock(event.id, caller)
        let place = try self.place(for: caller.id, succeeding: former, event.id)
        if place == nil { try checkRoom(event.id) }
        let session = RandomToken.id()
        rooms[event.id]?.members[caller.id, default: Member(principal: caller)].sessions.insert(session)
        sessions[session] = Session(
            event: event.id, participant: caller.id, succeeds: place, listener: listener)
        return session
    }

    func own(_ session: String, _ caller: Principal) throws -> String {
        guard let known = sessions[session], known.participant == caller.id, known.participant != Self.compositorID,
            rooms[known.event]?.org == caller.org
        else {
            throw Problem.notFound("There is no such session.")
        }
        return known.event
    }

    func forget(_ session: String) {
        guard let known = sessions.removeValue(forKey: session) else { return }
        guard known.viewer == nil else {
            rooms[known.event]?.viewers.remove(session)
            // Who is in the room does not see who watches; the compositor makes their sound as long as somebody does.
            if known.watched == .program, !watchesProgram(known.event) { changed(known.event) }
            return
        }
        rooms[known.event]?.hidden.remove(session)
        if var member = rooms[known.event]?.members[known.participant] {
            member.sessions.remove(session)
            member.connected.remove(session)
            member.tracks = member.tracks.filter { $0.value.session != session }
            rooms[known.event]?.members[known.participant] = member.sessions.isEmpty ? nil : member
            if member.sessions.isEmpty {
                departures.note(known.participant, known.event, now: SystemClock.monotonic())
            }
            if member.sessions.isEmpty, dominant[known.event] == known.participant { setDominant(nil, known.event) }
        }
        changed(known.event)
    }

    /// Tells a room's SFU something.
    ///
    /// - Parameters:
    ///   - session: is forgotten when that fails.
    ///   - withinMs: how long the answer is waited for.
    func send(
        _ command: SFUCommand, _ event: String, opening session: String? = nil,
        withinMs: Int64 = WorkerRegistry.patienceMs
    ) async throws -> SFUReply {
        guard let sfu = rooms[event]?.sfu else { throw Problem.notFound("The room is gone.") }
        do {
            switch try await registry.send(.sfu(command), to: sfu, withinMs: withinMs) {
            case .sfu(let reply): return reply
            case .refused(let error): throw Self.problem(error)
            case .done, .failed, .compositor: throw Self.unexpected
            }
        } catch {
            if let session { forget(session) }
            throw error
        }
    }

    /// Tells the listeners what has changed, at most four times a second.
    func changed(_ event: String) {
        guard notifying.insert(event).inserted else { return }
        Task {
            try? await Task.sleep(for: .milliseconds(250))
            notify(event)
        }
    }

    private func notify(_ event: String) {
        notifying.remove(event)
        let change = rosters[event]?.change(to: participants(event, withHidden: true))
        let all = change?.all.parts ?? [], visible = change?.visible.parts ?? []
        for listener in listeners[event]?.values.map({ $0 }) ?? [] {
            for part in listener.seesHidden ? all : visible { listener.participantsChanged(part) }
            listener.roomChanged()
        }
    }

    static var unexpected: Problem {
        Problem(.badGateway, "worker", "A worker could not do it", detail: "The media server answered out of turn.")
    }

    private static func problem(_ error: SFUError) -> Problem {
        switch error.code {
        case .malformed: Problem(.badRequest, "malformed", "The request can't be read", detail: error.detail)
        case .badRequest: .invalid(error.detail)
        case .forbidden: .forbidden(error.detail)
        case .notFound: .notFound(error.detail)
        case .conflict: .conflict("conflict", error.detail)
        case .full, .stopped: .overloaded(error.detail, retryAfterMs: 2000)
        }
    }
}
