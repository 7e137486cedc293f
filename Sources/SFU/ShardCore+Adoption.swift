// What a shard carries and goes on to carry while there is no Studio, told to the next one.

import Control
import Media

extension ShardCore {
    /// Keeps what Studio has written of a session.
    ///
    /// - Throws: `SFUError` for what is too long.
    func note(_ text: String, on session: Session) throws(SFUError) {
        guard text.utf8.count <= SFUSession.noteLimitBytes else {
            throw SFUError(.badRequest, "A note has at most \(SFUSession.noteLimitBytes) bytes.")
        }
        session.note = text
    }

    /// The sessions behind one of them, in the order of their ids.
    func sessions(after id: String?) -> [SFUSession] {
        let following = sessions.keys.filter { key in id.map { key > $0 } ?? true }.sorted()
        return following.prefix(SFUSession.pageLimit).compactMap { sessions[$0] }.map { session in
            // Whoever has got the last offer has nobody any more to give the answer to.
            if session.offerIsOpen { onEvent(.offer(session: session.id, offer: makeOffer(session))) }
            return SFUSession(
                room: session.room.id, id: session.id, participant: session.participant,
                direction: session.isPublisher ? .publishes : .receives,
                isConnected: session.isConnected && session.hasConsent,
                hasFloor: session.watches == nil && session.room.dominant.current?.participant == session.participant,
                tracks: session.producers.filter(\.isAnnounced).map(\.track), note: session.note)
        }
    }
}
