// The RTMPS entrance: listens, lets connections in, and closes in order.

public import Logging
import Media
public import NIOCore
import NIOPosix
public import NIOSSL
import RTMP
import Synchronization

/// A server for RTMP publishers and players over TLS (or in the clear, for a trusted network).
public final class RTMPServer: Sendable {
    private let host: String
    private let port: Int
    private let group: any EventLoopGroup
    private let logger: Logger
    private let authorizer: any IngestAuthorizer
    let registry: RTMPServerRegistry
    private let listener: Mutex<(any Channel)?>

    /// Creates a server that does not listen yet.
    ///
    /// - Parameters:
    ///   - host: the address to listen on.
    ///   - port: the port, or 0 for any.
    ///   - tlsContext: certificate and key, or nil for plain RTMP.
    ///   - limits: bounds on connections.
    ///   - eventLoopGroup: where connections live.
    ///   - logger: where starts, ends and refusals are told; never a key.
    ///   - authorizer: decides on every stream.
    public init(
        host: String, port: Int, tlsContext: NIOSSLContext?, limits: RTMPServerLimits = RTMPServerLimits(),
        eventLoopGroup: any EventLoopGroup, logger: Logger, authorizer: any IngestAuthorizer
    ) {
        self.host = host
        self.port = port
        group = eventLoopGroup
        self.logger = logger
        self.authorizer = authorizer
        registry = RTMPServerRegistry(limits: limits, tls: tlsContext)
        listener = Mutex(nil)
    }

    /// Listens.
    ///
    /// - Throws: when the address cannot be bound.
    public func start() async throws {
        let (registry, authorizer, logger) = (registry, authorizer, logger)
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 128)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.socketOption(.so_keepalive), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.maxMessagesPerRead, value: 4)
            // A key frame of a stream that is played must not pass for a player that is slow.
            .childChannelOption(.writeBufferWaterMark, value: .init(low: 256 << 10, high: 1 << 20))
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let address = channel.remoteAddress
                    if let reason = registry.admit(channel) {
                        throw RTMPServerRefusal(reason: reason)
                    }
                    channel.closeFuture.whenComplete { _ in registry.leave(channel, address: address) }
                    if let tls = registry.tls {
                        try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: tls))
                    }
                    try channel.pipeline.syncOperations.addHandler(
                        RTMPServerHandler(
                            registry: registry, authorizer: authorizer, logger: logger, channel: channel,
                            now: SystemClock.monotonic()))
                }
            }
        let channel = try await bootstrap.bind(host: host, port: port).get()
        listener.withLock { $0 = channel }
    }

    /// The port that is listened on, once it is.
    public var boundPort: Int? { listener.withLock { $0 }?.localAddress?.port }

    /// Uses another certificate for connections that come from now on.
    public func updateTLS(_ context: NIOSSLContext) { registry.setTLS(context) }

    /// A snapshot of the counters.
    public var counters: RTMPServerCounters { registry.counters }

    /// Stops listening, ends every stream with its status, and returns when all connections are closed.
    ///
    /// Takes little longer than the linger time of the limits.
    public func shutdown() async {
        try? await listener.withLock { $0 }?.close().get()
        let channels = registry.closeDoor()
        for channel in channels {
            channel.eventLoop.execute {
                channel.pipeline.fireUserInboundEventTriggered(RTMPServerSignal.shutdown)
            }
        }
        for channel in channels { try? await channel.closeFuture.get() }
    }
}

/// A connection that was turned away at the door.
struct RTMPServerRefusal: Error {
    let reason: String
}
