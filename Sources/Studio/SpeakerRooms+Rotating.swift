// Other keys: a second session of a participant in the place of the first.

internal import Control
internal import Web

extension SpeakerRooms {
    /// The SFU has moved a publishing session's tracks to another session of the same participant.
    func replaced(_ session: String, by heir: String, in event: String) {
        guard let next = sessions[heir] else {
            // It was given up here, or never heard of, while the SFU let it go on.
            Task { _ = try? await send(.leave(session: heir), event) }
            return
        }
        guard let listener = next.listener?.tookOver(heir) else { return }
        // That the first one ends is as it should be, and no reason to join again.
        sessions[session]?.listener = nil
        sessions[heir]?.listener = listener
        writeDown(heir)
    }

    /// Lets a subscribing session take over from another of the same person, which is ended.
    ///
    /// - Parameter listener: hears of it from now on, first of all that it does.
    /// - Throws: `Problem` 404 for a session that is not there any more or not the caller's, 409 where the one before is by now
    ///   somebody else's to end.
    func succeed(
        _ session: String, from former: String, _ caller: Principal, listener: any RoomListener
    ) async throws {
        _ = try own(session, caller)
        guard sessions[former]?.listener === listener else {
            throw Problem.conflict("taken-over", "Another connection has taken over.")
        }
        // What is still said of the one before must not be taken for a word of this one.
        sessions[former]?.listener = nil
        listener.subscribedAnew()
        sessions[session]?.listener = listener
        listener.lineChanged(sessions[session]?.limits ?? [:])
        writeDown(session)
        try? await leave(former, caller)
    }
}
