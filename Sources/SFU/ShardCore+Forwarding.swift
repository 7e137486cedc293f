// A packet on its way to one subscriber: whether it goes out, under which number, and its bytes.

import Control
import Media
import PacketIO
import RTC

extension ShardCore {
    @inline(__always)
    func forward(_ entry: PacketStore.Entry, _ layer: Layer, to consumer: Consumer, now: MonotonicTime) {
        guard consumer.isAccepted else { return drops.count(consumer.lacksCodec ? .lacksCodec : .unanswered) }
        let session = consumer.session
        guard session.isConnected else { return drops.count(.notConnected) }
        guard session.hasConsent else { return drops.count(.noConsent) }
        // Who still gets the pictures of before gets this in its turn.
        if let replay = consumer.replay {
            guard layer.index == replay.layer else { return drops.count(.otherLayer) }
            guard entry.sequence < replay.next else { return }
        }
        switch consumer.pass(entry, of: layer.index, now: now) {
        case .failure(let drop): drops.count(drop.reason)
        case .success(let out):
            forward(entry, layer, to: consumer, as: out, now: now)
            if out.begins { catchUp(entry, layer, consumer, now: now) }
        }
    }

    @inline(__always)
    func forward(
        _ entry: PacketStore.Entry, _ layer: Layer, to consumer: Consumer, as out: LayerForwarder.Outgoing,
        now: MonotonicTime
    ) {
        // Whatever a publisher's packets say of themselves, no number is used twice.
        guard consumer.isFresh(out.number) else { return drops.count(.late) }
        let packet = Consumer.Packet(
            number: out.number, entry: entry, layer: layer.index, timestampDelta: out.timestampDelta, shift: out.shift,
            transportNumber: consumer.session.downlink.nextNumber, marks: out.marks, isFiller: out.isFiller)
        if consumer.tellsFrames { consumer.noteFrame(entry, as: out) }
        guard !consumer.producer.isVideo || consumer.session.downlink.mayLeave(consumer, now: now) else {
            return queue(packet, to: consumer)
        }
        guard write(packet, of: layer.store, to: consumer, .first, now: now) else {
            return drops.count(.sendBufferFull)
        }
        consumer.note(packet)
        counters.packetsForwarded &+= 1
    }

    /// Sends what came before the key frame that it belongs behind.
    private func catchUp(_ begin: PacketStore.Entry, _ layer: Layer, _ consumer: Consumer, now: MonotonicTime) {
        let highest = consumer.producer.table.facts[layer.index].highest
        guard consumer.producer.isVideo, begin.sequence < highest else { return }
        for sequence in (begin.sequence + 1)...highest {
            guard let entry = layer.store.entry(sequence) else { continue }
            guard entry.payloadLength > 0 else {
                consumer.skip(sequence, of: layer.index)
                continue
            }
            switch consumer.pass(entry, of: layer.index, now: now) {
            case .failure(let drop): drops.count(drop.reason)
            case .success(let out): forward(entry, layer, to: consumer, as: out, now: now)
            }
        }
    }

    /// Whether a packet is sent for the first time, once more by RTX, or once more as it was.
    enum Turn { case first, rtx, again }

