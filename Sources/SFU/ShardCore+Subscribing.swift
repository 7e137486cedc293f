// Subscribing: which tracks somebody gets, the offers that say so, their answers, and the sizes that are shown.

import Control
import Media
import RTC

extension ShardCore {
    func subscribe(_ session: Session, to producers: [Producer]) {
        for producer in producers where session.gets(producer) {
            let kind: MediaSection.Kind = producer.isVideo ? .video : .audio
            let free = session.sections.firstIndex { $0.kind == kind && $0.consumer == nil }
            guard free != nil || session.sections.count < configuration.maximumSections else { continue }
            let consumer = Consumer(
                producer: producer, session: session, section: free ?? session.sections.count,
                wish: session.sizes[producer.track.id])
            if let free {
                session.sections[free].consumer = consumer
            } else {
                session.sections.append((kind, consumer))
            }
            session.consumers.append(consumer)
            producer.consumers.append(consumer)
        }
    }

    /// Sends a new offer, or notes that one is needed when the last is answered.
    func renew(_ session: Session) {
        guard !session.sections.isEmpty, session.watches == nil else { return }
        guard !session.offerIsOpen else {
            session.offerIsStale = true
            return
        }
        onEvent(.offer(session: session.id, offer: makeOffer(session)))
    }

    func makeOffer(_ session: Session) -> String {
        session.offerIsOpen = true
        session.offerIsStale = false
        session.version += 1
        let local = session.transport.local(candidates: candidates)
        var offer = SessionDescription()
        offer.isLite = true
        offer.version = session.version
        for (index, element) in session.sections.enumerated() {
            let consumer = element.consumer
            var section = MediaSection.offer(
                kind: element.kind, mid: String(index), transport: local,
                stream: consumer?.producer.track.participant ?? "",
                track: consumer?.producer.track.id ?? "",
                source: .init(
                    ssrc: consumer?.ssrc ?? 0, rtx: element.kind == .video ? consumer?.rtxSSRC : nil,
                    cname: consumer?.producer.track.participant ?? ""),
                codecs: consumer?.producer.offeredCodecs ?? MediaSection.offered(free: element.kind))
            if consumer == nil {
                section.direction = .inactive
                section.sources = []
            }
            offer.media.append(section)
        }
        offer.bundle = offer.media.map(\.mid)
        return offer.text()
    }

    func take(answer text: String, _ session: Session, now: MonotonicTime) throws(SFUError) {
        guard !session.isPublisher, session.offerIsOpen else {
            throw SFUError(.conflict, "There is no offer to answer.")
        }
        let answer: SessionDescription, remote: RemoteTransport?
        do throws(SDPError) {
            answer = try SessionDescription(parsing: text)
            // Who can take nothing of what there is says of no transport, and may take what comes next.
            remote = answer.refusesEverything ? nil : try answer.remoteTransport()
        } catch {
            throw SFUError(error)
        }
        guard answer.media.count <= session.sections.count else {
            throw SFUError(
                .badRequest, "The answer has \(answer.media.count) sections, the offer had \(session.sections.count).")
        }
        guard remote?.setup != .actpass else {
            throw SFUError(.badRequest, "An answer says a=setup:active or passive.")
        }
        session.offerIsOpen = false
        for (index, section) in answer.media.enumerated() {
            guard let consumer = session.sections[index].consumer, !consumer.isAccepted else { continue }
            let media = section.isRejected ? nil : section.codec(for: consumer.producer.media)
            consumer.lacksCodec = media == nil
            if consumer.producer.track.source == .program { session.noteCodecs(of: section) }
            guard section.direction.receives, let media else { continue }
            consumer.take(media, of: section, mid: String(index))
            if consumer.extensions.transportNumber != 0, session.followsLine { session.downlink.agree() }
            if session.isConnected { begin(consumer, now: now) }
        }
        if !session.hasRemote, let remote {
            session.hasRemote = true
            session.transport.connect(remote, role: remote.setup == .active ? .server : .client, now: now)
        }
        // Who waits for something that they can take does not wait for a connection.
        if !session.hasRemote { session.waitsSince = nil }
        if session.lacksVP8 { exchangeProgram(of: session) }
        settle(session, now: now)
        if session.offerIsStale { renew(session) }
    }

    /// Takes what a subscriber shows now.
    func setSizes(_ sizes: [String: LayerSize], of session: Session, now: MonotonicTime) throws(SFUError) {
        guard !session.isPublisher else {
            throw SFUError(.badRequest, "A session that publishes shows nothing.")
        }
        guard sizes.count <= configuration.maximumSections, sizes.keys.allSatisfy({ $0.utf8.count <= 256 }) else {
            throw SFUError(.badRequest, "A subscriber may name \(configuration.maximumSections) tracks.")
        }
        guard sizes.values.allSatisfy(\.isAllowed) else {
            throw SFUError(.badRequest, "Width and height are 0 to \(LayerSize.maximum) pixels.")
        }
        session.sizes = sizes
        for consumer in session.consumers where consumer.producer.isVideo {
            let wish = consumer.producer.wish(sizes[consumer.producer.track.id])
            guard wish != consumer.forwarder.wish else { continue }
            consumer.forwarder.setWish(wish)
            if wish == .nothing { drops.count(.notWanted, consumer.endReplay()) }
            guard consumer.isAccepted, session.isConnected, consumer.forwarder.current == nil else { continue }
            requestKeyframe(for: consumer, now: now)
        }
    }
}
