// Sound on its way through the shard: who is heard, and who has the floor.

import Control
import Media
import RTC

extension ShardCore {
    /// So many packets from before its loud one go out with a voice that is heard anew: words begin quietly.
    static let leadIn: Int64 = 3
    /// No older than this, in nanoseconds.
    static let leadInAge: Int64 = 100_000_000

    /// Forwards a packet of a voice to who hears everybody, and to the others while it is among the loudest.
    @inline(__always)
    func forward(
        voice: Voice, _ entry: PacketStore.Entry, _ layer: Layer, _ producer: Producer,
        _ packet: UnsafeRawBufferPointer, now: MonotonicTime
    ) {
        voice.open(entry.sequence)
        let loudness: UInt8
        if producer.extensions.level != 0,
            let range = entry.header.range(ofExtension: producer.extensions.level, in: packet), !range.isEmpty
        {
            loudness = 127 &- packet[range.lowerBound] & 127
        } else {
            loudness = voice.guess(size: entry.payloadLength)
        }
        let isHeard = producer.session.room.voices.admits(voice, loudness, now: now)
        for consumer in producer.consumers {
            guard isHeard || consumer.session.hearsEverybody || !consumer.isAccepted else {
                // What comes next for it begins anew, without a hole in its numbers.
                if consumer.forwarder.current != nil { consumer.forwarder.hold() }
                drops.count(.notLoudest)
                continue
            }
            if consumer.forwarder.current == nil, consumer.isAccepted, consumer.session.isConnected,
                consumer.session.hasConsent
            {
                leadIn(voice, entry, layer, consumer, now: now)
            }
            forward(entry, layer, to: consumer, now: now)
        }
    }

    private func leadIn(
        _ voice: Voice, _ entry: PacketStore.Entry, _ layer: Layer, _ consumer: Consumer, now: MonotonicTime
    ) {
        let first = max(voice.opened ?? entry.sequence, entry.sequence - Self.leadIn)
        guard first < entry.sequence else { return }
        for sequence in first..<entry.sequence {
            guard let stored = layer.store.entry(sequence) else { continue }
            guard stored.payloadLength > 0 else {
                // Padding between them, as probes of a line are: nothing goes out of it, and nobody is to miss it.
                consumer.skip(sequence, of: layer.index)
                continue
            }
            guard entry.arrival - stored.arrival < Self.leadInAge else { continue }
            // What went out before is refused, and what did not has been counted then.
            let result = consumer.forwarder.forward(stored, of: layer.index, consumer.producer.table, now: now)
            if case .success(let out) = result { forward(stored, layer, to: consumer, as: out, now: now) }
        }
    }

    /// Decides who has the floor in each room, and tells when that is somebody else.
    func decideSpeakers(now: MonotonicTime) {
        for room in rooms.values where !room.voices.all.isEmpty || room.dominant.current != nil {
            guard room.dominant.decide(among: room.voices.all, now: now) else { continue }
            onEvent(.speaking(room: room.id, participant: room.dominant.current?.participant))
        }
    }
}
