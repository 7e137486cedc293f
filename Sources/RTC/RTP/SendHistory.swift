// What was sent on a transport lately, by transport-wide number, so that feedback finds its packets.

public import Media

/// What has become of one packet.
public struct PacketOutcome: Sendable, Hashable {
    /// When it was sent, in nanoseconds.
    public var sentAt: Int64
    /// When it arrived, on the receiver's clock in nanoseconds; nil for one that is lost.
    public var arrivedAt: Int64?
    /// Bytes on the wire.
    public var size: Int
    /// The probe that it belongs to, 0 for none.
    public var probe: UInt8
    /// Whether it was told of as lost before.
    public var wasLost: Bool
    /// Whether the message that tells of it has not come in its turn.
    ///
    /// Without an arrival nothing is known of the packet, and with one the message has come after all.
    public var isUntold: Bool
    /// Whether it is told of as lost.
    public var isLost: Bool { arrivedAt == nil && !isUntold }

    /// Creates an outcome.
    public init(
        sentAt: Int64, arrivedAt: Int64?, size: Int, probe: UInt8 = 0, wasLost: Bool = false, isUntold: Bool = false
    ) {
        self.sentAt = sentAt
        self.arrivedAt = arrivedAt
        self.size = size
        self.probe = probe
        self.wasLost = wasLost
        self.isUntold = isUntold
    }
}

/// A ring of what is on its way; it begins small, and doubles while packets of the last second would be overwritten.
///
/// Confined to one thread.
public final class SendHistory {
    private struct Sent: BitwiseCopyable, Sendable {
        /// Microseconds since the first packet, without their wraps; a lap of the ring takes far less than one.
        var at: UInt32 = 0
        var size: UInt16 = 0
        var probe: UInt8 = 0
        var state = State.closed
    }

    private enum State: UInt8, BitwiseCopyable { case closed, open, lost, untold }

    static let initialCapacity = 512, maximumCapacity = 8192
    /// What has not been told of for so long is told of no more.
    private static let keptMicroseconds: UInt32 = 1_000_000

    private var ring = Ring(repeating: Sent(), capacity: 0)
    private var begin: Int64 = 0
    /// The number behind all that was told of; 0 before the first message.
    private var told: Int64 = 0
    private var unwrapper = ReferenceUnwrapper()
    /// The number of the next packet; numbers begin at 1, so that 0 is free.
    public private(set) var next: Int64 = 1
    /// Bytes that nothing has been told of yet.
    public private(set) var bytesInFlight = 0

    /// Starts with nothing sent; memory is taken with the first packet.
    public init() {}

    /// How many packets are remembered now.
    public var capacity: Int { ring.capacity }

    /// Takes note of a packet that leaves under the number `next`.
    @inline(__always)
    public func note(size: Int, probe: UInt8 = 0, now: MonotonicTime) {
        if ring.capacity == 0 {
            ring = Ring(repeating: Sent(), capacity: Self.initialCapacity)
            begin = now.nanoseconds
        }
        let at = UInt32(truncatingIfNeeded: (now.nanoseconds &- begin) / 1000)
        let before = ring[next], size = UInt16(clamping: size)
        if before.state == .open {
            if at &- before.at < Self.keptMicroseconds, ring.capacity < Self.maximumCapacity {
                grow()
            } else {
                bytesInFlight -= Int(before.size)
            }
        } else if before.state == .untold {
            bytesInFlight -= Int(before.size)
        }
        ring[next] = Sent(at: at, size: size, probe: probe, state: .open)
        bytesInFlight += Int(size)
        next &+= 1
    }

    private func grow() {
        var larger = Ring(repeating: Sent(), capacity: ring.capacity * 2)
        for number in max(1, next - Int64(ring.capacity))..<next { larger[number] = ring[number] }
        ring = larger
    }

    /// Finds the packets that feedback tells of; each is told of once, or as lost first and then as come after all.
    ///
    /// Messages follow each other without a gap. One that is lost leaves packets that nothing is known of: they come first, as
    /// untold, so that nobody takes them for packets that never arrived.
    ///
    /// - Parameter take: gets each packet, in the order of their numbers.
    public func match(
        _ feedback: RTCPTransportFeedback, now: MonotonicTime, _ take: (PacketOutcome) -> Void
    ) {
        guard ring.capacity > 0, next > 1 else { return }
        let reference = unwrapper.unwrap(feedback.reference)
        let newest = next - 1
        let first = newest &+ Int64(Int16(bitPattern: feedback.base &- UInt16(truncatingIfNeeded: newest)))
        let at = UInt32(truncatingIfNeeded: (now.nanoseconds &- begin) / 1000)
        if told > 0, first > told, first < next {
            // What the history has forgotten can't be told of, and a message of long ago tells of nothing else.
            let known = max(told, next - Int64(ring.capacity))
            for sequence in min(known, first)..<first { passOver(sequence, at, now, take) }
        }
        told = max(told, min(next, first &+ Int64(feedback.arrivals.count)))
        for (index, arrival) in feedback.arrivals.enumerated() {
            let sequence = first &+ Int64(index)
            guard sequence >= 1, sequence < next, sequence + Int64(ring.capacity) >= next else { continue }
            let sent = ring[sequence], isMissing = arrival == RTCPTransportFeedback.missing
            guard sent.state != .closed, sent.state != .lost || !isMissing else { continue }
            let age = at &- sent.at
            var outcome = PacketOutcome(
                sentAt: now.nanoseconds &- Int64(age) * 1000, arrivedAt: nil, size: Int(sent.size), probe: sent.probe,
                wasLost: sent.state == .lost, isUntold: sent.state == .untold && !isMissing)
            if !isMissing {
                outcome.arrivedAt =
                    reference &* RTCPTransportFeedback.referenceNanoseconds
                    &+ Int64(arrival) &* RTCPTransportFeedback.tickNanoseconds
            }
            if sent.state != .lost { bytesInFlight -= Int(sent.size) }
            ring[sequence].state = isMissing ? .lost : .closed
            take(outcome)
        }
    }

    private func passOver(_ sequence: Int64, _ at: UInt32, _ now: MonotonicTime, _ take: (PacketOutcome) -> Void) {
        let sent = ring[sequence]
        guard sent.state == .open else { return }
        ring[sequence].state = .untold
        take(
            .init(
                sentAt: now.nanoseconds &- Int64(at &- sent.at) * 1000, arrivedAt: nil, size: Int(sent.size),
                probe: sent.probe, isUntold: true))
    }
}

/// The reference time of feedback without the wraps of its 24 bits: one is 12 days.
struct ReferenceUnwrapper: Sendable {
    private var last: Int64?

    mutating func unwrap(_ reference: Int32) -> Int64 {
        guard let last else {
            self.last = Int64(reference)
            return Int64(reference)
        }
        let distance = UInt32(truncatingIfNeeded: Int64(reference) &- last) << 8
        let value = last &+ Int64(Int32(bitPattern: distance) >> 8)
        self.last = value
        return value
    }
}
