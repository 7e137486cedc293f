// The pages' signalling: one WebSocket per speaker, requests answered in order.

internal import Control
internal import Foundation
internal import HTTPTypes
internal import Synchronization
internal import Web

/// One speaker's signalling connection.
final class SpeakerSocket: WebSocketHandler, ResumableListener {
    private struct Request: Decodable {
        struct Publish: Decodable {
            let offer: String, sources: [String: TrackSource]?
        }
        /// Second connections of a page that changes its keys.
        struct Rotate: Decodable {
            let publish: Publish?
            let subscribe: Bool?, layers: [String: LayerSize]?, answer: String?, done: Bool?
        }
        struct Mute: Decodable {
            let source: TrackSource, muted: Bool
        }
        let id: Int64
        let publish: Publish?, subscribe: Bool?, answer: String?, mute: Mute?, leave: Bool?
        /// In which size the page shows each track, by its id.
        let layers: [String: LayerSize]?
        let restart: Bool?, resume: String?, rotate: Rotate?
    }

    /// What is read of a request that can't be read otherwise, so that its answer finds it.
    private struct Numbered: Decodable {
        let id: Int64
    }

    private struct Message: Encodable {
        struct Hello: Encodable {
            let participant: String, name: String?, role: Role
            /// The word with which another socket of this person takes this one's sessions over, and for how long it holds.
            let resume: String, resumeMs: Int64
            /// How this browser has to go about sending.
            let quirks: BrowserQuirks
            /// How often a page makes its connections anew, with other keys; missing for never.
            let rotateMs: Int64?
        }
        struct Rotation: Encodable {
            /// An offer of the second subscribing session.
            var offer: String?
            /// The second session has taken over: what comes now is of that one.
            var published: Bool?, subscribed: Bool?
            /// Why a second session has ended; the first one goes on.
            var ended: String?
        }
        struct Speaker: Encodable {
            let participant: String?
        }
        struct Rejoin: Encodable {
            let reason: String
        }
        struct Failure: Encodable {
            let type: String, title: String, status: Int, detail: String?, retryAfterMs: Int64?
        }
        var id: Int64?
        var hello: Hello?
        var participants: [SpeakerView]?
        var changes: RosterChange?
        var speaker: Speaker?
        var limits: [String: LineLimit]?
        var lossy: Bool?
        var offer: String?
        var rotation: Rotation?
        var rejoin: Rejoin?
        var answer: String?
        var ok: Bool?
        var error: Failure?
    }

    private struct State {
        var peer: WebSocketPeer?
        var held = ResumeTable.Sessions()
        /// The sessions that are to take the places of those that are held, and who hears of them meanwhile.
        var nextPublished: NextSession?, nextSubscribed: NextSession?
        /// Whether another socket has the sessions now, and whether we closed this one because nobody is let in by it any more.
        var isSurrendered = false, isDismissed = false
        /// Whether the room's news come here.
        var isListening = false

        mutating func take() -> ResumeTable.Sessions {
            defer { held = .init() }
            return held
        }

        mutating func takeNextPublished() -> NextSession? {
            defer { nextPublished = nil }
            return nextPublished
        }

        mutating func takeNextSubscribed() -> NextSession? {
            defer { nextSubscribed = nil }
            return nextSubscribed
        }
    }

    private let speakers: SpeakerRooms
    private let event: EventScope
    private let caller: Principal
    private let browser: Browser
    private let connections: OpenConnections
    private let lifetimeSeconds: Int64
    private let rotateMs: Int64?
    private let countOffer: @Sendable () throws(Problem) -> Void
    private let refuseRevoked: @Sendable () async throws -> Void
    private let secret = RandomToken.secret()
    private let state = Mutex(State())
    private let requests: AsyncStream<String>
    private let continuation: AsyncStream<String>.Continuation

