// What RTCP says, of publishers and of subscribers: reports, repeats and key frames.

import Control
import Media
import RTC

extension ShardCore {
    func control(_ session: Session, _ packet: RTCPPacket, now: MonotonicTime) {
        switch packet {
        case .senderReport(let report): session.note(report, at: unixNanoseconds(now), now: now)
        case .receiverReport(let report):
            noteLoss(session, report, now: now)
            note(report, of: session)
            // One report's blocks have waited alike, and tell of one way.
            var least: Int64?
            for block in report.blocks where block.lastSenderReport != 0 {
                guard session.consumers.contains(where: { $0.ssrc == block.ssrc }),
                    let trip = NTPTime.roundTripMs(
                        since: block.lastSenderReport, delay: block.delaySinceLastSenderReport, at: unixNanoseconds(now)
                    )
                else { continue }
                least = min(least ?? trip, trip)
            }
            if let least { session.downlink.note(roundTripMs: least) }
        case .nack(let nack):
            guard let consumer = session.consumers.first(where: { $0.ssrc == nack.media && $0.isAccepted }) else {
                return
            }
            consumer.measured.nacks &+= UInt64(nack.lost.count)
            for number in nack.lost { resend(number, to: consumer, now: now) }
        case .pictureLoss(let loss): keyframe(session, loss.media, now: now)
        case .fullIntraRequest(let request):
            for entry in request.entries { keyframe(session, entry.ssrc, now: now) }
        case .transportFeedback(let feedback): if !session.isPublisher { session.downlink.take(feedback, now: now) }
        case .extendedReport(let report): note(report, of: session, now: now)
        case .sourceDescription, .goodbye, .bitrateEstimate, .bitrateLimit: break
        }
    }

    private func resend(_ number: UInt16, to consumer: Consumer, now: MonotonicTime) {
        switch consumer.repeated(number, now: now) {
        case .failure(let drop): drops.count(drop.reason)
        case .success(let found):
            // Without RTX the same bytes go out again: header, payload and nonce are the same, so the ciphertext is too.
            let store = consumer.producer.layers[found.layer].store
            guard write(found, of: store, to: consumer, consumer.usesRTX ? .rtx : .again, now: now) else {
                return drops.count(.sendBufferFull)
            }
            counters.packetsRetransmitted &+= 1
            consumer.measured.retransmissions &+= 1
        }
    }

    private func keyframe(_ session: Session, _ ssrc: UInt32, now: MonotonicTime) {
        guard let consumer = session.consumers.first(where: { $0.ssrc == ssrc }) else { return }
        consumer.measured.keyframeRequests &+= 1
        requestKeyframe(for: consumer, now: now)
    }

    /// Asks for what one subscriber can go on with: the layer that it gets, else the one that it would get.
    func requestKeyframe(for consumer: Consumer, now: MonotonicTime) {
        let producer = consumer.producer, table = producer.table, forwarder = consumer.forwarder
        guard forwarder.wish != .nothing, forwarder.allowed != 0, consumer.session.hasConsent else { return }
        if !producer.hasLayers {
            requestKeyframe(producer, producer.layers[0], now: now)
        } else if let layer = forwarder.current.flatMap({ table.isActive($0) ? $0 : nil })
            ?? table.choose(forwarder.wish, allowed: forwarder.allowed)
        {
            requestKeyframe(producer, producer.layers[layer], now: now)
        }
    }

    /// Asks for key frames of all layers that somebody gets or would get; of the largest while there is nobody.
    func requestKeyframe(_ producer: Producer, now: MonotonicTime) {
        let accepted = producer.consumers.filter(\.isAccepted)
        for consumer in accepted { requestKeyframe(for: consumer, now: now) }
        if accepted.isEmpty { requestKeyframe(producer, producer.layers[producer.table.choose(.top) ?? 0], now: now) }
    }

    func requestKeyframe(_ producer: Producer, _ layer: Layer, now: MonotonicTime) {
        guard producer.requestKeyframe(layer, now: now) else { return }
        counters.keyframeRequests &+= 1
        layer.measured.keyframeRequests &+= 1
        send(producer.session)
    }
}
