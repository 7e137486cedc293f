// What a program is connected to besides its room: where it goes as well, and what comes in by RTMP.

public import Media

/// The further outputs and the ingests of an event's program; always told as a whole.
public struct ProgramConnections: Sendable, Codable, Hashable {
    /// Where the program goes besides the pipeline.
    public var outputs: [OutputDestination]
    /// What it may show from outside.
    public var ingests: [IngestFeed]

    /// Creates a set, by default an empty one.
    public init(outputs: [OutputDestination] = [], ingests: [IngestFeed] = []) {
        self.outputs = outputs
        self.ingests = ingests
    }
}

/// One more RTMP server that gets the program.
public struct OutputDestination: Sendable, Codable, Hashable {
    /// The output's id.
    public var id: String
    /// `rtmps://HOST[:PORT]/APP` or `rtmp://…`.
    public var url: String
    /// The stream's name there.
    public var key: SecretText
    /// Whether the server has ever taken this stream: then a refusal is no wrong key, and is tried again.
    public var hasBeenLive: Bool

    /// Creates a destination.
    public init(id: String, url: String, key: SecretText, hasBeenLive: Bool) {
        self.id = id
        self.url = url
        self.key = key
        self.hasBeenLive = hasBeenLive
    }
}

/// One entrance whose stream scenes may show.
public struct IngestFeed: Sendable, Codable, Hashable {
    /// The name by which scenes call it: `ingest:NAME`.
    public var name: String
    /// Where it is played: `rtmps://HOST:PORT/ingest/NAME`, with the compositor's token as the stream's name.
    public var url: String

    /// Creates a feed.
    public init(name: String, url: String) {
        self.name = name
        self.url = url
    }
}

/// How an output is doing.
public struct OutputState: Sendable, Codable, Hashable {
    /// Where it stands.
    public enum Phase: String, Sendable, Codable, CaseIterable {
        /// The first connection is being made.
        case connecting
        /// The server takes the program.
        case live
        /// The connection was lost, or could not be made; another follows.
        case retrying
        /// It is not tried again until the output is made anew or the program starts anew.
        case failed
    }

    /// The output's id.
    public var id: String
    /// Where it stands.
    public var phase: Phase
    /// Why it is not live, or what is wrong while it is; never with the key in it.
    public var reason: String?
    /// Since when it stands there: milliseconds of the wall clock since the Unix epoch.
    public var sinceMs: Int64
    /// The bytes that went out.
    public var bytesSent: UInt64
    /// Bits per second over the last second.
    public var bitrate: Int64
    /// The frames that were left out.
    public var droppedFrames: UInt64
    /// How many times the server has taken the stream.
    public var connections: UInt64
    /// Whether the server has ever taken the stream for some seconds: some take every stream and look at its key then.
    public var hasBeenLive: Bool

    /// Creates a state.
    public init(
        id: String, phase: Phase, reason: String? = nil, sinceMs: Int64, bytesSent: UInt64 = 0, bitrate: Int64 = 0,
        droppedFrames: UInt64 = 0, connections: UInt64 = 0, hasBeenLive: Bool = false
    ) {
        self.id = id
        self.phase = phase
        self.reason = reason
        self.sinceMs = sinceMs
        self.bytesSent = bytesSent
        self.bitrate = bitrate
        self.droppedFrames = droppedFrames
        self.connections = connections
        self.hasBeenLive = hasBeenLive
    }
}
