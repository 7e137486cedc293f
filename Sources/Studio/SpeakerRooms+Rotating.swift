// Other keys: a second session of a participant in the place of the first.

internal import Control
internal import Web

extension SpeakerRooms {
    /// Looks whether a participant may have another session.
    ///
    /// Those that are to take over do not count beside the ones whose places they take, so that somebody who has all the
    /// connections there may be can still change their keys. It is one heir for each, and none for an heir.
    ///
    /// - Returns: whose place the new one is to take, without counting itself; nil for one that counts.
    /// - Throws: `Problem` 429 for one too many.
    func place(for participant: String, succeeding former: String?, _ event: String) throws -> String? {
        let own = rooms[event]?.members[participant]?.sessions ?? []
        let inherited = own.reduce(into: [String: String]()) { heirs, session in
            if let before = sessions[session]?.succeeds, own.contains(before) { heirs[session] = before }
        }
        if let former, own.contains(former), inherited[former] == nil, !inherited.values.contains(former) {
            return former
        }
        guard own.count - inherited.count < Self.sessionLimit else {
            throw Problem.tooMany("A participant has at most \(Self.sessionLimit) connections.", retryAfterMs: 5000)
        }
        return nil
    }

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
