// The bounds of the RTMP server as a whole.

public import RTMP

/// Bounds on connections, and the bounds of each.
public struct RTMPServerLimits: Sendable {
    /// The bounds of one connection.
    public var connection = RTMPLimits()
    /// The most connections together.
    public var maximumConnections = 256
    /// The most connections of one IPv4 address or one IPv6 /64 network.
    public var maximumConnectionsPerAddress = 16
    /// How long a refused key waits for its answer; slows guessing down.
    public var refusalDelayMilliseconds: Int64 = 2_000
    /// How long a closing connection waits for the peer to read the last status.
    public var lingerMilliseconds: Int64 = 1_000
    /// The most events on their way to one player's event loop.
    public var maximumPlayerBacklog = 256

    /// Creates the usual bounds.
    public init() {}
}
