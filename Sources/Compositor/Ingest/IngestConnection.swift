// One ingest's way in: played by RTMP from the server that its encoder publishes to, again and again.

internal import Control
internal import Foundation
internal import Logging
internal import Media
internal import NIOCore
internal import NIOPosix
internal import NIOSSL
internal import RTMP
internal import Synchronization

/// Plays one stream until it is closed; connects anew whenever the stream ends, because its encoder may come back.
final class IngestConnection: Sendable {
    private struct State {
        var backoff = PublishBackoff()
        var channel: (any Channel)?
        var isClosed = false, hasFailed = false
        var startedAt: MonotonicTime?
    }

    private let address: RTMPAddress
    private let configuration: RTMPClientConfiguration
    private let trustedCertificateFile: URL?
    private let eventLoop: any EventLoop
    private let logger: Logger
    private let onEvent: @Sendable (StreamEvent, MonotonicTime) -> Void
    private let state = Mutex(State())

    /// Begins to connect.
    ///
    /// - Parameters:
    ///   - address: the server; it must prove its name, because the stream's name is a worker's token.
    ///   - streamName: the secret name; never logged.
    ///   - trustedCertificateFile: certificates that are trusted beside the system's.
    ///   - eventLoop: where the connection lives.
    ///   - logger: for starts and ends.
    ///   - onEvent: gets the stream with the times of arrival, on the event loop; must not block.
    init(
        address: RTMPAddress, streamName: String, trustedCertificateFile: URL?, eventLoop: any EventLoop,
        logger: Logger, onEvent: @escaping @Sendable (StreamEvent, MonotonicTime) -> Void
    ) {
        self.address = address
        var configuration = RTMPClientConfiguration(app: address.app, url: address.url, streamName: streamName)
        configuration.purpose = .play
        self.configuration = configuration
        self.trustedCertificateFile = trustedCertificateFile
        self.eventLoop = eventLoop
        self.logger = logger
        self.onEvent = onEvent
        eventLoop.execute { self.dial() }
    }

    /// Whether the server plays, whether or not an encoder publishes.
    var isConnected: Bool { state.withLock { $0.startedAt != nil } }

    /// Closes the connection, and makes no other.
    func close() {
        let channel = state.withLock { state in
            state.isClosed = true
            return state.channel
        }
        channel?.close(promise: nil)
    }

    private func dial() {
        guard !state.withLock({ $0.isClosed }) else { return }
        HostLookup.addresses(
            of: address.host, port: UInt16(address.port), kind: .own, on: eventLoop
        ).whenComplete { result in
            switch result {
            case .success(let addresses): self.connect(addresses[...])
            case .failure(let error): self.lost("\(error)")
            }
        }
    }

