// What a datagram on a shared port is, told by its first bytes.

/// The protocols that share one port (RFC 7983, RFC 5761).
public enum DatagramKind: Sendable {
    case stun, dtls, rtp, rtcp, unknown

    /// Looks at the first two bytes.
    @inline(__always)
    public init(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= 2 else {
            self = .unknown
            return
        }
        switch bytes[0] {
        case 0...3: self = .stun
        case 20...63: self = .dtls
        // With rtcp-mux the packet types 192…223 can't be payload types, marker bit included (RFC 5761 section 4).
        case 128...191: self = (192...223).contains(bytes[1]) ? .rtcp : .rtp
        default: self = .unknown
        }
    }
}
