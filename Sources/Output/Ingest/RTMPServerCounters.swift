// What the RTMP server has counted.

/// A snapshot of the server's counters.
public struct RTMPServerCounters: Sendable, Equatable {
    /// Connections accepted by the kernel.
    public var accepted: UInt64 = 0
    /// Connections open now.
    public var open: Int = 0
    /// Publishers now.
    public var publishing: Int = 0
    /// Players now.
    public var playing: Int = 0
    /// Connections that never published or played, by reason.
    public var rejected: [String: UInt64] = [:]
    /// Connections that published or played, by the reason of their end.
    public var ended: [String: UInt64] = [:]
    /// RTMP bytes received, after TLS.
    public var bytesReceived: UInt64 = 0
    /// RTMP bytes sent, before TLS.
    public var bytesSent: UInt64 = 0
    /// Times that a sink had no room and reading stopped.
    public var sinkStalls: UInt64 = 0
    /// Events that a full sink refused while their stream was ending.
    public var droppedAtEnd: UInt64 = 0
    /// Frames that slow players did not get.
    public var droppedForPlayers: UInt64 = 0

    /// Creates zeros.
    public init() {}
}
