// Every bound of an RTMP connection, in one place.

/// The bounds of a connection in memory and time.
public struct RTMPLimits: Sendable, Equatable {
    /// The longest message in bytes; a 4K key frame needs more than nginx-rtmp's default of 1 MiB.
    public var maximumMessageLength = 10 << 20
    /// The most bytes that unfinished messages of one connection may hold together.
    public var maximumPendingBytes = 16 << 20
    /// The most chunk streams one peer may use; encoders use five.
    public var maximumChunkStreams = 32
    /// The most bytes held for a peer whose stream is not authorized yet.
    public var maximumBytesBeforeAuthorization = 64 << 10
    /// The most messages a peer may send before its stream is authorized.
    public var maximumMessagesBeforeAuthorization = 256
    /// The most time from the accepted connection, TLS included, to the `publish` or `play` command.
    public var commandDeadlineMilliseconds: Int64 = 10_000
    /// The most time the shell may take to answer an authorization, its delay for refusals included.
    public var authorizationDeadlineMilliseconds: Int64 = 15_000
    /// The most time from an accepted `publish` to the first audio or video message.
    public var firstPacketTimeoutMilliseconds: Int64 = 20_000
    /// The most time without a byte from a publisher.
    public var idleTimeoutMilliseconds: Int64 = 7_000
    /// How often a peer is asked for a sign of life.
    public var pingIntervalMilliseconds: Int64 = 30_000
    /// The most time without a byte from a player.
    public var playerTimeoutMilliseconds: Int64 = 65_000
    /// The window that peers are told to acknowledge, and that they get acknowledged, in bytes.
    public var acknowledgementWindow: UInt32 = 2_500_000
    /// The chunk size of what we send, at least 128; FFmpeg adopts the server's.
    public var outgoingChunkSize = 65_536

    /// Creates the usual bounds.
    public init() {}
}
