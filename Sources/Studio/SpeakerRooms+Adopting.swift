// Rooms that outlive Studio: what is known of each session is written down at its media server, and read by the next Studio.

internal import Control
internal import Foundation
internal import Logging
internal import Media
internal import Web

/// What a Studio has to know of a session that it did not see begin.
struct SessionNote: Codable, Sendable, Hashable {
    /// Whose it is.
    var claims: TokenClaims
    /// The word with which its socket comes back; nil for who was let in by HTTP.
    var word: String?
    /// What names its generation of ICE.
    var entityTag: String
    /// From where and what a viewer watches; nil for people in the room.
    var address: String?, watched: WatchedSource?

    init?(_ text: String) {
        guard let note = try? JSONDecoder().decode(Self.self, from: Data(text.utf8)) else { return nil }
        self = note
    }

    init(claims: TokenClaims, word: String?, entityTag: String, address: String? = nil, watched: WatchedSource? = nil) {
        self.claims = claims
        self.word = word
        self.entityTag = entityTag
        self.address = address
        self.watched = watched
    }

    /// As it is written; nil for what no media server keeps.
    var text: String? {
        guard let data = try? JSON.encoder.encode(self), data.count <= SFUSession.noteLimitBytes else { return nil }
        return String(decoding: data, as: UTF8.self)
    }
}

extension SpeakerRooms {
    /// How long after the start it is waited for media servers that carry rooms: they dial again within two seconds.
    static let adoptionMs: Int64 = 8000
    /// How long a page of sessions is waited for; the news of other workers wait as well.
    static let adoptionPatienceMs: Int64 = 3000
    /// A compositor's connections of before end by themselves when it has others; after this they are ended.
    static let compositorGraceMs: Int64 = 10_000

    /// Writes down what the next Studio has to know of a session; without it the session ends with this Studio.
    func writeDown(_ session: String) {
        guard let known = sessions[session], let sfu = rooms[known.event]?.sfu,
            let claims = known.viewer?.claims ?? rooms[known.event]?.members[known.participant]?.principal.claims,
            let text = SessionNote(
                claims: claims, word: known.listener?.word, entityTag: known.entityTag,
                address: known.viewer?.address, watched: known.watched
            ).text
        else { return }
        _ = registry.say(.sfu(.note(session: session, text: text)), to: sfu)
    }

    /// Throws `Problem` 503 for a word that nobody knows while a media server may still come that does.
    func checkAdoption(of word: String) throws {
        guard let end = adoptsUntil, SystemClock.monotonic() < end, !resumes.knows(word) else { return }
        throw Problem.overloaded("The studio has just begun, and does not know yet who was here.", retryAfterMs: 300)
    }

    /// Waits until it is known who is here, as long as a media server may still come that says so.
    func settled() async {
        while let end = adoptsUntil, SystemClock.monotonic() < end {
            guard (try? await Task.sleep(for: .milliseconds(20))) != nil else { return }
        }
    }

    /// Takes over what a media server carries for the Studio before this one.
    ///
    /// - Parameters:
    ///   - sfu: the worker, of whom this Studio has not heard before.
    ///   - judge: the organisation of an event in which somebody may still be; nil for one that is gone, and for a token that was
    ///     revoked.
    func adopt(_ sfu: String, judge: (_ event: String, _ claims: TokenClaims) async -> String?) async {
        defer { adoptsUntil = nil }
        do {
            var last: String?
            repeat {
                let reply = try await registry.send(
                    .sfu(.sessions(after: last)), to: sfu, withinMs: Self.adoptionPatienceMs)
                guard case .sfu(.sessions(let found)) = reply else { throw Self.unexpected }
                for session in found { await adopt(session, sfu, judge) }
                last = found.count < SFUSession.pageLimit ? nil : found.last?.id
            } while last != nil
        } catch {
            logger.warning("rooms can't be taken over", metadata: ["worker": "\(sfu)", "error": "\(error)"])
            // Nobody is there whom nobody here knows.
            _ = try? await registry.send(.sfu(.closeRooms), to: sfu)
        }
    }

    private func adopt(_ found: SFUSession, _ sfu: String, _ judge: (String, TokenClaims) async -> String?) async {
        guard sessions[found.id] == nil else { return }
        guard let note = found.note.flatMap({ SessionNote($0) }), found.participant != Self.compositorID,
            let org = await judge(found.room, note.claims), sessions[found.id] == nil,
            rooms[found.room].map({ $0.sfu == sfu && $0.org == org }) ?? true
        else { return release(found, sfu) }
        let principal = Principal(claims: note.claims, source: .ticket)
        var room = rooms[found.room] ?? Room(org: org, sfu: sfu)
        var session = Session(event: found.room, participant: principal.id)
        session.entityTag = note.entityTag
        if let address = note.address, let watched = note.watched {
            session.viewer = Viewer(principal: principal, address: address)
            session.watched = watched
            room.viewers.insert(found.id)
        } else {
            session.receives = found.direction == .receives
            var member = room.members[principal.id] ?? Member(principal: principal)
            member.sessions.insert(found.id)
            if found.isConnected { member.connected.insert(found.id) }
            for track in found.tracks {
                member.tracks[track.id] = track
                // What a producer holds back says nothing of what they have muted; their page says it when it comes back.
                let isHeld = Self.soundSources.contains(track.source) && isSilenced(principal.id, found.room)
                if track.isMuted, !isHeld { member.muted.insert(track.source) }
            }
            room.members[principal.id] = member
            // Who closed the door just now meant those who were inside.
            locks[found.room]?.insert(principal.id)
        }
        if let word = note.word {
            let owner = ResumeTable.Owner(participant: principal.id, org: org, event: found.room)
            let isKept = resumes.adopt(
                word, owner, found.id, publishes: found.direction == .publishes, now: SystemClock.monotonic())
            guard isKept else { return release(found, sfu) }
        }
        rooms[found.room] = room
        sessions[found.id] = session
        for track in found.tracks { holdBack(track, found.room) }
        if found.hasFloor { setDominant(principal.id, found.room) }
        changed(found.room)
    }

    /// Lets a session go that nobody here takes.
    private func release(_ found: SFUSession, _ sfu: String) {
        let graceMs = found.participant == Self.compositorID ? Self.compositorGraceMs : 0
        Task { [registry] in
            try await Task.sleep(for: .milliseconds(graceMs))
            _ = try? await registry.send(.sfu(.leave(session: found.id)), to: sfu)
        }
    }
}
