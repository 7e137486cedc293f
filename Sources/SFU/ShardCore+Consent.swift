// Peers whose path is lost, those who come back, and those who start ICE again.

import Control
import Media
import RTC

extension ShardCore {
    /// For how long a name of ours is answered after a restart, in milliseconds.
    static let formerMs = ICEServerAgent.formerMs
    private static let maximumFormer = 4

    /// Tells that a peer has gone silent, or is back; who is back needs a picture that decoding can begin at.
    func followConsent(of session: Session, now: MonotonicTime) {
        session.hasConsent = session.transport.selected != nil
        let room = session.room.id
        guard session.hasConsent else {
            for consumer in session.consumers {
                consumer.forwarder.hold()
                drops.count(.noConsent, consumer.endReplay())
            }
            onEvent(.disconnected(room: room, participant: session.participant, session: session.id))
            return
        }
        onEvent(.connected(room: room, participant: session.participant, session: session.id))
        for consumer in session.consumers where consumer.isAccepted { requestKeyframe(for: consumer, now: now) }
        for producer in session.producers { requestKeyframe(producer, now: now) }
        send(session)
    }

    /// What a subscriber says that it has lost may lead its media by another path.
    func noteLoss(_ session: Session, _ report: RTCPReceiverReport, now: MonotonicTime) {
        guard !session.isPublisher else { return }
        var worst: UInt8?
        for block in report.blocks where session.consumers.contains(where: { $0.ssrc == block.ssrc }) {
            worst = max(worst ?? 0, block.fractionLost)
            session.downlink.take(block)
        }
        if let worst { session.transport.noteLoss(worst, now: now) }
    }

    // MARK: - Restart

    /// Takes note of what a publisher calls its transport: another name than before asks for a restart of ICE (RFC 8839
    /// section 4.4.1.1).
    ///
    /// - Throws: `SFUError` when it has another certificate: those are other keys, and another session.
    func takeName(of remote: RemoteTransport, _ session: Session, now: MonotonicTime) throws(SFUError) {
        if session.hasRemote, let known = session.remote, known.ufrag != remote.ufrag {
            guard known.fingerprint == remote.fingerprint else {
                throw SFUError(.conflict, "ICE can be restarted with the same certificate only; join again.")
            }
            rename(session, now: now)
        }
        session.remote = (remote.ufrag, remote.fingerprint)
    }

    /// Offers a subscriber a restart of ICE.
    ///
    /// - Throws: `SFUError` for a publisher, who offers it.
    func restart(subscriber session: Session, now: MonotonicTime) throws(SFUError) {
        guard !session.isPublisher, session.watches == nil else {
            throw SFUError(.conflict, "Who publishes restarts ICE by an offer with other credentials.")
        }
        rename(session, now: now)
        renew(session)
    }

    /// Takes other credentials for a session; those of before are answered for a moment.
    func rename(_ session: Session, now: MonotonicTime) {
        if session.formerUfrags.count >= Self.maximumFormer {
            byUfrag[session.formerUfrags.removeFirst().ufrag] = nil
        }
        session.formerUfrags.append(
            (session.transport.credentials.ufrag, now.advanced(byMilliseconds: Self.formerMs)))
        session.transport.restart(now: now)
        byUfrag[session.transport.credentials.ufrag] = session
    }

    /// Forgets names whose time has passed, or all of them.
    func forgetNames(of session: Session, until now: MonotonicTime?) {
        session.formerUfrags.removeAll { former in
            if let now, now < former.until { return false }
            byUfrag[former.ufrag] = nil
            return true
        }
    }
}
