// Who is in which room, on which SFU: the state behind WHIP and the pages' signalling.

internal import Control
internal import Foundation
internal import HTTPTypes
internal import Logging
internal import Media
internal import Web

/// Who is told what happens in a room.
protocol RoomListener: AnyObject, Sendable {
    /// Whether it is told of those too whom others do not see.
    var seesHidden: Bool { get }
    /// Who is there when it begins to listen.
    func participantsChanged(_ participants: [SpeakerView])
    /// What is different since it was told last.
    func participantsChanged(_ change: RosterChange)
    /// Something is different, be it nothing that participants are told.
    func roomChanged()
    /// Somebody else has the floor; nil when nobody has it any more.
    func speakerChanged(_ participant: String?)
    /// The own subscribing session must answer an offer.
    func offered(_ offer: String)
    /// The own sessions are gone: join again.
    func mustRejoin(_ reason: String)
}

extension RoomListener {
    var seesHidden: Bool { false }
    func participantsChanged(_ change: RosterChange) {}
    func roomChanged() {}
    func speakerChanged(_ participant: String?) {}
}

/// A listener whose sessions another of the same person may take over.
protocol ResumableListener: RoomListener {
    /// Gives its sessions up and ends its connection.
    func surrender() -> ResumeTable.Sessions
}

/// A participant as others see it.
struct SpeakerView: Encodable, Sendable, Hashable {
    struct Track: Encodable, Sendable, Hashable {
        let id: String, kind: String, source: TrackSource, codec: Codec?, muted: Bool, layers: Int?
    }

    struct Connection: Encodable, Sendable, Hashable {
        let state: String
    }

    let id: String, name: String?, role: Role, tracks: [Track], connection: Connection
    /// Whether the program's own sound has theirs; nobody's while no compositor runs.
    var onStage = false
    /// True for those whom only producers see; missing for everybody else.
    var hidden: Bool?

    /// The camera and the screen for which they have a track.
    var pictureSources: Set<TrackSource> { Set(tracks.map(\.source).filter(\.isVideo)) }

    /// Those of them that come in several sizes.
    var layeredSources: Set<TrackSource> { Set(tracks.filter { $0.layers ?? 1 > 1 }.map(\.source)) }

    /// Those of them of which they send nothing, because they hide all tracks.
    var mutedSources: Set<TrackSource> {
        pictureSources.subtracting(tracks.filter { !$0.muted }.map(\.source))
    }
}

