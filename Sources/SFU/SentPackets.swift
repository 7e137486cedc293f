// What a subscriber was sent lately: 24 bytes a packet, so that a repeat has the very bytes of the first time.

import Media
import RTC

/// A ring by outgoing number.
struct SentPackets: ~Copyable {
    private struct Sent: BitwiseCopyable, Sendable {
        /// The low 32 bits of both numbers; which packet it was the store and the ring know.
        var number: UInt32 = 0, source: UInt32 = 0
        var timestampDelta: UInt32 = 0
        var resentAt: UInt32 = 0
        var pictureID: UInt16 = 0, transportNumber: UInt16 = 0
        var tl0PictureIndex: UInt8 = 0, keyIndex: UInt8 = 0
        /// 0 for an empty slot, else the layer and 1; above it `waits`, `marks` and `fills`.
        var layer: UInt8 = 0
        var resends: UInt8 = 0
    }

    private static let capacity = 1024
    private static let waits: UInt8 = 0x20, marks: UInt8 = 0x40, fills: UInt8 = 0x80
    private static let layers = ~(waits | marks | fills)
    /// A layer that no track has.
    private static let gone: UInt8 = 0x1F
    /// More repeats than this don't help: where a fifth is lost, one packet in ten thousand needs more.
    private static let maximumResends: UInt8 = 6
    static var bytesPerPacket: Int { MemoryLayout<Sent>.stride }

    private var ring = Ring(repeating: Sent(), capacity: capacity)

    /// Keeps a packet that has left, or waits for its turn.
    @inline(__always)
    mutating func note(_ packet: Consumer.Packet, waits: Bool = false) {
        ring[packet.number] = Sent(
            number: UInt32(truncatingIfNeeded: packet.number),
            source: UInt32(truncatingIfNeeded: packet.entry.sequence),
            timestampDelta: packet.timestampDelta, pictureID: packet.shift.pictureID,
            transportNumber: packet.transportNumber, tl0PictureIndex: packet.shift.tl0PictureIndex,
            keyIndex: packet.shift.keyIndex,
            layer: (UInt8(truncatingIfNeeded: packet.layer) &+ 1) | (packet.marks ? Self.marks : 0)
                | (packet.isFiller ? Self.fills : 0) | (waits ? Self.waits : 0))
    }

    /// Whether a number was never given to a packet: with what was sent under it, it is the nonce of the encryption, and a second
    /// packet under it would give the key away (RFC 7714 section 8.1).
    ///
    /// Each slot keeps the newest number that belongs there, so this holds for numbers of any age.
    @inline(__always)
    func isFresh(_ number: Int64) -> Bool {
        let found = ring[number]
        return found.layer == 0 || Int32(bitPattern: UInt32(truncatingIfNeeded: number) &- found.number) > 0
    }

    /// Takes note that a packet waits no longer.
    mutating func left(_ number: Int64) {
        if ring[number].number == UInt32(truncatingIfNeeded: number) { ring[number].layer &= ~Self.waits }
    }

    /// Takes note that what was sent can't be found any more: its numbers stay given away, and nothing is sent again under them.
    mutating func leaveStores() {
        for slot in 0..<Int64(Self.capacity) where ring[slot].layer != 0 { ring[slot].layer = Self.gone }
    }

    /// Finds a packet as it was noted.
    func packet(_ number: Int64, in producer: Producer) -> Consumer.Packet? {
        let found = ring[number], layer = Int(found.layer & Self.layers) - 1
        guard number >= 0, layer >= 0, layer < producer.layers.count,
            found.number == UInt32(truncatingIfNeeded: number)
        else { return nil }
        let highest = producer.table.facts[layer].highest
        let source =
            highest &+ Int64(Int32(bitPattern: found.source &- UInt32(truncatingIfNeeded: highest)))
        guard let entry = producer.layers[layer].store.entry(source) else { return nil }
        var shift = VP8Shift()
        shift.pictureID = found.pictureID
        shift.tl0PictureIndex = found.tl0PictureIndex
        shift.keyIndex = found.keyIndex
        return .init(
            number: number, entry: entry, layer: layer, timestampDelta: found.timestampDelta, shift: shift,
            transportNumber: found.transportNumber, marks: found.layer & Self.marks != 0,
            isFiller: found.layer & Self.fills != 0)
    }

    /// Finds a packet that is asked for; counts the repeat.
    mutating func repeated(_ number: Int64, in producer: Producer, roundTripMs: Int64, now: MonotonicTime)
        -> Result<Consumer.Packet, DropReasonError>
    {
        guard let packet = packet(number, in: producer) else { return .failure(.init(.notStored)) }
        let found = ring[number]
        // What waits has never been sent: it comes in its turn, and who asks takes a hole of the publisher's line for one of theirs.
        guard found.layer & Self.waits == 0 else { return .failure(.init(.repeatLimit)) }
        let milliseconds = UInt32(truncatingIfNeeded: now.milliseconds)
        let isTooSoon = found.resends > 0 && Int64(milliseconds &- found.resentAt) < roundTripMs * 9 / 10
        guard found.resends < Self.maximumResends, !isTooSoon else { return .failure(.init(.repeatLimit)) }
        ring[number].resends += 1
        ring[number].resentAt = milliseconds
        return .success(packet)
    }
}