    init(
        speakers: SpeakerRooms, event: EventScope, caller: Principal, browser: Browser, connections: OpenConnections,
        lifetimeSeconds: Int64, rotateMs: Int64?, countOffer: @escaping @Sendable () throws(Problem) -> Void,
        refuseRevoked: @escaping @Sendable () async throws -> Void
    ) {
        self.countOffer = countOffer
        self.lifetimeSeconds = lifetimeSeconds
        self.rotateMs = rotateMs
        self.refuseRevoked = refuseRevoked
        self.speakers = speakers
        self.event = event
        self.caller = caller
        self.browser = browser
        self.connections = connections
        (requests, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(64))
    }

    // MARK: - The connection

    func opened(_ peer: WebSocketPeer) {
        state.withLock { $0.peer = peer }
        let registration = connections.add(jti: caller.claims.jti) { [self] in
            state.withLock { $0.isDismissed = true }
            peer.close(WebSocketCloseCode.unauthorized, "the token was revoked")
        }
        let expiry = Task { [self] in
            try await Task.sleep(for: .seconds(min(lifetimeSeconds, 366 * 86_400)))
            state.withLock { $0.isDismissed = true }
            peer.close(WebSocketCloseCode.unauthorized, "the token has expired")
        }
        Task { [self] in
            defer { expiry.cancel() }
            do {
                // Revoking writes the table first and closes connections then: one that registers between is seen here.
                try await refuseRevoked()
            } catch {
                state.withLock { $0.isDismissed = true }
                peer.close(WebSocketCloseCode.unauthorized, "the token was revoked")
            }
            await speakers.stand(secret, event, caller, self)
            send(
                Message(
                    hello: .init(
                        participant: caller.id, name: caller.name, role: caller.role, resume: secret,
                        resumeMs: ResumeTable.windowMs, quirks: browser.quirks, rotateMs: rotateMs)))
            await listen()
            for await text in requests { await answer(text) }
            connections.remove(jti: caller.claims.jti, id: registration)
            await dropNext()
            let left = state.withLock { $0.take() }
            let code = peer.receivedCloseCode, isOver = Self.isGoodbye(code) || state.withLock { $0.isDismissed }
            if left.all.isEmpty || isOver || code == WebSocketCloseCode.comesBack {
                await speakers.quit(secret, event.id, self, left, forGood: isOver)
            } else {
                await speakers.park(secret, event.id, self, left)
            }
        }
    }

    func received(_ text: String, from peer: WebSocketPeer) {
        if case .dropped = continuation.yield(text) { peer.close(WebSocketCloseCode.tooMany, "too many requests") }
    }

    func closed(_ peer: WebSocketPeer) { continuation.finish() }

    /// Whether somebody has left, by a word of theirs or with the page; anything else may be the network's doing.
    private static func isGoodbye(_ code: UInt16?) -> Bool { code == 1000 || code == 1001 }

    func surrender() -> ResumeTable.Sessions {
        let (left, peer) = state.withLock { state in
            state.isSurrendered = true
            return (state.take(), state.peer)
        }
        peer?.close(WebSocketCloseCode.policyViolation, "another connection has taken over")
        return left
    }

    // MARK: - What the room says

    var principal: Principal? { caller }

    var word: String? { secret }

    var seesHidden: Bool { SpeakerRoutes.seesHidden(caller) }

    func participantsChanged(_ participants: [SpeakerView]) { send(Message(participants: participants)) }

    func participantsChanged(_ change: RosterChange) { send(Message(changes: change)) }

    func speakerChanged(_ participant: String?) { send(Message(speaker: .init(participant: participant))) }

    func lineChanged(_ limits: [String: LineLimit]) { send(Message(limits: limits)) }

    func lineLosesMuch() { send(Message(lossy: true)) }

    func offered(_ offer: String) { send(Message(offer: offer)) }

    /// Who is not let in learns no more than that, when they ask to come in.
    func shutOut() { state.withLock { $0.isListening = false } }

