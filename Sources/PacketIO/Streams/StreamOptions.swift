// What a loop does with TCP beside its datagrams, and what it counts of it.

/// How a loop carries packets over TCP (RFC 4571), and its bounds.
public struct StreamOptions: Sendable {
    /// Whether the port of the datagrams is listened on by TCP too.
    public var listens: Bool
    /// Whether a packet to a TCP address that there is no connection to opens one.
    public var dials: Bool
    /// Connections altogether, and of one host (IPv6: of one /64), for people who share an address.
    public var maximumConnections = 2048, maximumOfHost = 256
    /// Connections that have not yet shown that they belong to somebody; the oldest makes way.
    public var maximumUnproven = 256, maximumUnprovenOfHost = 32
    /// How long one may take to show it, in milliseconds: what says nothing, or too slowly, is closed.
    public var proofMs: Int64 = 10_000
    /// How long one may say nothing at all, in milliseconds.
    public var idleMs: Int64 = 60_000
    /// How long video may wait for a slow reader, in milliseconds, before more of it is dropped.
    public var waitMs: Int64 = 300
    /// How many bytes of video, and of all else, may wait.
    public var videoBytes = 256 << 10, otherBytes = 64 << 10

    /// Creates options with the default bounds.
    public init(listens: Bool = false, dials: Bool = false) {
        self.listens = listens
        self.dials = dials
    }
}

/// What a loop's TCP connections have done.
public struct StreamStatistics: Sendable, Hashable {
    /// Connections that are open now.
    public var open = 0
    /// Connections that were taken, and that were refused because there were too many.
    public var accepted: UInt64 = 0, refused: UInt64 = 0
    /// Connections closed because they did not show in time, or by their first packet, that they belong to somebody.
    public var unproven: UInt64 = 0
    /// Connections closed because what they sent was no packet of ours.
    public var malformed: UInt64 = 0
    /// Packets that came and that were given to the kernel.
    public var received: UInt64 = 0, sent: UInt64 = 0
    /// Packets that were dropped: video behind a slow reader, anything else behind one that stands still, and what was
    /// for a connection that is gone.
    public var videoDropped: UInt64 = 0, otherDropped: UInt64 = 0, goneDropped: UInt64 = 0
}
