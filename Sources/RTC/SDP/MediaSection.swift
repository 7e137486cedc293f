// One media section of a session description.

/// One `m=` section, with what it inherits from the session filled in.
public struct MediaSection: Sendable, Hashable {
    /// What the section carries.
    public enum Kind: String, Sendable, Codable { case audio, video, application }

    /// Which way media flows, seen by the one who wrote the description.
    public enum Direction: String, Sendable {
        case sendrecv, sendonly, recvonly, inactive

        /// What the other side calls it.
        public var reversed: Direction {
            switch self {
            case .sendonly: .recvonly
            case .recvonly: .sendonly
            default: self
            }
        }
        /// Whether the writer sends.
        public var sends: Bool { self == .sendrecv || self == .sendonly }
        /// Whether the writer receives.
        public var receives: Bool { self == .sendrecv || self == .recvonly }
    }

    /// Who begins DTLS (RFC 8842).
    public enum Setup: String, Sendable { case actpass, active, passive }

    /// A payload type and what it stands for.
    public struct Codec: Sendable, Hashable {
        /// The payload type.
        public var payloadType: UInt8
        /// The name in its usual spelling: `VP8`, `opus`, `rtx`.
        public var name: String
        /// Ticks per second.
        public var clockRate: Int
        /// Channels of audio, 1 where none are named.
        public var channels: Int
        /// The value of `a=fmtp`, empty when there is none.
        public var parameters = ""
        /// The values of `a=rtcp-fb`.
        public var feedback: [String] = []

        /// Creates a codec.
        public init(
            payloadType: UInt8, name: String, clockRate: Int, channels: Int = 1, parameters: String = "",
            feedback: [String] = []
        ) {
            self.payloadType = payloadType
            self.name = name
            self.clockRate = clockRate
            self.channels = channels
            self.parameters = parameters
            self.feedback = feedback
        }

        /// The payload type that RTX repeats (RFC 4588 section 8.6).
        public var associatedPayloadType: UInt8? {
            for part in parameters.split(separator: ";") {
                let pair = part.split(separator: "=")
                if pair.count == 2, pair[0].filter({ $0 != " " }) == "apt" { return UInt8(pair[1]) }
            }
            return nil
        }
    }

    /// A header extension and its id.
    public struct HeaderExtension: Sendable, Hashable {
        /// 1…14 in the one-byte form.
        public var id: UInt8
        /// What it means.
        public var uri: String

        /// Creates an extension.
        public init(id: UInt8, uri: String) {
            self.id = id
            self.uri = uri
        }
    }

    /// The sources of one track: media, and RTX if there is any.
    public struct Source: Sendable, Hashable {
        /// The SSRC of the media.
        public var ssrc: UInt32
        /// The SSRC of its retransmissions.
        public var rtx: UInt32?
        /// The canonical name.
        public var cname: String

        /// Creates a source.
        public init(ssrc: UInt32, rtx: UInt32? = nil, cname: String) {
            self.ssrc = ssrc
            self.rtx = rtx
            self.cname = cname
        }
    }

    /// What the section carries.
    public var kind: Kind
    /// The name of the section.
    public var mid: String
    /// Whether port 0 says that it is refused.
    public var isRejected = false
    /// Which way media flows.
    public var direction: Direction = .sendrecv
    /// The transport's protocol, `UDP/TLS/RTP/SAVPF`.
    public var transport = "UDP/TLS/RTP/SAVPF"
    /// ICE user name fragment and password.
    public var ufrag = "", password = ""
    /// The certificate's fingerprint.
    public var fingerprint: DTLSFingerprint?
    /// Who begins DTLS.
    public var setup: Setup = .actpass
    /// Codecs in order of preference.
    public var codecs: [Codec] = []
    /// Header extensions.
    public var extensions: [HeaderExtension] = []
    /// Whether packets may have them in the two-byte form too (RFC 8285 section 6).
    public var allowsMixedExtensions = false
    /// Where this side can be reached.
    public var candidates: [ICECandidate] = []
    /// The sources that this side sends.
    public var sources: [Source] = []
    /// The stream and the track that the section carries (RFC 8830).
    public var stream = "", track = ""
    /// The streams that are sent or received at once; empty where there is one.
    public var simulcast = Simulcast()
    /// Whether RTP and RTCP share the port.
    public var hasRTCPMux = false
    /// Whether RTCP could not come by a port of its own (RFC 8858).
    public var isRTCPMuxOnly = false

    /// Creates an empty section.
    public init(kind: Kind, mid: String) {
        self.kind = kind
        self.mid = mid
    }

    /// Finds a codec by name, clock and channels; names are compared without case.
    public func codec(_ name: String, clockRate: Int) -> Codec? {
        codecs.first { $0.name.lowercased() == name.lowercased() && $0.clockRate == clockRate }
    }

    /// Finds the RTX codec for a payload type.
    public func rtx(for payloadType: UInt8) -> Codec? {
        codecs.first { $0.name.lowercased() == "rtx" && $0.associatedPayloadType == payloadType }
    }

    /// Finds the id of a header extension.
    public func extensionID(_ uri: String) -> UInt8? { extensions.first { $0.uri == uri }?.id }
}
