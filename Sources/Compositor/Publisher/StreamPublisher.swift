// A stream on its way to one RTMP server: one connection at a time, until it is stopped.

internal import Control
internal import Foundation
internal import Media
internal import NIOCore
internal import NIOPosix
internal import NIOSSL
internal import RTMP
internal import Synchronization

/// Publishes a stream over RTMP or RTMPS, and connects again as its policy says whenever the connection is lost.
///
/// Nothing here ever blocks the encoders: pictures that the network does not take wait for at most two seconds, IDRs and
/// sound for ten; then they are left out and counted.
final class StreamPublisher: Sendable {
    /// What happened to the stream; told on an event loop.
    enum News: Sendable {
        /// The server takes the stream.
        case started
        /// A connection ended, or could not be made.
        ///
        /// `ranMs` is nil when the stream never started, `isNew` is false when the last one ended in the same way without
        /// having run, and `waitMs` is nil when there will be no other.
        case ended(PublishEnd, ranMs: Int64?, isNew: Bool, waitMs: Int64?)
        /// The server takes no bytes, or takes them again.
        case stuck(Bool)
    }

    /// What was counted.
    struct Figures: Sendable {
        var isConnected = false, hasBeenLive = false
        var connections: UInt64 = 0, refused: UInt64 = 0, failures: UInt64 = 0, stalls: UInt64 = 0
        var frames: UInt64 = 0, bytes: UInt64 = 0
        var queueMilliseconds: Int64 = 0
        var drops = PublishQueue.Drops()
    }

    private struct State {
        var queue: PublishQueue
        var backoff: PublishBackoff
        var channel: (any Channel)?
        var isDialing = false, isWoken = false, isStopped = false, isOver = false
        var hasBeenLive: Bool
        var startedAt: MonotonicTime?
        var end: PublishEnd?
        /// Streams on end that the server started and threw out again.
        var thrownOut = 0
        var reported: PublishEnd?
        var tls: (context: NIOSSLContext, modified: Date?)?
        var figures = Figures()
        var waiters: [EventLoopPromise<Void>] = []
    }

    private let address: RTMPAddress
    private let policy: PublishPolicy
    private let configuration: RTMPClientConfiguration
    private let eventLoop: any EventLoop
    private let onNews: @Sendable (News) -> Void
    private let state: Mutex<State>

    /// Creates a publisher; it connects when the codecs are configured.
    ///
    /// - Parameters:
    ///   - address: the server; with TLS it must prove the host's name.
    ///   - streamName: the secret name; never logged.
    ///   - hasBeenLive: whether the server has taken this stream before.
    ///   - policy: how the server is treated.
    ///   - clock: the program's clock; frames' PTS count from its anchor.
    ///   - metadata: what is said of the stream.
    ///   - eventLoop: where the connection lives.
    ///   - onNews: told on the event loop.
    init(
        address: RTMPAddress, streamName: String, hasBeenLive: Bool = false, policy: PublishPolicy,
        clock: ProgramClock, metadata: StreamMetadata, eventLoop: any EventLoop,
        onNews: @escaping @Sendable (News) -> Void
    ) {
        self.address = address
        self.policy = policy
        var configuration = RTMPClientConfiguration(app: address.app, url: address.url, streamName: streamName)
        configuration.metadata = metadata
        configuration.chunkSize = policy.chunkSize
        self.configuration = configuration
        self.eventLoop = eventLoop
        self.onNews = onNews
        state = Mutex(
            State(
                queue: PublishQueue(anchor: clock.anchor, tellsProgramTime: policy.tellsProgramTime),
                backoff: policy.backoff, hasBeenLive: hasBeenLive))
    }

    /// Sets the codecs' configurations, and connects the first time; safe from any thread.
    func configure(video: ByteBlock, audio: ByteBlock) {
        let isFirst = state.withLock { state in
            state.queue.configure(video: video, audio: audio)
            guard !state.isDialing, !state.isStopped else { return false }
            state.isDialing = true
            return true
        }
        if isFirst { eventLoop.execute { self.dial() } }
    }