    func mustRejoin(_ reason: String) {
        let sessions = state.withLock { $0.take().all }
        // One word is enough for both sessions.
        guard !sessions.isEmpty else { return }
        Task {
            await dropNext()
            for session in sessions { try? await speakers.leave(session, caller) }
        }
        send(Message(rejoin: .init(reason: reason)))
    }

    /// Whoever has come in hears what the room says, also where they were not let in when this was opened.
    private func listen() async {
        let isNew = state.withLock { state in
            defer { state.isListening = true }
            return !state.isListening
        }
        if isNew { await speakers.listen(event.id, self) }
    }

    // MARK: - Requests

    private func answer(_ text: String) async {
        let request: Request
        do throws(Problem) {
            request = try JSON.decodeStrictly(Request.self, from: Data(text.utf8))
        } catch {
            let id = (try? JSONDecoder().decode(Numbered.self, from: Data(text.utf8)))?.id
            return send(Message(id: id, error: Self.failure(error)))
        }
        do {
            var reply = try await carryOut(request)
            reply.id = request.id
            send(reply)
        } catch {
            let problem =
                error as? Problem ?? Problem(.internalServerError, "internal", "Something went wrong here")
            send(Message(id: request.id, error: Self.failure(problem)))
        }
    }

    private func carryOut(_ request: Request) async throws -> Message {
        if let publish = request.publish {
            try countOffer()
            let known = state.withLock { $0.held.published }
            let (session, answer) = try await speakers.publish(
                event, caller, session: known, offer: publish.offer, sources: publish.sources ?? [:], listener: self)
            // Another socket may have taken it over meanwhile; one that was opened only now is ended with this one.
            state.withLock { if known == nil || !$0.isSurrendered { $0.held.published = session } }
            await listen()
            return Message(answer: answer)
        }
        if let publish = request.rotate?.publish { return Message(answer: try await replacePublished(publish)) }
        if request.subscribe == true {
            guard state.withLock({ $0.held.subscribed == nil }) else {
                throw Problem.conflict("subscribed", "This connection subscribes already.")
            }
            let session = try await speakers.subscribe(event, caller, listener: self)
            state.withLock { $0.held.subscribed = session }
            await listen()
        } else if let answer = request.answer {
            try await speakers.answer(try subscribed(), caller, answer)
        } else if request.restart == true {
            try await speakers.restart(try subscribed(), caller)
        } else if let word = request.resume {
            guard state.withLock({ $0.held.all.isEmpty }) else {
                throw Problem.conflict("joined", "This connection has joined already.")
            }
            let sessions = try await speakers.resume(word, event, caller, listener: self)
            state.withLock { $0.held = sessions }
            await listen()
            if let subscribed = sessions.subscribed { await speakers.offerAgain(subscribed) }
        } else if let rotate = request.rotate {
            try await carryOut(rotate)
        } else if let mute = request.mute {
            try await speakers.setMuted(event, caller, mute.source, mute.muted)
        } else if let layers = request.layers {
            try await speakers.setSizes(try subscribed(), caller, layers)
        } else if request.leave == true {
            await dropNext()
            let sessions = state.withLock { $0.take().all }
            for session in sessions { try await speakers.leave(session, caller) }
        } else {
            throw Problem.invalid("Say publish, subscribe, answer, mute, layers, restart, resume, rotate or leave.")
        }
        return Message(ok: true)
    }

    // MARK: - Changing keys

    private func carryOut(_ rotate: Request.Rotate) async throws {
        if rotate.subscribe == true {
            let former = try subscribed()
            await drop { $0.takeNextSubscribed() }
            let next = NextSession(self)
            state.withLock { $0.nextSubscribed = next }
            let session: String
            do {
                session = try await speakers.subscribe(event, caller, succeeding: former, listener: next)
            } catch {
                state.withLock { if $0.nextSubscribed === next { $0.nextSubscribed = nil } }
                throw error
            }
            try await keep(next, session) { $0.nextSubscribed }
            if let layers = rotate.layers { try await speakers.setSizes(session, caller, layers) }
        } else if let answer = rotate.answer {
            // An offer that was under way when it took over is answered all the same.
            let session = try state.withLock { $0.nextSubscribed?.session } ?? subscribed()
            try await speakers.answer(session, caller, answer)
        } else if rotate.done == true {
            let former = try subscribed()
            guard let session = state.withLock({ $0.nextSubscribed?.session }) else {
                throw Problem.conflict("not-rotating", "There is no second connection.")
            }
            try await speakers.succeed(session, from: former, caller, listener: self)
        } else {
            await dropNext()
        }
    }

