// The second session of a page that changes its keys, until it has taken over.

internal import Synchronization

/// Hears what is said of a session that is to take the place of another.
final class NextSession: RoomListener {
    private weak let socket: SpeakerSocket?
    private let named = Mutex<String?>(nil)

    init(_ socket: SpeakerSocket) { self.socket = socket }

    /// The session; nil while it is opened.
    var session: String? { named.withLock { $0 } }

    func name(_ session: String) { named.withLock { $0 = session } }

    func participantsChanged(_ participants: [SpeakerView]) {}
    func offered(_ offer: String) { socket?.offeredNext(offer) }
    func mustRejoin(_ reason: String) { socket?.lost(self, reason) }

    func tookOver(_ session: String) -> (any RoomListener)? { socket?.tookOver(session, self) }
}
