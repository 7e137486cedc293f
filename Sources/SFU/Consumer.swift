// One subscriber's view of one track: its own SSRC, sequence numbers, timestamps and memory of what was sent.

import Media
import RTC

/// A track on its way to a subscriber; confined to its shard's thread.
final class Consumer {
    /// What is kept of a sent packet, to find it again in the producer's store.
    private struct Sent {
        var out: Int64 = -1, source: Int64 = -1
        var resentAt: Int32 = 0, resends: Int32 = 0
    }

    private static let memory = 1024
    /// More repeats than this don't help.
    private static let maximumResends: Int32 = 3

    let producer: Producer
    unowned let session: Session
    /// The section of the subscriber's description that carries the track.
    let section: Int
    let ssrc = SecureRandom.u32(), rtxSSRC = SecureRandom.u32()
    let timestampOffset = SecureRandom.u32()
    var isAccepted = false, usesRTX = false
    /// Whether the subscriber has answered that it does not have the track's codec: it gets no picture, and keeps the rest.
    var lacksCodec = false
    var payloadType: UInt8 = 0, rtxPayloadType: UInt8 = 0
    var midExtension: UInt8 = 0
    var extensions = ExtensionIDs()
    var mid: [UInt8] = []
    /// Waits for a packet that decoding can begin at.
    var awaitsStart = true
    var packets: UInt32 = 0, bytes: UInt32 = 0
    var roundTripMs: Int64 = 100
    var lastReport: MonotonicTime?
    private var firstSource: Int64 = 0
    /// The newest source number that was sent.
    private var highestSource: Int64 = -1
    // Sequence numbers begin below 2^15, so that the rollover counter is 0 for both sides (RFC 3711 section 3.3.1).
    private var nextOut = Int64(SecureRandom.u32() & 0x7FFF), nextRTX = Int64(SecureRandom.u32() & 0x7FFF)
    private var shifts: [(from: Int64, offset: Int64)] = []
    private var sent = [Sent](repeating: Sent(), count: memory)

    init(producer: Producer, session: Session, section: Int) {
        self.producer = producer
        self.session = session
        self.section = section
    }

    /// The outgoing number of a source packet; nil when it lies before the place where this subscriber began.
    @inline(__always)
    func outgoing(_ entry: PacketStore.Entry) -> Result<Int64, DropReasonError> {
        if awaitsStart {
            guard !producer.isVideo || entry.startsKeyframe else { return .failure(.init(.awaitingKeyframe)) }
            awaitsStart = false
            firstSource = entry.sequence
            shifts = [(entry.sequence, nextOut &- entry.sequence)]
        }
        guard entry.sequence >= firstSource, let shift = shifts.last(where: { $0.from <= entry.sequence }) else {
            return .failure(.init(.late))
        }
        return .success(entry.sequence &+ shift.offset)
    }

    /// Closes the hole that a packet without payload would leave.
    ///
    /// Only numbers beyond the newest that was sent are skipped: an outgoing number that was used must never be used
    /// again with another payload, because it is also the nonce of the encryption (RFC 7714 section 8.1).
    func skip(_ sequence: Int64) {
        guard !awaitsStart, sequence > highestSource,
            let place = shifts.lastIndex(where: { $0.from <= sequence })
        else { return }
        let offset = shifts[place].offset - 1
        for index in shifts.indices where index > place { shifts[index].offset -= 1 }
        shifts.insert((sequence + 1, offset), at: place + 1)
        if shifts.count > 16 { shifts.removeFirst() }
    }

    @inline(__always)
    func note(out: Int64, source: Int64, length: Int) {
        sent[Int(out & Int64(Self.memory - 1))] = Sent(out: out, source: source)
        nextOut = max(nextOut, out &+ 1)
        highestSource = max(highestSource, source)
        packets &+= 1
        bytes &+= UInt32(truncatingIfNeeded: length)
    }

    /// Finds what a NACK asks for; counts the repeat.
    func repeated(_ number: UInt16, now: MonotonicTime) -> Result<
        (out: Int64, entry: PacketStore.Entry), DropReasonError
    > {
        let out = nextOut &+ Int64(Int16(bitPattern: number &- UInt16(truncatingIfNeeded: nextOut)))
        let slot = Int(out & Int64(Self.memory - 1))
        guard out >= 0, sent[slot].out == out, let entry = producer.store.entry(sent[slot].source) else {
            return .failure(.init(.notStored))
        }
        let milliseconds = Int32(truncatingIfNeeded: now.milliseconds)
        let isTooSoon = sent[slot].resends > 0 && Int64(milliseconds &- sent[slot].resentAt) < roundTripMs
        guard sent[slot].resends < Self.maximumResends, !isTooSoon else { return .failure(.init(.repeatLimit)) }
        sent[slot].resends += 1
        sent[slot].resentAt = milliseconds
        return .success((out, entry))
    }

    func takeRTXIndex() -> Int64 {
        defer { nextRTX += 1 }
        return nextRTX
    }
}

/// A drop reason that can stand in a `Result`.
struct DropReasonError: Error {
    let reason: DropReason
    init(_ reason: DropReason) { self.reason = reason }
}
