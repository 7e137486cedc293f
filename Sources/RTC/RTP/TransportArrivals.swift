// When the packets of one transport came, by their transport-wide numbers: what feedback to their sender is made of.

public import Media

/// The arrivals that are yet to be told; memory is taken with the first packet.
public struct TransportArrivals: Sendable {
    /// So many numbers are kept: half a second of 50 Mbit/s.
    private static let capacity: Int64 = 2048
    /// A packet that comes so many numbers late is told of no more.
    private static let maximumLateness: Int64 = 512
    /// Numbers of one message, so that it stays below 1000 bytes whatever their deltas are.
    private static let perMessage: Int64 = 400
    /// Feedback takes a twentieth of what is received, within these bounds, at about so many bits a message.
    private static let minimumMs: Int64 = 50, maximumMs: Int64 = 250, messageBits: Int64 = 68 * 8

    /// Ticks of 250 µs; 0 for what has not come.
    private var ring: [Int64] = []
    private var unwrapper = SequenceUnwrapper()
    private var base: Int64 = 0, highest: Int64 = -1
    private var count: UInt8 = 0
    private var bytes: Int64 = 0
    private var lastFeedback: MonotonicTime?
    /// The reference that was told last.
    private var lastReference: Int64 = 0

    /// Starts with nothing received.
    public init() {}

    /// Takes note of a packet.
    ///
    /// - Parameters:
    ///   - number: its transport-wide number.
    ///   - size: its bytes.
    @inline(__always)
    public mutating func note(_ number: UInt16, size: Int, now: MonotonicTime) {
        if ring.isEmpty {
            ring = Array(repeating: 0, count: Int(Self.capacity))
            lastFeedback = now
        }
        let isFirst = unwrapper.highest == nil
        // Room below the first one, so that what it has overtaken can still be told.
        let sequence = unwrapper.unwrap(number) &+ 65_536
        bytes &+= Int64(size)
        if isFirst {
            base = sequence
            highest = sequence
        } else if sequence > highest {
            // What lies farther back than the ring reaches can't be told.
            for skipped in max(highest + 1, sequence - Self.capacity + 1)...sequence { ring[Self.slot(skipped)] = 0 }
            highest = sequence
            base = max(base, sequence - Self.capacity + 1)
        } else if sequence < base {
            guard base - sequence <= Self.maximumLateness, highest - sequence < Self.capacity, sequence >= 0 else {
                return
            }
            base = sequence
        }
        if ring[Self.slot(sequence)] == 0 { ring[Self.slot(sequence)] = Self.ticks(now) }
    }

    /// Takes note of a packet that has its number in an extension; of any other nothing.
    ///
    /// - Parameter id: the extension's.
    @inline(__always)
    public mutating func note(
        _ header: RTPHeader, in packet: UnsafeRawBufferPointer, numberedBy id: UInt8, now: MonotonicTime
    ) {
        guard id != 0, let range = header.range(ofExtension: id, in: packet), range.count >= 2 else { return }
        note(UInt16(packet[range.lowerBound]) << 8 | UInt16(packet[range.lowerBound + 1]), size: packet.count, now: now)
    }

    /// Makes the messages that are due, by the rate of what is received.
    ///
    /// - Parameters:
    ///   - sender: who tells.
    ///   - media: one source of the transport.
    public mutating func due(sender: UInt32, media: UInt32, now: MonotonicTime) -> [RTCPTransportFeedback] {
        guard !ring.isEmpty, base <= highest, let lastFeedback else { return [] }
        let elapsed = now.milliseconds(since: lastFeedback)
        guard elapsed >= Self.minimumMs else { return [] }
        // bits / ms / 20 is what feedback may take.
        let interval = bytes > 0 ? Self.messageBits * 20 * elapsed / (bytes &* 8) : Self.maximumMs
        guard elapsed >= min(Self.maximumMs, interval) else { return [] }
        self.lastFeedback = now
        bytes = 0
        var messages: [RTCPTransportFeedback] = []
        while base <= highest { messages.append(message(sender, media)) }
        return messages
    }

    /// One message of what stands at `base`, which goes on behind it.
    private mutating func message(_ sender: UInt32, _ media: UInt32) -> RTCPTransportFeedback {
        let end = min(highest, base + Self.perMessage - 1)
        var reference: Int64?, last: Int64 = 0, arrivals: [Int32] = [], next = base
        arrivals.reserveCapacity(Int(end - base) + 1)
        while next <= end {
            let ticks = ring[Self.slot(next)]
            if ticks == 0 {
                arrivals.append(RTCPTransportFeedback.missing)
            } else {
                if reference == nil {
                    reference = ticks / 256
                    last = ticks / 256 * 256
                }
                // A delta has 16 bits; what does not fit begins another message.
                guard let start = reference, Int16(exactly: ticks - last) != nil else { break }
                arrivals.append(Int32(truncatingIfNeeded: ticks - start * 256))
                last = ticks
            }
            next += 1
        }
        defer {
            base = next
            count &+= 1
        }
        // Where nothing came, the time goes on from what was told last: senders reckon with the differences.
        lastReference = reference ?? lastReference
        let reading = UInt32(truncatingIfNeeded: lastReference) & 0xFF_FFFF
        return RTCPTransportFeedback(
            sender: sender, media: media, base: UInt16(truncatingIfNeeded: base),
            reference: Int32(bitPattern: reading << 8) >> 8, count: count, arrivals: arrivals)
    }

    @inline(__always)
    private static func slot(_ sequence: Int64) -> Int { Int(sequence & (capacity - 1)) }

    /// Never 0, and far enough from it that nothing comes before.
    @inline(__always)
    private static func ticks(_ now: MonotonicTime) -> Int64 {
        max(1, now.nanoseconds / RTCPTransportFeedback.tickNanoseconds)
    }
}
