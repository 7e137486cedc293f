// The full intra request, taken for a picture loss indication (RFC 5104 section 4.3.1).

/// A request for keyframes of several sources.
public typealias RTCPFullIntraRequest = RTCPSourceFeedback<RTCPKeyframeRequest>

/// A source and the number of the request.
public struct RTCPKeyframeRequest: RTCPSourceEntry {
    /// Payload-specific feedback, FIR.
    public static let kind: (type: UInt8, format: UInt8) = (206, 4)
    /// The source.
    public var ssrc: UInt32
    /// Repeats of one request have the same number.
    public var sequence: UInt8

    /// Creates an entry.
    public init(ssrc: UInt32, sequence: UInt8) {
        self.ssrc = ssrc
        self.sequence = sequence
    }

    /// Reads an entry; the 24 bits behind the number are reserved.
    public init(ssrc: UInt32, word: UInt32) { self.init(ssrc: ssrc, sequence: UInt8(word >> 24)) }

    /// The number, and 24 bits of nothing.
    public var word: UInt32 { UInt32(sequence) << 24 }
}