    /// Hands on a frame; never blocks, safe from any thread.
    func send(_ frame: EncodedFrame) {
        let channel = state.withLock { state -> (any Channel)? in
            guard !state.isStopped, !state.isOver else { return nil }
            state.queue.push(frame)
            guard state.startedAt != nil, !state.isWoken, let channel = state.channel else { return nil }
            state.isWoken = true
            return channel
        }
        if let channel { Self.signal(.wake, channel) }
    }

    /// Sends what waits, as far as the server takes it in time, ends the stream, and never connects again.
    ///
    /// - Returns: done when the connection is closed, which is soon after the linger time at the latest.
    func stop() -> EventLoopFuture<Void> {
        let promise = eventLoop.makePromise(of: Void.self)
        let channel = state.withLock { state -> (any Channel)? in
            state.isStopped = true
            if let channel = state.channel {
                state.waiters.append(promise)
                return channel
            }
            return nil
        }
        if let channel { Self.signal(.finish, channel) } else { promise.succeed() }
        return promise.futureResult
    }

    /// A snapshot of what was counted.
    var figures: Figures {
        state.withLock { state in
            var figures = state.figures
            let ran = state.startedAt.map { SystemClock.monotonic().milliseconds(since: $0) }
            figures.isConnected = ran != nil
            figures.hasBeenLive = state.hasBeenLive || ran ?? 0 >= PublishBackoff.lastingMilliseconds
            figures.queueMilliseconds = state.queue.milliseconds
            figures.drops = state.queue.drops
            return figures
        }
    }

    private static func signal(_ signal: PublishSignal, _ channel: any Channel) {
        channel.eventLoop.execute { channel.pipeline.fireUserInboundEventTriggered(signal) }
    }

    // MARK: Connecting

    private var isStopped: Bool { state.withLock { $0.isStopped } }

    private func dial() {
        guard !isStopped else { return }
        HostLookup.addresses(
            of: address.host, port: UInt16(address.port), kind: policy.hostKind, on: eventLoop
        ).whenComplete { result in
            switch result {
            case .success(let addresses):
                // One private address among public ones is a trick, not a server (DNS rebinding).
                guard !self.policy.isPublicOnly || addresses.allSatisfy(\.isPublic) else {
                    return self.lost(.forbidden)
                }
                self.connect(addresses[...])
            case .failure(let error): self.lost(.unreachable("\(error)"))
            }
        }
    }

