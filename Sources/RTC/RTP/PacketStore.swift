// The last packets of one source, in memory that is taken once: for NACK, and to forward from.

/// A ring of packets by unwrapped sequence number; confined to one thread.
///
/// A slot is written once per packet and then only read, until the ring comes round.
public final class PacketStore {
    /// What is known of a stored packet, beside its bytes.
    public struct Entry: Sendable {
        /// The unwrapped sequence number, -1 for an empty slot.
        public var sequence: Int64 = -1
        /// The packet's header.
        public var header = RTPHeader(payloadType: 0, sequenceNumber: 0, timestamp: 0, ssrc: 0)
        /// Where the payload lies in the slot, padding taken off.
        public var payloadOffset = 0, payloadLength = 0
        /// How many bytes of padding `padded` adds, the last of which counts them (RFC 3550 section 5.1); 0 for none.
        public var padding: UInt8 = 0
        /// Whether a keyframe begins here.
        public var startsKeyframe = false
        /// The numbers of its VP8 descriptor.
        public var indices = VP8Indices()
        /// Where it lies among the layers of VP9.
        public var place = VP9Place()
        /// Whether its dependency descriptor is whole, which frame it names, and whether it brings the structure of a key frame.
        public var hasFrame = false, bringsStructure = false, frame: UInt16 = 0
        /// When it arrived, in nanoseconds.
        public var arrival: Int64 = 0
        /// When what it carries was captured, in nanoseconds since the Unix epoch on our clock; 0 where that is not told.
        public var capture: Int64 = 0

        /// Creates an entry of an empty slot.
        public init() {}
    }

    /// The largest packet that is kept.
    public static let slotSize = 1536

    private let memory: UnsafeMutableRawPointer
    private var entries: [Entry]
    private let mask: Int64

    /// Takes memory for `capacity` packets, rounded up to a power of two.
    public init(capacity: Int) {
        var size = 16
        while size < min(capacity, 4096) { size *= 2 }
        mask = Int64(size - 1)
        entries = Array(repeating: Entry(), count: size)
        memory = .allocate(byteCount: size * Self.slotSize, alignment: 64)
    }

    deinit { memory.deallocate() }

    /// How many packets fit.
    public var capacity: Int { entries.count }

    /// Keeps a packet; returns false when it is too large, or its slot holds a newer or the same one.
    @inline(__always)
    public func insert(_ packet: UnsafeRawBufferPointer, _ entry: Entry) -> Bool {
        let slot = Int(entry.sequence & mask)
        guard packet.count <= Self.slotSize, entry.sequence >= 0, entries[slot].sequence < entry.sequence,
            let source = packet.baseAddress
        else { return false }
        (memory + slot * Self.slotSize).copyMemory(from: source, byteCount: packet.count)
        entries[slot] = entry
        let end = entry.payloadOffset + entry.payloadLength, padding = Int(entry.padding)
        if padding > 0 {
            // What stood there is the publisher's own padding or tag, which nobody reads any more.
            guard end + padding <= Self.slotSize else {
                entries[slot].padding = 0
                return true
            }
            let tail = memory + slot * Self.slotSize + end
            tail.initializeMemory(as: UInt8.self, repeating: 0, count: padding)
            tail.storeBytes(of: entry.padding, toByteOffset: padding - 1, as: UInt8.self)
        }
        return true
    }

    /// The packet with a sequence number, if it is still there.
    @inline(__always)
    public func entry(_ sequence: Int64) -> Entry? {
        guard sequence >= 0 else { return nil }
        let entry = entries[Int(sequence & mask)]
        return entry.sequence == sequence ? entry : nil
    }

    /// The payload of an entry; valid until the ring comes round.
    @inline(__always)
    public func payload(_ entry: Entry) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(
            start: memory + Int(entry.sequence & mask) * Self.slotSize + entry.payloadOffset, count: entry.payloadLength
        )
    }

    /// The payload of an entry with its padding behind it; valid until the ring comes round.
    @inline(__always)
    public func padded(_ entry: Entry) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(
            start: memory + Int(entry.sequence & mask) * Self.slotSize + entry.payloadOffset,
            count: entry.payloadLength + Int(entry.padding))
    }

    /// The bytes of an extension of an entry.
    @inline(__always)
    public func header(_ entry: Entry) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: memory + Int(entry.sequence & mask) * Self.slotSize, count: entry.payloadOffset)
    }
}
