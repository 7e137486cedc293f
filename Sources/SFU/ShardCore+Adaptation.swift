// What a shard does about its subscribers' lines: layers that fit, packets that wait for their turn, probes.

import Control
import Media
import PacketIO
import RTC

/// What padding is made of (RFC 3550 section 5.1): zeros, and a last byte that counts them all.
final class PaddingBytes {
    /// The most that one byte can count.
    static let count = 255
    let bytes: UnsafeRawBufferPointer

    init() {
        let memory = UnsafeMutableRawPointer.allocate(byteCount: Self.count, alignment: 8)
        memory.initializeMemory(as: UInt8.self, repeating: 0, count: Self.count)
        memory.storeBytes(of: UInt8(Self.count), toByteOffset: Self.count - 1, as: UInt8.self)
        bytes = UnsafeRawBufferPointer(start: memory, count: Self.count)
    }

    deinit { bytes.deallocate() }
}

extension ShardCore {
    /// How often it is looked whether a packet may leave, in milliseconds.
    private static let paceMs: Int64 = 5

    /// Gives a subscriber the layers that its line has room for.
    func adapt(_ session: Session, now: MonotonicTime) {
        guard session.followsLine else { return }
        guard session.hasConsent else { return }
        session.downlink.look(session.consumers, speaker: session.room.speaker, now: now) { consumer, isJammed in
            drops.count(.noRoom, consumer.followGrant(isJammed: isJammed))
            // Whoever gets a picture goes on with it until the other layer's begins; `Producer.look` asks for that.
            if consumer.isAccepted, consumer.forwarder.current == nil { requestKeyframe(for: consumer, now: now) }
            session.limits.isStale = true
        }
        tellLimits(of: session, now: now)
        tellLoss(of: session, now: now)
        if session.downlink.hasWork { pace(session) }
    }

    /// Tells which tracks a line has no room for, not more often than people can read it.
    private func tellLimits(of session: Session, now: MonotonicTime) {
        guard session.limits.isStale, session.watches == nil else { return }
        guard session.limits.at.map({ now.milliseconds(since: $0) >= ToldLimits.pauseMs }) ?? true else { return }
        session.limits.isStale = false
        var tracks: [String: LineLimit] = [:]
        for consumer in session.consumers where consumer.isAccepted && consumer.producer.isVideo {
            if let limit = consumer.grant.limit { tracks[consumer.producer.track.id] = limit }
        }
        guard tracks != session.limits.tracks else { return }
        session.limits.tracks = tracks
        session.limits.at = now
        onEvent(.limited(session: session.id, tracks: tracks))
    }

    /// Tells that UDP loses much on the way, where no other path is left that `PathGuard` could have gone to.
    private func tellLoss(of session: Session, now: MonotonicTime) {
        guard session.watches == nil, session.transport.selected?.transport == .udp,
            session.downlink.losesMuch(now: now)
        else { return }
        onEvent(.lossy(session: session.id))
    }

    private func pace(_ session: Session) {
        guard !session.isPacing else { return }
        session.isPacing = true
        pacing.append(session)
    }

    /// Keeps a packet for later.
    func queue(_ packet: Consumer.Packet, to consumer: Consumer) {
        guard consumer.wait(packet) else { return drops.count(.sendBufferFull) }
        pace(consumer.session)
    }

    /// Sends what may leave now; returns when to look again.
    func sendPaced(now: MonotonicTime) -> MonotonicTime? {
        guard !pacing.isEmpty else { return nil }
        for session in pacing {
            while let waiting = session.downlink.nextPaced(now) { send(waiting, now: now) }
            probe(session, now: now)
        }
        pacing.removeAll { session in
            session.isPacing = session.downlink.hasWork
            return !session.isPacing
        }
        return pacing.isEmpty ? nil : now.advanced(byMilliseconds: Self.paceMs)
    }

    /// Sends all that waits for its turn.
    func sendWaiting(_ session: Session, now: MonotonicTime) {
        while let waiting = session.downlink.nextWaiting() { send(waiting, now: now) }
    }

    private func send(_ waiting: Pacer.Waiting, now: MonotonicTime) {
        guard let packet = waiting.consumer.takeWaiting(waiting.number) else {
            return drops.count(.notStored)
        }
        let store = waiting.consumer.producer.layers[packet.layer].store
        guard write(packet, of: store, to: waiting.consumer, .first, now: now) else {
            return drops.count(.sendBufferFull)
        }
        waiting.consumer.count(packet)
        counters.packetsForwarded &+= 1
    }

    /// Fills a probe with padding behind what is sent anyway.
    private func probe(_ session: Session, now: MonotonicTime) {
        guard session.downlink.probeLacks(now) > 0 else { return }
        let usable = session.consumers.first {
            $0.isAccepted && $0.usesRTX && $0.extensions.transportNumber != 0 && $0.forwarder.begun > 0
        }
        guard let usable else { return session.downlink.abandonProbe(now: now) }
        while session.downlink.probeLacks(now) > 0 {
            guard let size = writePadding(to: usable, now: now) else { return session.downlink.abandonProbe(now: now) }
            session.downlink.padded(size)
        }
    }

    /// Writes a packet of nothing but padding in the place of a repeat: a receiver takes its number, and throws it away.
    private func writePadding(to consumer: Consumer, now: MonotonicTime) -> Int? {
        guard let sender = consumer.session.transport.sender, let target = consumer.session.transport.selected else {
            return nil
        }
        let downlink = consumer.session.downlink, room = socket.reserve(), index = consumer.takeRTXIndex()
        var header = RTPHeader(
            payloadType: consumer.rtxPayloadType, sequenceNumber: UInt16(truncatingIfNeeded: index),
            timestamp: 0, ssrc: consumer.rtxSSRC)
        header.hasPadding = true
        guard let start = header.write(to: room, hasExtension: true) else { return nil }
        var writer = RTPExtensionWriter(room, at: start)
        if consumer.midExtension != 0 { consumer.mid.withBytes { writer.append(id: consumer.midExtension, $0) } }
        var number = downlink.nextNumber.bigEndian
        withUnsafeBytes(of: &number) { writer.append(id: consumer.extensions.transportNumber, $0) }
        guard let length = writer.finish(),
            let total = sender.protect(
                room, headerLength: length, payload: padding.bytes, ssrc: consumer.rtxSSRC, index: index)
        else { return nil }
        socket.commit(total, to: target, isVideo: true)
        downlink.note(size: total, isNumbered: true, isVideo: true, now: now)
        return total
    }

    /// Counts what congestion control does.
    func addAdaptation(to result: inout SFUStatistics) {
        for session in sessions.values where !session.isPublisher {
            for consumer in session.consumers where consumer.producer.isVideo {
                if consumer.grant.isPaused {
                    result.consumersPaused += 1
                } else if !consumer.grant.isWhole {
                    result.consumersLimited += 1
                }
            }
            if session.downlink.isMeasured, let bitrate = session.downlink.bitrate {
                result.linesMeasured += 1
                result.linesBitrate += bitrate
            }
            result.paddingBytes &+= session.downlink.paddingBytes
        }
    }
}
