// The program on its way to the pipeline: one RTMPS connection at a time, for ever.

public import Foundation
public import Logging
public import Media
public import NIOCore
internal import NIOPosix
internal import NIOSSL
public import RTMP
internal import Synchronization

/// Publishes a program over RTMPS, with its program time, and connects again whenever the connection is lost.
///
/// Nothing here ever blocks the encoders: what the network does not take waits for at most two seconds of media, and
/// then everything up to the next IDR is left out and counted.
public final class ProgramPublisher: Sendable {
    private struct State {
        var queue: PublishQueue
        var backoff = PublishBackoff()
        var channel: (any Channel)?
        var isDialing = false, isWoken = false, isStopped = false
        var startedAt: MonotonicTime?
        var end: PublishEnd?
        var reported: PublishEnd?
        var tls: (context: NIOSSLContext, modified: Date?)?
        var connections: UInt64 = 0, refused: UInt64 = 0, failures: UInt64 = 0, stalls: UInt64 = 0
        var frames: UInt64 = 0, bytes: UInt64 = 0
    }

    private let stallMilliseconds: Int64
    private let target: PublishTarget?
    private let configuration: RTMPClientConfiguration
    private let trustedCertificateFile: URL?
    private let eventLoop: any EventLoop
    private let logger: Logger
    private let onState: @Sendable (Bool) -> Void
    private let state: Mutex<State>

    /// Creates a publisher; it connects when the codecs are configured.
    ///
    /// - Parameters:
    ///   - url: `rtmps://HOST[:PORT]/APP`; the server must prove the host's name. Anything else is logged and never
    ///     connects.
    ///   - streamName: the secret name; never logged.
    ///   - trustedCertificateFile: a PEM file of certificates that are trusted beside the system's, as the one for
    ///     development; read again when it changes.
    ///   - clock: the program's clock; frames' PTS count from its anchor.
    ///   - metadata: what is said of the stream.
    ///   - group: where the connection lives.
    ///   - logger: for starts and ends.
    ///   - onState: told on an event loop when the stream runs, and when it no longer does.
    public convenience init(
        url: String, streamName: String, trustedCertificateFile: URL?, clock: ProgramClock, metadata: StreamMetadata,
        group: any EventLoopGroup, logger: Logger, onState: @escaping @Sendable (Bool) -> Void
    ) {
        self.init(
            url: url, streamName: streamName, trustedCertificateFile: trustedCertificateFile, clock: clock,
            metadata: metadata, group: group, logger: logger, stallMilliseconds: 5000, onState: onState)
    }

    init(
        url: String, streamName: String, trustedCertificateFile: URL?, clock: ProgramClock, metadata: StreamMetadata,
        group: any EventLoopGroup, logger: Logger, stallMilliseconds: Int64,
        onState: @escaping @Sendable (Bool) -> Void
    ) {
        self.stallMilliseconds = stallMilliseconds
        target = PublishTarget(url)
        var configuration = RTMPClientConfiguration(
            app: target?.app ?? "", url: target?.url ?? "", streamName: streamName)
        configuration.metadata = metadata
        configuration.chunkSize = 65_536
        self.configuration = configuration
        self.trustedCertificateFile = trustedCertificateFile
        eventLoop = group.next()
        self.logger = logger
        self.onState = onState
        state = Mutex(State(queue: PublishQueue(anchor: clock.anchor)))
    }

    /// Sets the codecs' configurations, and connects the first time; safe from any thread.
    ///
    /// - Parameters:
    ///   - video: an AVCDecoderConfigurationRecord.
    ///   - audio: an AudioSpecificConfig.
    public func configure(video: ByteBlock, audio: ByteBlock) {
        let isFirst = state.withLock { state in
            state.queue.configure(video: video, audio: audio)
            guard !state.isDialing, !state.isStopped else { return false }
            state.isDialing = true
            return true
        }
        guard isFirst else { return }
        guard target != nil else {
            logger.error("the program can't be published: the address is not rtmps://HOST/APP")
            return
        }
        eventLoop.execute { self.dial() }
    }

    /// Hands on a frame; never blocks, safe from any thread.
    ///
    /// - Parameter frame: H.264 in AVC form or raw AAC; its PTS counts from the clock's anchor.
    public func send(_ frame: EncodedFrame) {
        let channel = state.withLock { state -> (any Channel)? in
            guard !state.isStopped else { return nil }
            state.queue.push(frame)
            guard state.startedAt != nil, !state.isWoken, let channel = state.channel else { return nil }
            state.isWoken = true
            return channel
        }
        if let channel { Self.signal(.wake, channel) }
    }

    /// Sends what waits and the network takes, ends the stream, and never connects again.
    public func stop() {
        let channel = state.withLock { state in
            state.isStopped = true
            return state.channel
        }
        if let channel { Self.signal(.finish, channel) }
    }

    /// Counters and gauges by Prometheus name.
    public var counters: [String: Double] {
        let name = "proscenium_compositor_publisher_"
        return state.withLock { state in
            let drops = state.queue.drops
            return [
                name + "connected": state.startedAt == nil ? 0 : 1,
                name + "connections_total": Double(state.connections),
                name + "refused_total": Double(state.refused),
                name + "failures_total": Double(state.failures),
                name + "stalls_total": Double(state.stalls),
                name + "frames_sent_total": Double(state.frames),
                name + "bytes_sent_total": Double(state.bytes),
                name + "queue_milliseconds": Double(state.queue.milliseconds),
                name + "dropped_unconfigured_total": Double(drops.unconfigured),
                name + "dropped_undecodable_total": Double(drops.undecodable),
                name + "dropped_overflow_total": Double(drops.overflow),
                name + "dropped_reconnect_total": Double(drops.reconnect),
            ]
        }
    }

