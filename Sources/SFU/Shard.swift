// A shard: one thread, one port, the rooms that lie on it.

public import Control
public import Media
public import PacketIO
import RTC

/// How a shard is set up.
public struct ShardConfiguration: Sendable {
    /// What to bind to; port 0 lets the system choose, and the IPv6 wildcard takes IPv4 too.
    public var bind: NetworkAddress
    /// The addresses that peers are told, best first; port 0 stands for the shard's own.
    public var announced: [NetworkAddress]
    /// Bounds.
    public var maximumRooms = 1000, maximumSessions = 4000
    /// Tracks of one publishing session, and sections of one subscribing session.
    public var maximumTracks = 8, maximumSections = 120
    /// Tracks of a session that publishes a program: its picture in two codecs, and a mix for each of 64 listeners.
    public var maximumProgramTracks = 66
    /// How long a transport may take to come up.
    public var connectTimeoutMs: Int64 = 30_000
    /// What a publisher is told that it may send, in bits per second: enough for 720p in three layers beside a shared screen.
    public var maximumPublisherBitrate = 6_000_000
    /// How long a picture of the program is asked for when nobody gets it any more.
    public var programLingerMs: Int64 = 5000
    /// How many voices of a room its speakers get: the loudest; 0 for all.
    public var loudestSpeakers = 6
    /// The TCP connections on the same port (RFC 6544).
    public var streams = StreamOptions(listens: true)
    /// From how many equal datagrams to one peer on a run goes as one message; 0 for never.
    public var segmentRun = UDPSocket.segmentRun

    /// Creates a configuration with its defaults.
    public init(bind: NetworkAddress, announced: [NetworkAddress]) {
        self.bind = bind
        self.announced = announced
    }
}

/// A shard of the SFU.
///
/// Commands go in through its mailbox; events come out on its thread.
public final class Shard: Sendable {
    private let loop: PacketLoop<ShardMessage>

    /// The port it listens on.
    public var port: UInt16 { loop.address.port }
    /// The receive buffer that the kernel granted, in bytes; below 5 MB bursts are lost.
    public var receiveBufferBytes: Int { loop.receiveBufferBytes }

    /// Opens the port and starts the thread.
    ///
    /// - Parameters:
    ///   - configuration: the port and the bounds.
    ///   - onEvent: called on the shard's thread; it must not block.
    /// - Throws: `SocketError` when the port can't be had.
    public init(_ configuration: ShardConfiguration, onEvent: @escaping @Sendable (SFUEvent) -> Void)
        throws(SocketError)
    {
        loop = try PacketLoop(
            name: "sfu-shard", address: configuration.bind, segmentRun: configuration.segmentRun,
            streams: configuration.streams
        ) { socket in
            guard let identity = DTLSIdentity() else {
                // Without a certificate nobody can join; the supervisor starts the process again.
                preconditionFailure("OpenSSL could not make a certificate")
            }
            return ShardCore(socket: socket, identity: identity, configuration: configuration, onEvent: onEvent)
        }
    }

    /// Sends a command; the reply comes on the shard's thread.
    public func send(_ command: SFUCommand, reply: @escaping @Sendable (Result<SFUReply, SFUError>) -> Void) {
        guard loop.post(ShardMessage(command: command, reply: reply)) else {
            reply(.failure(SFUError(.stopped, "The media server is stopping or has too much to do.")))
            return
        }
    }

    /// Sends a command and waits for its reply.
    ///
    /// - Throws: `SFUError` when it was refused.
    public func send(_ command: SFUCommand) async throws(SFUError) -> SFUReply {
        let result = await withCheckedContinuation { continuation in
            send(command) { continuation.resume(returning: $0) }
        }
        return try result.get()
    }

    /// Ends all sessions and the thread.
    public func stop() { loop.stop() }
}