/// The rooms of all events: one per event, each on one SFU.
///
/// Sessions live on the SFU; what stands here is who they belong to. When the SFU is gone, everybody is told to join
/// again, and the room is made anew where there is one.
actor SpeakerRooms {
    fileprivate struct Member {
        let principal: Principal
        var sessions: Set<String> = []
        var connected: Set<String> = []
        var tracks: [String: TrackInfo] = [:]
        /// Who is hidden sees and hears, and sends nothing.
        var isHidden: Bool { SpeakerRooms.isHidden(principal) }
    }

    struct Room {
        let org: String, sfu: String
        fileprivate var members: [String: Member] = [:]
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
        weak var listener: (any RoomListener)?

        static func makeTag() -> String { "\"\(RandomToken.id())\"" }
    }

    static let sessionLimit = 6
    /// As whom a compositor sees the room; it stands in no list, and nobody else may come by this name.
    static let compositorID = "proscenium-compositor"
    private let registry: WorkerRegistry
    private let logger: Logger
    var rooms: [String: Room] = [:]
    var sessions: [String: Session] = [:]
    private var resumes = ResumeTable()
    /// Who stands behind the words that have been said.
    private var standing: [String: any ResumableListener] = [:]
    private var listeners: [String: [ObjectIdentifier: any RoomListener]] = [:]
    /// Who is heard in each event's program.
    private var stages: [String: Set<String>] = [:]
    /// What the listeners of each event's room were told last.
    private var rosters: [String: Roster] = [:]
    /// Who may come back into a room that is locked.
    private var locks: [String: Set<String>] = [:]
    /// What the connections of each event's room were like when it was asked last.
    private var figures: [String: ConnectionFigures] = [:]
    /// Who has the floor in each event's room.
    private var dominant: [String: String] = [:]
    private var notifying: Set<String> = []

    init(registry: WorkerRegistry, logger: Logger) {
        self.registry = registry
        self.logger = logger
    }

    // MARK: - What participants do

    /// Takes a publisher's offer.
    ///
    /// - Parameters:
    ///   - session: an own session that goes on; nil for a new one.
    ///   - sources: what the sections carry, by mid.
    /// - Returns: the session and the SDP answer.
    func publish(
        _ event: EventScope, _ caller: Principal, session known: String?, offer: String,
        sources: [String: TrackSource], listener: (any RoomListener)? = nil
    ) async throws -> (session: String, answer: String) {
        guard !Self.isHidden(caller) else { throw Problem.forbidden("Who is hidden sends nothing.") }
        guard sources.values.allSatisfy(\.isOfPeople) else {
            throw Problem.invalid("A participant sends a camera, a screen, a microphone or a screen's sound.")
        }
        let session = try await open(event, caller, known, listener)
        let reply = try await send(
            .publish(
                room: event.id, participant: caller.id, session: session, offer: offer, sources: sources,
                allowed: Self.allowed(caller)),
            event.id,
            opening: known == nil ? session : nil)
        guard case .answer(let answer) = reply else { throw Self.unexpected }
        return (session, answer)
    }

    /// Opens a session that gets everybody else's tracks; offers go to the listener.
    func subscribe(_ event: EventScope, _ caller: Principal, listener: any RoomListener) async throws -> String {
        let session = try await open(event, caller, nil, listener)
        let reply = try await send(
            .subscribe(room: event.id, participant: caller.id, session: session), event.id, opening: session)
        sessions[session]?.receives = true
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

    /// Holds back the own tracks of a source, or lets them go on.
    func setMuted(_ event: EventScope, _ caller: Principal, _ source: TrackSource, _ isMuted: Bool) async throws {
        for track in rooms[event.id]?.members[caller.id]?.tracks.values.filter({ $0.source == source }) ?? [] {
            _ = try await send(.setMuted(track: track.id, muted: isMuted), event.id)
        }
    }

    /// Ends a session.
    ///
    /// - Throws: `Problem` 404 for a session that is not there or not the caller's.
    func leave(_ session: String, _ caller: Principal) async throws {
        let event = try own(session, caller)
        forget(session)
        _ = try await send(.leave(session: session), event)
    }

    /// Throws `Problem` 404 unless a session is the caller's.
    func checkOwn(_ session: String, _ caller: Principal) throws { _ = try own(session, caller) }

    // MARK: - What the compositor does

    /// Opens a session that gets everybody's tracks and that nobody sees; offers go to the listener.
    ///
    /// - Parameters:
    ///   - event: whose room it is; the room is made where there is none.
    ///   - org: the organisation of the event.
    ///   - session: the new session's id.
    ///   - listener: is told of offers, and when the session has ended by itself.
    /// - Throws: `Problem` 503 when no SFU has room.
    func watch(_ event: String, org: String, session: String, listener: any RoomListener) async throws {
        try await makeRoom(event, org: org)
        rooms[event]?.hidden.insert(session)
        sessions[session] = Session(event: event, participant: Self.compositorID, listener: listener)
        let reply = try await send(
            .subscribe(room: event, participant: Self.compositorID, session: session, hearsEverybody: true), event,
            opening: session)
        if case .offer(let offer?) = reply { listener.offered(offer) }
    }

    /// Takes the answer to the last offer of a session that `watch` opened.
    func answer(watching session: String, _ answer: String) async throws {
        guard let known = sessions[session], known.participant == Self.compositorID else {
            throw Problem.notFound("There is no such session.")
        }
        _ = try await send(.answer(session: session, answer: answer), known.event)
    }

    /// Says in which size a session that `watch` opened shows each track, all at once.
    func setSizes(watching session: String, _ sizes: [String: LayerSize]) async throws {
        guard let known = sessions[session], known.participant == Self.compositorID else {
            throw Problem.notFound("There is no such session.")
        }
        _ = try await send(.setSizes(session: session, sizes: sizes), known.event)
    }

    /// Publishes the program to the people in its room; it stands in no list, and each track goes only to its audience.
    ///
    /// - Parameters:
    ///   - feed: the event, the session (known ones go on), and who is told when the session has ended by itself.
    ///   - offer: the compositor's SDP.
    ///   - tracks: what each section carries and for whom, by mid.
    /// - Returns: the SDP answer.
    /// - Throws: `Problem` 404 when the room is gone, or the SFU's.
    func publish(program feed: ProgramFeed, offer: String, tracks: [String: ReturnTrack]) async throws -> String {
        let isKnown = sessions[feed.session] != nil
        guard rooms[feed.event] != nil else { throw Problem.notFound("The room is gone.") }
        rooms[feed.event]?.hidden.insert(feed.session)
        if !isKnown {
            sessions[feed.session] = Session(
                event: feed.event, participant: Self.compositorID, listener: feed.listener)
        }
        let command = SFUCommand.publish(
            room: feed.event, participant: Self.compositorID, session: feed.session, offer: offer,
            sources: tracks.mapValues(\.source), audiences: tracks.mapValues(\.audience))
        let reply = try await send(command, feed.event, opening: isKnown ? nil : feed.session)
        guard case .answer(let answer) = reply else { throw Self.unexpected }
        return answer
    }

    /// Who gets what others send: the participants to whom the program can be sent back, and those who watch it by one name.
    func receivers(_ event: String) -> Set<String> {
        let members = rooms[event]?.members ?? [:]
        let people = Set(members.filter { $0.value.sessions.contains { sessions[$0]?.receives == true } }.keys)
        return watchesProgram(event) ? people.union([TrackAudience.viewersName]) : people
    }

    /// Notes who is heard in an event's program, for everybody in its room to know.
    func setStage(_ event: String, _ participants: Set<String>) {
        guard stages[event] ?? [] != participants else { return }
        stages[event] = participants.isEmpty ? nil : participants
        changed(event)
    }

    /// Ends a session that `watch` or `publish` opened; one that has ended is no error.
    func unwatch(_ session: String) async {
        guard let known = sessions[session], known.participant == Self.compositorID else { return }
        forget(session)
        _ = try? await send(.leave(session: session), known.event)
    }

    // MARK: - Who listens

    /// Adds a listener and tells it who is there.
    func listen(_ event: String, _ listener: any RoomListener) {
        listeners[event, default: [:]][ObjectIdentifier(listener)] = listener
        // The list that the others have: what is new since then reaches everybody with the next change.
        let roster = rosters[event] ?? Roster(participants(event, withHidden: true))
        rosters[event] = roster
        listener.participantsChanged(roster.all(withHidden: listener.seesHidden))
        if let dominant = dominant[event] { listener.speakerChanged(dominant) }
    }

    // MARK: - How connections are

    /// A participant's connections, with their tracks.
    ///
    /// - Throws: `Problem` 404 for who is not there, 503 when the SFU does not answer.
    func connections(of participant: String, event: String) async throws -> [ConnectionReport] {
        _ = try principal(of: participant, event: event)
        guard
            case .connections(let reports) = try await send(
                .connections(room: event, participant: participant), event)
        else { throw Self.unexpected }
        return reports
    }

    /// In short how everybody's connections are, asked for once a second at most; empty where the SFU does not say.
    func connectionFigures(_ event: String) async -> [String: ConnectionFigures.Person] {
        let now = SystemClock.monotonic()
        if let known = figures[event], known.isFresh(now) { return known.people }
        // Who asks meanwhile gets what was known.
        figures[event] = ConnectionFigures(people: figures[event]?.people ?? [:], at: now)
        guard case .connections(let reports)? = try? await send(.connections(room: event, participant: nil), event)
        else {
            // Nothing is better than what was so long ago.
            figures[event] = ConnectionFigures(people: [:], at: now)
            return [:]
        }
        let fresh = ConnectionFigures(reports, at: now)
        if rooms[event] != nil { figures[event] = fresh }
        return fresh.people
    }

    /// How somebody's connections were when that was asked last; a change of theirs waits for nobody.
    func knownFigures(of participant: String, event: String) -> ConnectionFigures.Person? {
        figures[event]?.people[participant]
    }

    // MARK: - Who is let in

    /// What somebody may send, as their token's `can` says; nil for everything.
    static func allowed(_ caller: Principal) -> Set<TrackSource>? {
        let words = Set(caller.can).intersection(sendingWords.keys)
        return words.isEmpty ? nil : Set(words.flatMap { sendingWords[$0] ?? [] })
    }

    /// The words of `can` that say what may be sent: with one of them nothing else may.
    static let sendingWords: [String: [TrackSource]] = [
        "camera": [.camera], "microphone": [.microphone], "screen": [.screen, .screenAudio],
    ]

    /// Whether somebody is in a room without being seen there.
    static func isHidden(_ caller: Principal) -> Bool { caller.can.contains("hidden") }

    /// Who may come back into a locked room; nil for one that is open.
    func lock(of event: String) -> Set<String>? { locks[event] }

    /// Locks a room, so that only those come in who are in it now, and producers; or opens it.
    ///
    /// - Returns: who may come back.
    @discardableResult
    func setLocked(_ event: String, _ isLocked: Bool) -> Set<String>? {
        // Locked again it stays as it is: who was there is still let in, also when they are away for a moment.
        if isLocked {
            locks[event] = locks[event] ?? Set((rooms[event]?.members ?? [:]).keys)
        } else {
            locks[event] = nil
        }
        return locks[event]
    }

    /// Takes over the locks that an earlier Studio has left.
    func restore(locks known: [String: Set<String>]) { locks.merge(known) { mine, _ in mine } }

    /// Whether somebody may come in.
    func letsIn(_ event: String, _ caller: Principal) -> Bool {
        locks[event]?.contains(caller.id) ?? true || caller.role == .admin || caller.role == .producer
    }

    /// Throws `Problem` 403 for who is not let in.
    func checkLock(_ event: String, _ caller: Principal) throws {
        guard !letsIn(event, caller) else { return }
        throw Problem(
            .forbidden, "room-locked", "The room is locked",
            detail: "The room is locked: ask the producer to let you in.")
    }

    /// Who has the floor.
    func dominantSpeaker(_ event: String) -> String? { dominant[event] }

    private func setDominant(_ participant: String?, _ event: String) {
        guard dominant[event] != participant else { return }
        dominant[event] = participant
        for listener in listeners[event]?.values.map({ $0 }) ?? [] { listener.speakerChanged(participant) }
    }

    // MARK: - Coming back

    /// Takes note of the word by which a listener's sessions can be taken over.
    func stand(_ word: String, _ event: EventScope, _ caller: Principal, _ listener: any ResumableListener) {
        resumes.stand(word, Self.owner(event, caller))
        standing[word] = listener
    }

    /// Removes a listener whose connection is gone, and keeps its sessions for a while.
    func park(_ word: String, _ event: String, _ listener: any RoomListener, _ left: ResumeTable.Sessions) async {
        unlisten(event, listener)
        standing[word] = nil
        for sessions in resumes.park(word, left, now: SystemClock.monotonic()) { await end(sessions) }
    }

    /// Removes a listener that has said goodbye, and ends its sessions.
    func quit(_ word: String, _ event: String, _ listener: any RoomListener, _ left: ResumeTable.Sessions) async {
        unlisten(event, listener)
        standing[word] = nil
        resumes.forget(word)
        await end(left)
    }

    /// Gives a listener the sessions of one that is gone, or that seems to stand and does not.
    ///
    /// - Throws: `Problem` 404 when there is nothing to come back to, or it is somebody else's.
    func resume(
        _ word: String, _ event: EventScope, _ caller: Principal, listener: any RoomListener
    ) async throws -> ResumeTable.Sessions {
        let left: ResumeTable.Sessions
        switch resumes.claim(word, Self.owner(event, caller), now: SystemClock.monotonic()) {
        case .parked(let sessions): left = sessions
        case .standing: left = standing.removeValue(forKey: word)?.surrender() ?? .init()
        case .refused: left = .init()
        }
        guard !left.all.isEmpty, left.all.allSatisfy({ (try? own($0, caller)) == event.id }) else {
            await end(left)
            throw Problem.notFound("There is nothing to come back to: join again.")
        }
        for session in left.all { sessions[session]?.listener = listener }
        return left
    }

    /// Says the offer again that may have been lost on the way.
    func offerAgain(_ session: String) {
        guard let known = sessions[session], let offer = known.offer else { return }
        known.listener?.offered(offer)
    }

    /// Ends the sessions that nobody has come back for; called each second.
    func endParked() async {
        for sessions in resumes.expire(now: SystemClock.monotonic()) { await end(sessions) }
    }

    private func end(_ left: ResumeTable.Sessions) async {
        for session in left.all {
            guard let known = sessions[session] else { continue }
            forget(session)
            _ = try? await send(.leave(session: session), known.event)
        }
    }

    private static func owner(_ event: EventScope, _ caller: Principal) -> ResumeTable.Owner {
        .init(participant: caller.id, org: caller.org, event: event.id)
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
                hidden: member.isHidden ? true : nil)
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
            for member in room.members.values where member.principal.claims.jti == jti {
                for session in member.sessions {
                    forget(session)
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
        case .published(let room, let track), .muted(let room, let track):
            rooms[room]?.members[track.participant]?.tracks[track.id] = track
            changed(room)
        case .unpublished(let room, let track):
            rooms[room]?.members[track.participant]?.tracks[track.id] = nil
            changed(room)
        case .speaking(let room, let participant):
            if rooms[room] != nil { setDominant(participant, room) }
        case .offer(let session, let offer): offered(offer, to: session)
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
        rooms[event] = nil
        figures[event] = nil
        setDominant(nil, event)
        for listener in watching + (listeners[event]?.values.map { $0 } ?? []) { listener.mustRejoin(reason) }
    }

    private func makeRoom(_ event: String, org: String) async throws {
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
        _ event: EventScope, _ caller: Principal, _ known: String?, _ listener: (any RoomListener)?
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
        let count = rooms[event.id]?.members[caller.id]?.sessions.count ?? 0
        guard count < Self.sessionLimit else {
            throw Problem.tooMany("A participant has at most \(Self.sessionLimit) connections.", retryAfterMs: 5000)
        }
        let session = RandomToken.id()
        rooms[event.id]?.members[caller.id, default: Member(principal: caller)].sessions.insert(session)
        sessions[session] = Session(event: event.id, participant: caller.id, listener: listener)
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
            if member.sessions.isEmpty, dominant[known.event] == known.participant { setDominant(nil, known.event) }
        }
        changed(known.event)
    }

    func send(_ command: SFUCommand, _ event: String, opening session: String? = nil) async throws -> SFUReply {
        guard let sfu = rooms[event]?.sfu else { throw Problem.notFound("The room is gone.") }
        do {
            switch try await registry.send(.sfu(command), to: sfu) {
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