    private func connect(_ addresses: ArraySlice<NetworkAddress>) {
        guard let first = addresses.first else { return }
        let serverName = address.serverName
        do {
            let context = address.isSecure ? try tlsContext() : nil
            ClientBootstrap(group: eventLoop)
                .connectTimeout(.seconds(5))
                .channelOption(.tcpOption(.tcp_nodelay), value: 1)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        guard let context else { return }
                        try channel.pipeline.syncOperations.addHandler(
                            NIOSSLClientHandler(context: context, serverHostname: serverName))
                    }
                }
                .connect(to: try SocketAddress(ipAddress: first.ip, port: Int(first.port)))
                .whenComplete { result in
                    switch result {
                    case .success(let channel): self.take(channel)
                    case .failure(let error):
                        let others = addresses.dropFirst()
                        if others.isEmpty { self.lost("\(error)") } else { self.connect(others) }
                    }
                }
        } catch {
            lost("\(error)")
        }
    }

    private func take(_ channel: any Channel) {
        let isClosed = state.withLock { state in
            state.channel = channel
            return state.isClosed
        }
        channel.closeFuture.whenComplete { _ in self.lost(nil) }
        do {
            try channel.pipeline.syncOperations.addHandler(
                IngestHandler(
                    configuration: configuration, now: SystemClock.monotonic(), onStarted: started, onEvent: onEvent
                ) {
                    [logger] reason in
                    logger.debug("an ingest's connection ends", metadata: ["reason": "\(reason)"])
                })
        } catch {
            channel.close(promise: nil)
        }
        if isClosed { channel.close(promise: nil) }
    }

    private func tlsContext() throws -> NIOSSLContext {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        if let trustedCertificateFile {
            configuration.additionalTrustRoots = [
                .certificates(try NIOSSLCertificate.fromPEMFile(trustedCertificateFile.path))
            ]
        }
        return try NIOSSLContext(configuration: configuration)
    }

    private func started() {
        state.withLock { state in
            state.startedAt = SystemClock.monotonic()
            state.hasFailed = false
        }
        logger.info("an ingest is listened to")
    }

    private func lost(_ reason: String?) {
        var generator = SystemRandomNumberGenerator()
        let now = SystemClock.monotonic()
        let (wait, isNew) = state.withLock { state -> (Int64?, Bool) in
            let ran = state.startedAt.map { max(0, now.milliseconds(since: $0)) } ?? 0
            defer { state.hasFailed = true }
            state.channel = nil
            state.startedAt = nil
            guard !state.isClosed else { return (nil, false) }
            return (state.backoff.delay(ranMilliseconds: ran, isRefused: false, using: &generator), !state.hasFailed)
        }
        onEvent(.ended(reason: "connection lost"), now)
        guard let wait else { return }
        if isNew {
            logger.notice("an ingest is not listened to now", metadata: ["reason": "\(reason ?? "it was closed")"])
        }
        eventLoop.scheduleTask(in: .milliseconds(wait)) { self.dial() }
    }
}

/// The client machine's hands on a channel; confined to the channel's event loop.
private final class IngestHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// A server that sends nothing at all, no sound, no picture and no sign of life, is gone.
    private static let silenceMilliseconds: Int64 = 75_000
    private let onStarted: @Sendable () -> Void
    private let onEvent: @Sendable (StreamEvent, MonotonicTime) -> Void
    private let onEnd: @Sendable (String) -> Void
    private var machine: RTMPClientConnection
    private var context: ChannelHandlerContext?
    private var hasEnded = false
    private var lastHeard: MonotonicTime

    init(
        configuration: RTMPClientConfiguration, now: MonotonicTime, onStarted: @escaping @Sendable () -> Void,
        onEvent: @escaping @Sendable (StreamEvent, MonotonicTime) -> Void, onEnd: @escaping @Sendable (String) -> Void
    ) {
        self.onStarted = onStarted
        self.onEvent = onEvent
        self.onEnd = onEnd
        lastHeard = now
        var generator = SystemRandomNumberGenerator()
        machine = RTMPClientConnection(configuration, using: &generator, now: now)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        pump()
        check()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        hasEnded = true
        self.context = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        lastHeard = SystemClock.monotonic()
        unwrapInboundIn(data).withUnsafeReadableBytes { machine.receive($0, now: lastHeard) }
        pump()
    }

    func channelInactive(context: ChannelHandlerContext) {
        machine.connectionClosed()
        pump()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        onEnd("\(error)")
        context.close(promise: nil)
    }

    private func pump() {
        while !hasEnded, let context, let action = machine.nextAction() {
            switch action {
            case .send(let bytes):
                context.writeAndFlush(wrapOutboundOut(context.channel.allocator.buffer(bytes: bytes)), promise: nil)
            case .started: onStarted()
            case .event(let event): onEvent(event, lastHeard)
            case .close(let failure):
                hasEnded = true
                onEnd("\(failure)")
                context.close(promise: nil)
            }
        }
    }

    /// Looks after the deadline of the start, and after silence.
    private func check() {
        guard !hasEnded, let context else { return }
        let now = SystemClock.monotonic()
        machine.handleTimeout(now: now)
        if now.milliseconds(since: lastHeard) >= Self.silenceMilliseconds { machine.finish() }
        pump()
        context.eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(500)) { self.check() }
    }
}
