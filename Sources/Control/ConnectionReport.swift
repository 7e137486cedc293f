// What a shard says of one connection, as plain values for whoever looks after it.

public import Media

/// One session's connection at one moment; rates are those of the last whole second.
public struct ConnectionReport: Sendable, Codable, Hashable {
    /// What a session does.
    public enum Direction: String, Sendable, Codable { case publishes, receives }
    /// Whether media can flow: not yet, now, or not now because the peer gives no sign of life.
    public enum State: String, Sendable, Codable { case connecting, connected, away }

    /// The path that media takes.
    public struct Path: Sendable, Codable, Hashable {
        /// `udp` or `tcp`, and `ipv4` or `ipv6`.
        public var transport: String, family: String
        /// Where the shard sends to: the peer, its NAT, or its relay.
        public var address: String
        /// How many paths have consent, and how often media has gone over from one to another.
        public var paths: Int, moves: Int

        /// Creates a path.
        public init(transport: String, family: String, address: String, paths: Int, moves: Int) {
            self.transport = transport
            self.family = family
            self.address = address
            self.paths = paths
            self.moves = moves
        }
    }

    /// One stream of packets of a track.
    public struct Layer: Sendable, Codable, Hashable {
        /// Its name in the packets; missing where a track has one stream only.
        public var name: String?
        /// Whether it comes.
        public var isActive: Bool
        /// The size of its last key frame, in pixels.
        public var width: Int?, height: Int?
        /// Bits per second.
        public var bitrate: Int

        /// Creates a layer.
        public init(name: String?, isActive: Bool, width: Int?, height: Int?, bitrate: Int) {
            self.name = name
            self.isActive = isActive
            self.width = width
            self.height = height
            self.bitrate = bitrate
        }
    }

    /// One track on the connection.
    public struct Track: Sendable, Codable, Hashable {
        /// The track's id, and whose it is.
        public var id: String, participant: String
        /// How it is encoded.
        public var codec: Codec
        /// Whether anything of it goes to the subscriber now; a published one that is held back goes nowhere.
        public var isFlowing: Bool
        /// Bits per second of its payload.
        public var bitrate: Int
        /// Of the packets of the last report, the part that was lost, 0 to 1.
        public var loss: Double
        /// How evenly packets arrive at their receiver, in milliseconds.
        public var jitterMs: Double
        /// Packets that were asked for again, packets that were sent again, and key frames that were asked for.
        public var nacks: UInt64, retransmissions: UInt64, keyframeRequests: UInt64
        /// What is published; empty for what is received.
        public var layers: [Layer]
        /// Of what is received, the layer that is sent now.
        public var layer: Int?
        /// What of it the line has no room for.
        public var limit: LineLimit?

        /// Creates a track.
        public init(
            id: String, participant: String, codec: Codec, isFlowing: Bool, bitrate: Int, loss: Double,
            jitterMs: Double, nacks: UInt64, retransmissions: UInt64, keyframeRequests: UInt64, layers: [Layer] = [],
            layer: Int? = nil, limit: LineLimit? = nil
        ) {
            self.id = id
            self.participant = participant
            self.codec = codec
            self.isFlowing = isFlowing
            self.bitrate = bitrate
            self.loss = loss
            self.jitterMs = jitterMs
            self.nacks = nacks
            self.retransmissions = retransmissions
            self.keyframeRequests = keyframeRequests
            self.layers = layers
            self.layer = layer
            self.limit = limit
        }
    }

    /// The session, and whose it is.
    public var session: String, participant: String
    /// What it does.
    public var direction: Direction
    /// Whether media can flow.
    public var state: State
    /// The path; nil while there is none.
    public var path: Path?
    /// How media is encrypted, as RFC 5764 and RFC 7714 call it; nil before the handshake is over.
    public var protection: String?
    /// The last measured round trip; nil where nothing has been measured.
    public var roundTripMs: Int64?
    /// Bits per second of payload, from the peer and to it.
    public var bitrateIn = 0, bitrateOut = 0
    /// The worst loss of its tracks, 0 to 1.
    public var loss = 0.0
    /// What the line to a subscriber carries, in bits per second; nil where nothing is known of it.
    public var capacity: Int?
    /// Its tracks; left out of a short report.
    public var tracks: [Track] = []

    /// Creates a report of a session of which nothing else is known.
    public init(session: String, participant: String, direction: Direction, state: State) {
        self.session = session
        self.participant = participant
        self.direction = direction
        self.state = state
    }
}