    /// Writes a packet for one subscriber into the socket's arena: a new header, then the payload, encrypted on the way.
    @inline(__always)
    func write(
        _ packet: Consumer.Packet, of store: PacketStore, to consumer: Consumer, _ turn: Turn, now: MonotonicTime
    ) -> Bool {
        let session = consumer.session, transport = session.transport
        guard let sender = transport.sender, let target = transport.selected else { return false }
        let entry = packet.entry
        let asRTX = turn == .rtx, downlink = session.downlink
        let index = asRTX ? consumer.takeRTXIndex() : packet.number
        let ssrc = asRTX ? consumer.rtxSSRC : consumer.ssrc
        let room = socket.reserve()
        var header = RTPHeader(
            payloadType: asRTX ? consumer.rtxPayloadType : consumer.payloadType,
            sequenceNumber: UInt16(truncatingIfNeeded: index),
            timestamp: entry.header.timestamp &+ packet.timestampDelta,
            ssrc: ssrc, marker: packet.marks)
        // Also when the same number goes out again without RTX: the same nonce must have the same bytes.
        let payload =
            packet.isFiller
            ? UnsafeRawBufferPointer(start: nil, count: 0) : asRTX ? store.payload(entry) : store.padded(entry)
        header.hasPadding = !asRTX && (entry.padding > 0 || packet.isFiller)
        let hasMid = consumer.midExtension != 0, hasNumber = consumer.extensions.transportNumber != 0
        let hasTime = consumer.extensions.sendTime != 0
        let stored = store.header(entry)
        var forwarded = ForwardedExtensions(
            entry, in: stored, from: consumer.producer.extensions, to: consumer.extensions)
        if consumer.tellsFrames, entry.hasFrame, !packet.isFiller, let shift = consumer.frames.shift(at: packet.number),
            let range = entry.header.range(ofExtension: consumer.producer.extensions.dependency, in: stored)
        {
            let element = UnsafeRawBufferPointer(rebasing: stored[range])
            let layer = consumer.producer.layers[packet.layer]
            forwarded.take(dependency: consumer.descriptor(element, of: entry, layer), shift: shift)
        }
        let wait = consumer.nextWait()
        let hasExtension = hasMid || hasNumber || hasTime || wait != nil || !forwarded.isEmpty
        guard var length = header.write(to: room, hasExtension: hasExtension) else { return false }
        if hasExtension {
            var writer = RTPExtensionWriter(room, at: length, isLong: forwarded.isLong)
            if hasMid { consumer.mid.withBytes { writer.append(id: consumer.midExtension, $0) } }
            if hasNumber {
                var number = (turn == .again ? packet.transportNumber : downlink.nextNumber).bigEndian
                withUnsafeBytes(of: &number) { writer.append(id: consumer.extensions.transportNumber, $0) }
            }
            if hasTime {
                // Where a repeat goes out as it was, its bytes must be those of the first time: then it is when the packet came.
                let sentAt = consumer.usesRTX ? now.nanoseconds : entry.arrival
                writer.append(id: consumer.extensions.sendTime, count: SendTime.elementLength) {
                    SendTime.write(nanoseconds: sentAt, to: $0)
                }
            }
            if let wait {
                writer.append(id: consumer.extensions.playoutDelay, count: PlayoutDelay.elementLength) {
                    PlayoutDelay.write(leastMs: wait, to: $0)
                }
            }
            forwarded.append(to: &writer, of: stored, as: consumer.extensions)
            guard let end = writer.finish() else { return false }
            length = end
        }
        // What stands before the stored payload: the original number in a repeat, and a descriptor written anew.
        var prefix: UInt64 = 0
        let total = withUnsafeMutableBytes(of: &prefix) { prefix in
            var count = 0, replaced = 0
            if asRTX {
                prefix[0] = UInt8(truncatingIfNeeded: packet.number >> 8)
                prefix[1] = UInt8(truncatingIfNeeded: packet.number)
                count = 2
            }
            if packet.isFiller, !asRTX {
                // A byte of padding, which counts itself (RFC 3550 section 5.1).
                prefix[0] = 1
                count = 1
            }
            if !packet.shift.isZero {
                let rest = UnsafeMutableRawBufferPointer(rebasing: prefix[count...])
                replaced = entry.indices.moved(by: packet.shift).write(over: payload, to: rest)
                count += replaced
            }
            return sender.protect(
                room, headerLength: length, prefix: UnsafeRawBufferPointer(rebasing: prefix[..<count]),
                payload: UnsafeRawBufferPointer(rebasing: payload[replaced...]), ssrc: ssrc, index: index)
        }
        guard let total else { return false }
        socket.commit(total, to: target, isVideo: consumer.producer.isVideo)
        downlink.note(
            size: total, isNumbered: hasNumber && turn != .again, isVideo: consumer.producer.isVideo, now: now)
        return true
    }
}
