// ICE of sessions that were made by HTTP: who may say what of it, and of which generation.

internal import Control
internal import Web

extension SpeakerRooms {
    /// What names a session's generation of ICE, as an entity tag (RFC 9110 section 8.8.3).
    ///
    /// - Throws: `Problem` 404 for a session that is not the caller's.
    func entityTag(of session: String, _ caller: Principal) throws -> String {
        _ = try own(session, caller)
        return sessions[session]?.entityTag ?? ""
    }

    /// Takes a fragment that its maker sends to a session (RFC 9725 section 4.3).
    ///
    /// - Parameters:
    ///   - event: the event that the session's path names.
    ///   - generation: which generation of ICE it is for.
    ///   - fragment: an `application/trickle-ice-sdpfrag`.
    /// - Returns: the tag of the generation that there is then, and our side of a restart.
    /// - Throws: `Problem` 404 for a session that is not the caller's, 412 for another generation, and the media server's.
    func take(
        fragment: String, for generation: ICEGeneration, _ event: EventScope, _ session: String, _ caller: Principal
    ) async throws -> (entityTag: String, answer: String?) {
        guard try own(session, caller) == event.id else { throw Problem.notFound("There is no such session.") }
        try generation.check(sessions[session]?.entityTag ?? "")
        let reply = try await send(
            .fragment(session: session, text: fragment, restarts: generation == .next), event.id)
        guard case .fragment(let answer) = reply else { throw Self.unexpected }
        // The newest restart is answered last, and its tag stays.
        if answer != nil {
            sessions[session]?.entityTag = SpeakerRooms.Session.makeTag()
            writeDown(session)
        }
        return (sessions[session]?.entityTag ?? "", answer)
    }
}