    /// Connects to the first of the addresses that answers.
    private func connect(_ addresses: ArraySlice<NetworkAddress>) {
        guard !isStopped, let first = addresses.first else { return }
        let context: NIOSSLContext?, socketAddress: SocketAddress
        do {
            context = address.isSecure ? try tlsContext() : nil
            socketAddress = try SocketAddress(ipAddress: first.ip, port: Int(first.port))
        } catch {
            return lost(.unreachable("the trusted certificate can't be used: \(error)"))
        }
        let serverName = address.serverName
        ClientBootstrap(group: eventLoop)
            .connectTimeout(.seconds(5))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            // About half a second of program: what lies in the kernel can't be left out any more.
            .channelOption(.socketOption(.so_sndbuf), value: 256 << 10)
            .channelOption(.writeBufferWaterMark, value: .init(low: 64 << 10, high: 256 << 10))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    guard let context else { return }
                    // The name is checked against the certificate also where it is an address.
                    try channel.pipeline.syncOperations.addHandler(
                        NIOSSLClientHandler(context: context, serverHostname: serverName))
                }
            }
            .connect(to: socketAddress)
            .whenComplete { result in
                switch result {
                case .success(let channel): self.take(channel)
                case .failure(let error):
                    let others = addresses.dropFirst()
                    if others.isEmpty { self.lost(PublishEnd(error)) } else { self.connect(others) }
                }
            }
    }

    private func take(_ channel: any Channel) {
        state.withLock { state in
            state.channel = channel
            state.end = nil
        }
        channel.closeFuture.whenComplete { _ in self.lost(nil) }
        do {
            try channel.pipeline.syncOperations.addHandler(
                PublishHandler(
                    source: self, configuration: configuration, stallMilliseconds: policy.stallMilliseconds,
                    warnMilliseconds: policy.warnMilliseconds, now: SystemClock.monotonic()))
        } catch {
            // The channel is gone or going.
            channel.close(promise: nil)
        }
        if isStopped { channel.close(promise: nil) }
    }

    private func tlsContext() throws -> NIOSSLContext {
        let file = policy.trustedCertificateFile
        let modified = file.flatMap {
            try? FileManager.default.attributesOfItem(atPath: $0.path)[.modificationDate] as? Date
        }
        if let known = state.withLock({ $0.tls }), known.modified == modified { return known.context }
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        if let file {
            configuration.additionalTrustRoots = [.certificates(try NIOSSLCertificate.fromPEMFile(file.path))]
        }
        let context = try NIOSSLContext(configuration: configuration)
        state.withLock { $0.tls = (context, modified) }
        return context
    }

    /// Takes note of the end of a connection, or of an attempt, and plans the next.
    private func lost(_ failure: PublishEnd?) {
        let now = SystemClock.monotonic()
        var generator = SystemRandomNumberGenerator()
        let (news, wait, waiters) = state.withLock { state in
            let ran = state.startedAt.map { max(0, now.milliseconds(since: $0)) }
            let cause = failure ?? state.end ?? .failed(.connectionClosed)
            let end = ran == nil ? cause : cause.afterStart
            // Some servers take every stream, and look at its key afterwards.
            if ran ?? 0 >= PublishBackoff.lastingMilliseconds { state.hasBeenLive = true }
            state.channel = nil
            state.isWoken = false
            state.startedAt = nil
            state.end = nil
            if end.isRefused {
                state.figures.refused += 1
            } else if !state.isStopped {
                state.figures.failures += 1
            }
            if end == .stalled { state.figures.stalls += 1 }
            state.thrownOut = ran.map { $0 < PublishBackoff.lastingMilliseconds } ?? false ? state.thrownOut + 1 : 0
            // A private address is none to try again, and what is refused at once has a wrong key.
            let isHopeless = end.isRefused || end == .untrusted || state.thrownOut >= policy.thrownOutLimit
            let isFinal = policy.givesUpWhenRefused && !state.hasBeenLive && isHopeless || end == .forbidden
            let delay = state.backoff.delay(ranMilliseconds: ran ?? 0, isRefused: end.isRefused, using: &generator)
            let wait = state.isStopped || isFinal ? nil : delay
            if isFinal {
                state.isOver = true
                state.queue.restart(keepsFrames: false)
            }
            let isNew = state.reported != end || ran ?? 0 >= PublishBackoff.lastingMilliseconds
            let news = News.ended(end, ranMs: ran, isNew: isNew, waitMs: wait)
            state.reported = end
            defer { state.waiters = [] }
            return (news, wait, state.waiters)
        }
        onNews(news)
        for waiter in waiters { waiter.succeed() }
        if let wait { eventLoop.scheduleTask(in: .milliseconds(wait)) { self.dial() } }
    }
}

extension StreamPublisher: PublishSource {
    func started() {
        state.withLock { state in
            state.queue.restart()
            state.startedAt = SystemClock.monotonic()
            state.figures.connections += 1
        }
        onNews(.started)
    }

    func next() -> [StreamEvent]? {
        state.withLock { state in
            state.isWoken = false
            let events = state.queue.next()
            if events != nil { state.figures.frames += 1 }
            return events
        }
    }

    func sent(bytes: Int) { state.withLock { $0.figures.bytes += UInt64(bytes) } }

    func stuck(_ isStuck: Bool) { onNews(.stuck(isStuck)) }

    func ending(_ reason: PublishEnd) { state.withLock { $0.end = reason } }
}
