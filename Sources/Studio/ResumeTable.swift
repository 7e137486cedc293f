// Which sockets may come back for which sessions: a value, in the times that it is told.

internal import Media

/// What speakers left behind when their socket went, and who may have it.
///
/// The word is said once, on the socket that it belongs to, and holds until half a minute after that one is gone. A socket that
/// comes back may be ahead of the news that the old one is gone; so the word of one that seems to stand is good too.
struct ResumeTable: Sendable {
    /// Whose the sessions are.
    struct Owner: Sendable, Hashable {
        let participant: String, org: String, event: String
    }

    /// The sessions of a socket.
    struct Sessions: Sendable, Hashable {
        var published: String?, subscribed: String?
        var all: [String] { [published, subscribed].compactMap { $0 } }
    }

    /// What a word is good for.
    enum Claim: Sendable, Hashable {
        /// The socket that said it seems to stand still: it has to hand its sessions over.
        case standing
        /// It is gone and left these.
        case parked(Sessions)
        /// Nothing: not known, too late, or somebody else's.
        case refused
    }

    private enum Place: Sendable {
        case standing
        case parked(Sessions, until: MonotonicTime)
    }

    static let windowMs: Int64 = 30_000
    /// Words that are kept; beyond that the one that was parked first is given up.
    static let maximumParked = 4000
    private var places: [String: (owner: Owner, place: Place)] = [:]
    private var parked: [String] = []

    /// How many words are kept.
    var count: Int { places.count }

    /// Takes note of a socket that stands.
    mutating func stand(_ word: String, _ owner: Owner) { places[word] = (owner, .standing) }

    /// Whether a word has been said.
    func knows(_ word: String) -> Bool { places[word] != nil }

    /// Takes over a session that an earlier Studio has left: its socket may come back from now on.
    ///
    /// - Returns: whether it is kept.
    mutating func adopt(_ word: String, _ owner: Owner, _ session: String, publishes: Bool, now: MonotonicTime) -> Bool
    {
        var left = Sessions()
        if let known = places[word] {
            guard known.owner == owner, case .parked(let sessions, _) = known.place else { return false }
            left = sessions
        } else {
            guard parked.count < Self.maximumParked else { return false }
            parked.append(word)
        }
        if publishes { left.published = session } else { left.subscribed = session }
        places[word] = (owner, .parked(left, until: now.advanced(byMilliseconds: Self.windowMs)))
        return true
    }

    /// Takes note that a socket is gone and what it left.
    ///
    /// - Returns: sessions that have to be ended, because there were too many.
    mutating func park(_ word: String, _ sessions: Sessions, now: MonotonicTime) -> [Sessions] {
        guard let known = places[word], case .standing = known.place else { return [sessions] }
        places[word] = (known.owner, .parked(sessions, until: now.advanced(byMilliseconds: Self.windowMs)))
        parked.append(word)
        guard parked.count > Self.maximumParked else { return [] }
        return give(up: parked[0]).map { [$0] } ?? []
    }

    /// Forgets a word; nothing was left.
    mutating func forget(_ word: String) {
        places[word] = nil
        parked.removeAll { $0 == word }
    }

    /// Asks what a word is good for; one that is good is good once.
    mutating func claim(_ word: String, _ owner: Owner, now: MonotonicTime) -> Claim {
        guard let known = places[word], known.owner == owner else { return .refused }
        switch known.place {
        case .standing:
            forget(word)
            return .standing
        case .parked(let sessions, let until):
            // Too late is left for `expire`, which ends the sessions.
            guard now < until else { return .refused }
            forget(word)
            return .parked(sessions)
        }
    }

    /// Takes out what nobody has come back for.
    mutating func expire(now: MonotonicTime) -> [Sessions] {
        var expired: [Sessions] = []
        while let first = parked.first, case .parked(_, let until)? = places[first]?.place, now >= until {
            if let sessions = give(up: first) { expired.append(sessions) }
        }
        return expired
    }

    private mutating func give(up word: String) -> Sessions? {
        parked.removeAll { $0 == word }
        guard case .parked(let sessions, _)? = places.removeValue(forKey: word)?.place else { return nil }
        return sessions
    }
}
