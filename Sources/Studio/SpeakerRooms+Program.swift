// The compositor's part of a room: it gets everybody, sends the program back, and nobody sees it.

internal import Control
internal import Web

extension SpeakerRooms {
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
}
