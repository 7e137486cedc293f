// The short-term credential of one ICE generation.

/// A user name fragment with its password.
public struct ICECredentials: Sendable, Hashable {
    /// The user name fragment.
    public var ufrag: String
    /// The password.
    public var password: String

    /// Creates credentials.
    public init(ufrag: String, password: String) {
        self.ufrag = ufrag
        self.password = password
    }

    /// Makes random ones: 48 and 144 bits.
    public static func random() -> Self { Self(ufrag: SecureRandom.iceText(8), password: SecureRandom.iceText(24)) }
}

/// What became of a STUN datagram.
public enum ICEInput: Sendable, Hashable {
    /// A valid check or response; `reply` goes back to where it came from.
    case accepted
    /// Not for us, or not authentic.
    case dropped(DropReason)
}

/// Why a datagram or a packet went no further.
public enum DropReason: Int, Sendable, CaseIterable {
    case noise, unknownPeer, malformedSTUN, unauthenticatedSTUN, earlyDTLS, earlyMedia, malformedRTP, malformedRTCP
    case replayed, notAuthentic, tooManySources, unknownSource, padding, late, muted, awaitingKeyframe, sendBufferFull
    case repeatLimit, notStored
    /// Nobody's loss: the subscriber gets another layer of the track, does not show it, or has it no more.
    case otherLayer, notWanted
    /// Nobody is there who could get it.
    case noSubscriber
    /// For a subscriber who has not answered yet that it takes the track, who can't decode it, and whose connection is not up yet,
    /// or not any more.
    case unanswered, lacksCodec, notConnected
    /// Reports, STUN and DTLS to a peer for whom too many wait to be sent.
    case queueFull
    /// RTCP of which nothing is understood.
    case unknownRTCP
    /// Nobody's loss either: a voice that is not among the loudest of its room.
    case notLoudest
    /// The subscriber's line has no room for even the smallest layer.
    case noRoom
    /// Behind a TCP reader that is too slow, and for a TCP connection that has gone.
    case streamFull, streamGone
    /// For a peer that has given no sign of life for so long that nothing may be sent to it (RFC 7675).
    case noConsent
    /// From a session that sends more than anybody needs to.
    case tooMuch
    /// Thrown away by the kernel: before it was read, because those before it were not read in time, and after it was forwarded or
    /// answered, because the socket was full or the peer can't be reached.
    case receiveBufferFull, kernelRefused

    /// What metrics call it.
    public var name: String { "\(self)" }
}

/// One counter per reason.
public struct DropCounters: Sendable {
    private var counts = [UInt64](repeating: 0, count: DropReason.allCases.count)

    /// Starts at zero.
    public init() {}

    /// Counts one drop.
    @inline(__always)
    public mutating func count(_ reason: DropReason) { counts[reason.rawValue] &+= 1 }

    /// Counts several drops.
    @inline(__always)
    public mutating func count(_ reason: DropReason, _ number: Int) {
        counts[reason.rawValue] &+= UInt64(clamping: number)
    }

    /// How often a reason was counted.
    public subscript(_ reason: DropReason) -> UInt64 { counts[reason.rawValue] }

    /// All that is not zero, by the reason's name.
    public var nonZero: [String: UInt64] {
        Dictionary(uniqueKeysWithValues: DropReason.allCases.filter { self[$0] > 0 }.map { ($0.name, self[$0]) })
    }
}