    /// Takes the offer of a connection that is to send what the first one sends.
    private func replacePublished(_ publish: Request.Publish) async throws -> String {
        guard let held = state.withLock({ $0.held.published }) else {
            throw Problem.conflict("not-published", "Publish first.")
        }
        try countOffer()
        await drop { $0.takeNextPublished() }
        let next = NextSession(self)
        state.withLock { $0.nextPublished = next }
        do {
            let (session, answer) = try await speakers.publish(
                event, caller, session: nil, offer: publish.offer, sources: publish.sources ?? [:], replacing: held,
                listener: next)
            try await keep(next, session) { $0.nextPublished }
            return answer
        } catch {
            state.withLock { if $0.nextPublished === next { $0.nextPublished = nil } }
            throw error
        }
    }

    /// Names the session that was opened to take over; one that was given up meanwhile is ended.
    private func keep(_ next: NextSession, _ session: String, _ kept: (State) -> NextSession?) async throws {
        next.name(session)
        guard state.withLock({ kept($0) !== next && $0.held.published != session }) else { return }
        try? await speakers.leave(session, caller)
        throw Problem.conflict("not-rotating", "The second connection has been given up.")
    }

    /// Gives up the sessions that were to take over.
    private func dropNext() async {
        await drop { $0.takeNextPublished() }
        await drop { $0.takeNextSubscribed() }
    }

    private func drop(_ take: (inout State) -> NextSession?) async {
        if let session = state.withLock({ take(&$0) })?.session { try? await speakers.leave(session, caller) }
    }

    /// Offers of a subscribing session that is to take over go out by another name.
    func offeredNext(_ offer: String) { send(Message(rotation: .init(offer: offer))) }

    /// A publishing session has taken over.
    func tookOver(_ session: String, _ next: NextSession) -> (any RoomListener)? {
        let isOurs = state.withLock { state in
            guard state.nextPublished === next, !state.isSurrendered else { return false }
            state.nextPublished = nil
            state.held.published = session
            return true
        }
        guard isOurs else { return nil }
        send(Message(rotation: .init(published: true)))
        return self
    }

    /// A session that was to take over has ended; those that are held go on.
    func lost(_ next: NextSession, _ reason: String) {
        let isOurs = state.withLock { state in
            if state.nextPublished === next { return state.takeNextPublished() != nil }
            return state.nextSubscribed === next && state.takeNextSubscribed() != nil
        }
        if isOurs { send(Message(rotation: .init(ended: reason))) }
    }

    func subscribedAnew() {
        state.withLock { state in
            if let session = state.takeNextSubscribed()?.session { state.held.subscribed = session }
        }
        send(Message(rotation: .init(subscribed: true)))
    }

    private func subscribed() throws -> String {
        guard let session = state.withLock({ $0.held.subscribed }) else {
            throw Problem.conflict("not-subscribed", "Subscribe first.")
        }
        return session
    }

    private func send(_ message: Message) {
        guard let peer = state.withLock({ $0.peer }), let data = try? JSON.encoder.encode(message) else { return }
        peer.send(String(decoding: data, as: UTF8.self))
    }

    private static func failure(_ problem: Problem) -> Message.Failure {
        Message.Failure(
            type: problem.type, title: problem.title, status: problem.status.code, detail: problem.detail,
            retryAfterMs: problem.retryAfterMs)
    }
}
