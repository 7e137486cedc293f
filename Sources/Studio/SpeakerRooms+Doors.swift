// Who is let into a room, and what they may do there.

internal import Control
internal import HTTPTypes
internal import Media
internal import Web

extension SpeakerRooms {
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

    /// Locks a room, so that only those come in who are in it now or on the way back, and producers; or opens it.
    ///
    /// Who stands before the door with a socket hears nothing more of the room.
    ///
    /// - Returns: who may come back.
    @discardableResult
    func setLocked(_ event: String, _ isLocked: Bool) -> Set<String>? {
        guard isLocked else {
            locks[event] = nil
            return nil
        }
        // Locked again it stays as it is: who was there is still let in, also when they are away for long.
        guard locks[event] == nil else { return locks[event] }
        let listening = listeners[event] ?? [:]
        let absent = departures.expected(
            event, standing: Set(listening.values.compactMap(\.principal?.id)), now: SystemClock.monotonic())
        locks[event] = absent.union((rooms[event]?.members ?? [:]).keys)
        for listener in listening.values {
            guard let caller = listener.principal, !letsIn(event, caller) else { continue }
            unlisten(event, listener)
            listener.shutOut()
        }
        return locks[event]
    }

    /// Takes over the locks that an earlier Studio has left.
    func restore(locks known: [String: Set<String>]) { locks.merge(known) { mine, _ in mine } }

    /// Whether somebody may come in.
    func letsIn(_ event: String, _ caller: Principal) -> Bool {
        locks[event]?.contains(caller.id) ?? true || caller.role == .admin || caller.role == .producer
    }

    /// Throws `Problem` 503 where the people of an event have as many connections as they may.
    ///
    /// Those that are to take over do not count: they stand for a moment beside the ones whose places they take.
    func checkRoom(_ event: String) throws {
        let people = rooms[event]?.members.values.flatMap(\.sessions) ?? []
        let count = people.count { sessions[$0]?.succeeds.flatMap { sessions[$0] } == nil }
        guard count >= connectionLimit else { return }
        throw Problem.overloaded(
            "The people of this event have \(count) connections, and no more can be.", retryAfterMs: 5000)
    }

    /// Throws `Problem` 403 for who is not let in.
    func checkLock(_ event: String, _ caller: Principal) throws {
        guard !letsIn(event, caller) else { return }
        throw Problem(
            .forbidden, "room-locked", "The room is locked",
            detail: "The room is locked: ask the producer to let you in.")
    }
}
