// What a client publishes, receives and tells.

public import Media

/// A track that a client publishes.
public struct LocalTrack: Sendable, Hashable {
    /// The track's name in the description: `camera`, `screen`, `microphone` or `screenAudio`.
    public var name: String
    /// `.vp8`, `.vp9`, `.h264` or `.opus`.
    public var codec: Codec
    /// The names of its layers, up to three; empty for one stream without a name.
    public var layers: [String]

    /// Creates a track.
    public init(name: String, codec: Codec, layers: [String] = []) {
        self.name = name
        self.codec = codec
        self.layers = layers
    }
}

/// A track that a client receives.
public struct RemoteTrack: Sendable, Hashable {
    /// The publisher: the stream part of `a=msid`.
    public var participant: String
    /// The track part of `a=msid`; towards subscribers the SFU writes `SOURCE.SESSION.MID`.
    public var id: String
    /// `.vp8`, `.vp9`, `.h264` or `.opus`.
    public var codec: Codec

    /// Creates a track.
    public init(participant: String, id: String, codec: Codec) {
        self.participant = participant
        self.id = id
        self.codec = codec
    }

    /// The source's name: the id up to its first full stop.
    public var source: String { String(id.prefix { $0 != "." }) }
}

/// A frame that arrived.
public struct ReceivedFrame: Sendable {
    /// The frame; `pts` is the unwrapped RTP timestamp, `timescale` 90000 or 48000.
    public var frame: EncodedFrame
    /// When its last packet arrived.
    public var arrival: MonotonicTime
    /// When it was captured, in nanoseconds since the Unix epoch on the SFU's clock; nil before the first sender report.
    public var captureUnixNanoseconds: Int64?
    /// Whether frames before it were lost.
    public var followsGap: Bool
    /// How a picture is to be turned and read.
    public var signal = PictureSignal()
}

/// Packets of a track that became part of no frame.
public struct DiscardedPackets: Sendable, Hashable {
    /// They are none of the codec's, or parts of frames that can't be put together.
    public var damaged: UInt64 = 0
    /// They came too late, or once more.
    public var late: UInt64 = 0
    /// They lay between a gap and the keyframe behind it, or never came.
    public var abandoned: UInt64 = 0
}

/// What a client tells, on its loop's thread.
public enum RTCClientEvent: Sendable {
    /// Media can flow.
    case connected
    /// The connection has ended; the client can't be used again.
    case closed(reason: String)
    /// A track was offered to this client.
    case track(RemoteTrack)
    /// A track has gone.
    case trackEnded(RemoteTrack)
    /// A frame arrived.
    case frame(RemoteTrack, ReceivedFrame)
    /// So many packets of a track became part of no frame.
    case discarded(RemoteTrack, DiscardedPackets)
    /// Somebody needs a keyframe of our track, in all of its layers.
    case keyframeRequested(track: String)
    /// So many bits per second of our track are taken at most; with 0 nobody gets it for now. Told again and again.
    case limited(track: String, bitsPerSecond: UInt64)
}

/// By what a client may go to the SFU.
public enum RTCClientReach: Sendable {
    /// By UDP, and by TCP where nothing answers that way.
    case any
    /// As in a network that lets no UDP out.
    case tcpOnly

    func includes(_ transport: NetworkAddress.Transport) -> Bool { self == .any || transport == .tcp }
}

/// Loss that a client makes on purpose, for tests and load: seeded, on media packets only.
public struct LossModel: Sendable {
    /// The same seed loses the same packets.
    public var seed: UInt64
    /// Of a hundred packets that are sent, and that arrive.
    public var outgoingPercent: Int, incomingPercent: Int

    /// Creates a model.
    public init(seed: UInt64, outgoingPercent: Int = 0, incomingPercent: Int = 0) {
        self.seed = seed
        self.outgoingPercent = outgoingPercent
        self.incomingPercent = incomingPercent
    }

    mutating func loses(_ percent: Int) -> Bool {
        guard percent > 0 else { return false }
        seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int(seed >> 33) % 100 < percent
    }
}

/// What a client counts.
public struct RTCClientStatistics: Sendable {
    /// Packets.
    public var packetsSent: UInt64 = 0, packetsReceived: UInt64 = 0, packetsRetransmitted: UInt64 = 0
    /// Packets that came after they had been asked for.
    public var packetsRecovered: UInt64 = 0
    /// Packets that the loss model threw away.
    public var packetsLostOnPurpose: UInt64 = 0
    /// Frames.
    public var framesSent: UInt64 = 0, framesReceived: UInt64 = 0
    /// The last round trip that ICE measured.
    public var roundTripMs: Int64?
    /// Drops by reason.
    public var drops: [String: UInt64] = [:]
}

/// Why a client refused something.
public struct RTCClientError: Error, Sendable, CustomStringConvertible {
    /// One sentence.
    public let description: String
}
