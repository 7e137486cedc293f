// Coming back: sessions that wait for the next socket of the same person.

internal import Control
internal import Media
internal import Web

extension SpeakerRooms {
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

    /// Removes a listener that gives its sessions up, and ends them.
    ///
    /// - Parameter forGood: whether nobody comes back behind it.
    func quit(
        _ word: String, _ event: String, _ listener: any RoomListener, _ left: ResumeTable.Sessions,
        forGood: Bool = true
    ) async {
        unlisten(event, listener)
        standing[word] = nil
        resumes.forget(word)
        await end(left)
        if forGood, let caller = listener.principal, rooms[event]?.members[caller.id] == nil {
            departures.forget(caller.id, event)
        }
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
        case .refused:
            try checkAdoption(of: word)
            left = .init()
        }
        guard !left.all.isEmpty, left.all.allSatisfy({ (try? own($0, caller)) == event.id }) else {
            await end(left)
            throw Problem.notFound("There is nothing to come back to: join again.")
        }
        for session in left.all {
            sessions[session]?.listener = listener
            writeDown(session)
        }
        return left
    }

    /// Says again what may have been lost on the way: the offer, and what the line has no room for.
    func offerAgain(_ session: String) {
        guard let known = sessions[session] else { return }
        known.listener?.lineChanged(known.limits)
        if let offer = known.offer { known.listener?.offered(offer) }
    }

    /// Ends the sessions that nobody has come back for; called each second.
    func endParked() async {
        for sessions in resumes.expire(now: SystemClock.monotonic()) { await end(sessions) }
    }

    func end(_ left: ResumeTable.Sessions) async {
        for session in left.all {
            guard let known = sessions[session] else { continue }
            forget(session)
            _ = try? await send(.leave(session: session), known.event)
        }
    }

    static func owner(_ event: EventScope, _ caller: Principal) -> ResumeTable.Owner {
        .init(participant: caller.id, org: caller.org, event: event.id)
    }
}