    private static func signal(_ signal: PublishSignal, _ channel: any Channel) {
        channel.eventLoop.execute { channel.pipeline.fireUserInboundEventTriggered(signal) }
    }

    // MARK: Connecting

    private func dial() {
        guard let target, !state.withLock({ $0.isStopped }) else { return }
        let context: NIOSSLContext
        do {
            context = try tlsContext()
        } catch {
            return lost(.unreachable("the trusted certificate can't be used: \(error)"))
        }
        let configuration = configuration
        ClientBootstrap(group: eventLoop)
            .connectTimeout(.seconds(5))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            // About half a second of program: what lies in the kernel can't be left out any more.
            .channelOption(.socketOption(.so_sndbuf), value: 256 << 10)
            .channelOption(.writeBufferWaterMark, value: .init(low: 64 << 10, high: 256 << 10))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    // The name is checked against the certificate also where it is an address.
                    try channel.pipeline.syncOperations.addHandler(
                        NIOSSLClientHandler(context: context, serverHostname: target.serverName))
                }
            }
            .connect(host: target.host, port: target.port)
            .flatMapThrowing { channel in
                self.state.withLock { state in
                    state.channel = channel
                    state.end = nil
                }
                try channel.pipeline.syncOperations.addHandler(
                    PublishHandler(
                        source: self, configuration: configuration, stallMilliseconds: self.stallMilliseconds,
                        now: SystemClock.monotonic()))
                if self.state.withLock({ $0.isStopped }) { channel.close(promise: nil) }
                channel.closeFuture.whenComplete { _ in self.lost(nil) }
            }
            .whenFailure { error in
                // A channel that a handler could not be added to is gone or going.
                self.state.withLock { $0.channel }?.close(promise: nil)
                self.lost(.unreachable("\(error)"))
            }
    }

    private func tlsContext() throws -> NIOSSLContext {
        let modified = trustedCertificateFile.flatMap {
            try? FileManager.default.attributesOfItem(atPath: $0.path)[.modificationDate] as? Date
        }
        if let known = state.withLock({ $0.tls }), known.modified == modified { return known.context }
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        if let trustedCertificateFile {
            configuration.additionalTrustRoots = [
                .certificates(try NIOSSLCertificate.fromPEMFile(trustedCertificateFile.path))
            ]
        }
        let context = try NIOSSLContext(configuration: configuration)
        state.withLock { $0.tls = (context, modified) }
        return context
    }

    /// Takes note of the end of a connection, or of an attempt, and plans the next.
    private func lost(_ failure: PublishEnd?) {
        let now = SystemClock.monotonic()
        var generator = SystemRandomNumberGenerator()
        let (end, isNews, hasRun, isStopped, wait) = state.withLock { state in
            let end = failure ?? state.end ?? .failed(.connectionClosed)
            let ran = state.startedAt.map { max(0, now.milliseconds(since: $0)) }
            state.channel = nil
            state.isWoken = false
            state.startedAt = nil
            state.end = nil
            var isRefused = false
            if case .failed(.refused) = end { isRefused = true }
            if isRefused { state.refused += 1 } else if !state.isStopped { state.failures += 1 }
            if end == .stalled { state.stalls += 1 }
            defer { state.reported = end }
            let wait = state.backoff.delay(ranMilliseconds: ran ?? 0, isRefused: isRefused, using: &generator)
            return (end, ran != nil || state.reported != end, ran != nil, state.isStopped, wait)
        }
        if hasRun { onState(false) }
        if isStopped { return logger.info("the program's stream has ended") }
        let about: Logger.Metadata = ["reason": "\(end)", "wait.ms": "\(wait)"]
        if isNews {
            logger.warning("the program does not reach the pipeline", metadata: about)
        } else {
            logger.debug("the program still does not reach the pipeline", metadata: about)
        }
        eventLoop.scheduleTask(in: .milliseconds(wait)) { self.dial() }
    }
}

extension ProgramPublisher: PublishSource {
    func started() {
        state.withLock { state in
            state.queue.restart()
            state.startedAt = SystemClock.monotonic()
            state.connections += 1
            state.reported = nil
        }
        logger.info("the program reaches the pipeline")
        onState(true)
    }

    func next() -> [StreamEvent]? {
        state.withLock { state in
            state.isWoken = false
            let events = state.queue.next()
            if events != nil { state.frames += 1 }
            return events
        }
    }

    func sent(bytes: Int) { state.withLock { $0.bytes += UInt64(bytes) } }

    func ending(_ reason: PublishEnd) { state.withLock { $0.end = reason } }
}

/// Where a program goes, taken from an address.
struct PublishTarget: Equatable, Sendable {
    let host: String, port: Int, app: String

    /// Reads `rtmps://HOST[:PORT]/APP`, or returns nil for anything else.
    init?(_ url: String) {
        guard let parts = URLComponents(string: url), parts.scheme == "rtmps", let host = parts.host, !host.isEmpty,
            parts.user == nil, parts.query == nil, (1...65_535).contains(parts.port ?? 443)
        else { return nil }
        let app = parts.path.split(separator: "/").joined(separator: "/")
        guard !app.isEmpty else { return nil }
        self.host = host.hasPrefix("[") && host.hasSuffix("]") ? String(host.dropFirst().dropLast()) : host
        port = parts.port ?? 443
        self.app = app
    }

    /// The address as the peer is told it.
    var url: String { "rtmps://\(host.contains(":") ? "[\(host)]" : host):\(port)/\(app)" }

    /// The name for SNI, which has none for addresses; those are checked against the certificate by themselves.
    var serverName: String? {
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        let isIPv4 = parts.count == 4 && parts.allSatisfy { UInt8($0) != nil }
        return isIPv4 || host.contains(":") ? nil : host
    }
}
