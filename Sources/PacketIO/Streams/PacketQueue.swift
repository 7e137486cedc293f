// Packets that wait for a stream: whole, framed, in order, and never more than fit.

/// A bounded queue of framed packets over a ring of bytes, which is taken with the first packet.
struct PacketQueue: ~Copyable {
    private struct Entry {
        var length: Int, nanoseconds: Int64
    }

    private static let maximumPackets = 1024
    private let capacity: Int
    private var bytes: UnsafeMutablePointer<UInt8>?, entries: UnsafeMutablePointer<Entry>?
    private var head = 0, firstEntry = 0, entryCount = 0
    /// How many bytes wait, frames' lengths included.
    private(set) var count = 0
    /// How much of the first packet has left already.
    private(set) var sentOfFirst = 0

    /// Creates an empty queue.
    ///
    /// - Parameter capacity: in bytes.
    init(capacity: Int) { self.capacity = max(1, capacity) }

    deinit {
        bytes?.deallocate()
        entries?.deallocate()
    }

    var isEmpty: Bool { entryCount == 0 }
    /// How many packets wait.
    var packets: Int { entryCount }
    /// When the first packet was put in.
    var oldest: Int64? { entryCount == 0 ? nil : entries?[firstEntry].nanoseconds }
    /// How many bytes of the first packet have yet to leave.
    var remainderOfFirst: Int { entryCount == 0 ? 0 : (entries?[firstEntry].length ?? 0) - sentOfFirst }

    /// Puts a packet in behind its length (RFC 4571 section 2); false when it does not fit.
    mutating func append(_ packet: UnsafeRawBufferPointer, at nanoseconds: Int64) -> Bool {
        let length = packet.count + 2
        guard packet.count <= 0xFFFF, count + length <= capacity, entryCount < Self.maximumPackets else { return false }
        let bytes = self.bytes ?? .allocate(capacity: capacity)
        let entries = self.entries ?? .allocate(capacity: Self.maximumPackets)
        (self.bytes, self.entries) = (bytes, entries)
        var end = (head + count) % capacity
        bytes[end] = UInt8(packet.count >> 8)
        end = end + 1 == capacity ? 0 : end + 1
        bytes[end] = UInt8(packet.count & 255)
        end = end + 1 == capacity ? 0 : end + 1
        let before = min(packet.count, capacity - end)
        if let base = packet.baseAddress?.assumingMemoryBound(to: UInt8.self) {
            (bytes + end).update(from: base, count: before)
            bytes.update(from: base + before, count: packet.count - before)
        }
        entries[(firstEntry + entryCount) % Self.maximumPackets] = Entry(length: length, nanoseconds: nanoseconds)
        entryCount += 1
        count += length
        return true
    }

    /// What waits, in at most two pieces; valid until the queue is changed.
    func pieces(limit: Int = .max) -> (first: UnsafeRawBufferPointer, second: UnsafeRawBufferPointer) {
        guard let bytes, count > 0 else { return (.init(start: nil, count: 0), .init(start: nil, count: 0)) }
        let wanted = min(count, limit), before = min(wanted, capacity - head)
        return (
            UnsafeRawBufferPointer(start: bytes + head, count: before),
            UnsafeRawBufferPointer(start: bytes, count: wanted - before)
        )
    }

    /// Takes out what has left.
    mutating func consume(_ sent: Int) {
        var left = min(max(0, sent), count)
        while left > 0, let entries, entryCount > 0 {
            let step = min(left, entries[firstEntry].length - sentOfFirst)
            sentOfFirst += step
            left -= step
            advance(step)
            if sentOfFirst == entries[firstEntry].length { removeFirstEntry() }
        }
    }

    /// Throws away the packets at the front that were put in before a moment, but for one that has left in part.
    ///
    /// - Returns: how many.
    mutating func discard(before nanoseconds: Int64) -> Int {
        var discarded = 0
        while sentOfFirst == 0, let entries, entryCount > 0, entries[firstEntry].nanoseconds < nanoseconds {
            advance(entries[firstEntry].length)
            removeFirstEntry()
            discarded += 1
        }
        return discarded
    }

    private mutating func advance(_ bytes: Int) {
        count -= bytes
        // An empty queue begins at the front again, so that a stream that keeps up touches little memory.
        head = count == 0 ? 0 : (head + bytes) % capacity
    }

    private mutating func removeFirstEntry() {
        firstEntry = (firstEntry + 1) % Self.maximumPackets
        entryCount -= 1
        sentOfFirst = 0
    }
}
