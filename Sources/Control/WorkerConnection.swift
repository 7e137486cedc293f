// The worker's end of the control socket: dials in, registers, heartbeats, takes commands, comes back.

public import Foundation
public import Logging
public import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import NIOSSL
internal import NIOWebSocket
public import ServiceLifecycle
internal import Synchronization
import Web

/// A worker's lasting connection to Studio.
///
/// It dials again for ever, with full jitter between 0.1 s and 2 s. Commands are begun one after the other, in the order
/// in which they came; each is carried out before the next one, unless the worker says that it goes on by itself. Reports wait while Studio is away, at most `reportLimit` of them; then the oldest
/// is dropped and counted, and what matters is told again by `onRegistered`.
public final class WorkerConnection: Service {
    /// What a worker brings.
    public struct Configuration: Sendable {
        /// Where Studio's internal listener is, for example `http://127.0.0.1:9443`.
        public var studio: URL
        /// The worker's token.
        public var token: String
        /// Who it is; asked before each registration.
        public var registration: @Sendable () -> WorkerRegistration
        /// How much of its capacity is used, and its counters by Prometheus name.
        public var load: @Sendable () -> (load: Double, counters: [String: Double])
        /// Begins a command; throws what is wrong.
        public var begin: @Sendable (Command) async throws -> CommandWork
        /// Told after each registration, so that the state can be reported anew.
        public var onRegistered: @Sendable (WorkerConnection) -> Void

        /// Creates a configuration of a worker that carries out each command before the next one.
        public init(
            studio: URL, token: String, registration: @escaping @Sendable () -> WorkerRegistration,
            load: @escaping @Sendable () -> (load: Double, counters: [String: Double]),
            handle: @escaping @Sendable (Command) async throws -> CommandReply,
            onRegistered: @escaping @Sendable (WorkerConnection) -> Void = { _ in }
        ) {
            self.init(
                studio: studio, token: token, registration: registration, load: load,
                begin: { .done(try await handle($0)) }, onRegistered: onRegistered)
        }

        /// Creates a configuration of a worker whose commands may go on while later ones are begun.
        public init(
            studio: URL, token: String, registration: @escaping @Sendable () -> WorkerRegistration,
            load: @escaping @Sendable () -> (load: Double, counters: [String: Double]),
            begin: @escaping @Sendable (Command) async throws -> CommandWork,
            onRegistered: @escaping @Sendable (WorkerConnection) -> Void = { _ in }
        ) {
            self.studio = studio
            self.token = token
            self.registration = registration
            self.load = load
            self.begin = begin
            self.onRegistered = onRegistered
        }
    }

    private struct State {
        var peer: WebSocketPeer?
        var isRegistered = false
        var studio: String?, hasNewStudio = false
        var waiting: [Report] = []
        var dropped: UInt64 = 0
    }

    static let reportLimit = 1000
    private let configuration: Configuration
    private let group: any EventLoopGroup
    private let logger: Logger
    private let state = Mutex(State())

    /// Creates a connection; `run` dials.
    public init(_ configuration: Configuration, group: any EventLoopGroup, logger: Logger) {
        self.configuration = configuration
        self.group = group
        self.logger = logger
    }

    /// How many reports were dropped because Studio was away for long.
    var droppedReports: UInt64 { state.withLock { $0.dropped } }

    /// Whether the Studio that has taken the worker is another one than before, or the first.
    public var hasNewStudio: Bool { state.withLock { $0.hasNewStudio } }

    /// Tells Studio something; safe from any thread.
    public func report(_ report: Report) {
        let peer = state.withLock { state -> WebSocketPeer? in
            if state.isRegistered, let peer = state.peer { return peer }
            state.waiting.append(report)
            if state.waiting.count > Self.reportLimit {
                state.waiting.removeFirst()
                state.dropped += 1
            }
            return nil
        }
        if let peer { Self.send(.report(report), peer) }
    }

    private static func send(_ message: WorkerMessage, _ peer: WebSocketPeer) {
        guard let data = try? JSON.encoder.encode(message) else { return }
        peer.send(ByteBuffer(bytes: data))
    }

    /// Dials, and dials again, until the service group ends it.
    public func run() async throws {
        await cancelWhenGracefulShutdown { [self] in
            while !Task.isCancelled {
                do {
                    try await connectOnce()
                } catch is CancellationError {
                    return
                } catch {
                    logger.debug("Studio can't be reached", metadata: ["error": "\(error)"])
                }
                try? await Task.sleep(for: .milliseconds(Int.random(in: 100...2000)))
            }
        }
    }

    private func connectOnce() async throws {
        let (stream, continuation) = AsyncStream<StudioMessage>.makeStream(bufferingPolicy: .bufferingOldest(10_000))
        let handler = ControlHandler(continuation: continuation)
        let peer = try await dial(handler)
        defer {
            state.withLock { state in
                state.peer = nil
                state.isRegistered = false
            }
            peer.channel.close(promise: nil)
        }
        Self.send(.register(configuration.registration()), peer)
        let beat = Task { [self] in
            while !Task.isCancelled {
                try await Task.sleep(for: .seconds(1))
                var (load, counters) = configuration.load()
                counters["proscenium_worker_reports_dropped_total"] = Double(droppedReports)
                Self.send(.heartbeat(load: load, counters: counters), peer)
            }
        }
        defer { beat.cancel() }
        for await message in stream {
            switch message {
            case .welcome(let studio): welcomed(peer, studio)
            case .command(let id, let command):
                let work: CommandWork
                do {
                    work = try await configuration.begin(command)
                } catch {
                    work = .done(.failed("\(error)"))
                    logger.warning("a command failed", metadata: ["error": "\(error)"])
                }
                switch work {
                case .done(let reply): Self.send(.reply(id: id, reply), peer)
                case .going(let task): Task { Self.send(.reply(id: id, await task.value), peer) }
                }
            }
        }
    }

    private func welcomed(_ peer: WebSocketPeer, _ studio: String) {
        let waiting = state.withLock { state in
            state.peer = peer
            state.isRegistered = true
            state.hasNewStudio = state.studio != studio
            state.studio = studio
            defer { state.waiting = [] }
            return state.waiting
        }
        logger.info("registered with Studio")
        configuration.onRegistered(self)
        for report in waiting { Self.send(.report(report), peer) }
    }

    private func dial(_ handler: ControlHandler) async throws -> WebSocketPeer {
        let url = configuration.studio
        let host = url.host() ?? "127.0.0.1"
        let isTLS = url.scheme == "https"
        let token = configuration.token
        let upgrade = try await ClientBootstrap(group: group)
            .connectTimeout(.seconds(3))
            .connect(host: host, port: url.port ?? (isTLS ? 443 : 80)) { channel in
                channel.eventLoop.makeCompletedFuture {
                    if isTLS {
                        let context = try NIOSSLContext(configuration: .makeClientConfiguration())
                        try channel.pipeline.syncOperations.addHandler(
                            NIOSSLClientHandler(context: context, serverHostname: host))
                    }
                    let upgrader = NIOTypedWebSocketClientUpgrader<WebSocketPeer>(maxFrameSize: 1 << 20) { channel, _ in
                        WebSocketPeer.install(
                            on: channel, handler: handler, masks: true, pendingLimitBytes: 4 << 20,
                            maxMessageBytes: 1 << 20)
                    }
                    var headers = HTTPHeaders()
                    headers.add(name: "Host", value: host)
                    headers.add(name: "Authorization", value: "Bearer \(token)")
                    headers.add(name: "Content-Length", value: "0")
                    let head = HTTPRequestHead(version: .http1_1, method: .GET, uri: "/control", headers: headers)
                    let configuration = NIOTypedHTTPClientUpgradeConfiguration(
                        upgradeRequestHead: head, upgraders: [upgrader]
                    ) { channel in
                        channel.close(promise: nil)
                        return channel.eventLoop.makeFailedFuture(ControlError.refused)
                    }
                    return try channel.pipeline.syncOperations.configureUpgradableHTTPClientPipeline(
                        configuration: .init(upgradeConfiguration: configuration))
                }
            }
        return try await upgrade.get()
    }
}

/// What has become of a command that was begun.
public enum CommandWork: Sendable {
    /// It has ended.
    case done(CommandReply)
    /// It goes on by itself, and ends so; how many may is for the worker to bound.
    case going(Task<CommandReply, Never>)
}

/// Why a worker could not dial in.
public enum ControlError: Error, Sendable {
    /// Studio did not take the token.
    case refused
}

/// Hands Studio's messages on, in order.
private final class ControlHandler: WebSocketHandler {
    private let continuation: AsyncStream<StudioMessage>.Continuation

    init(continuation: AsyncStream<StudioMessage>.Continuation) { self.continuation = continuation }

    func opened(_ peer: WebSocketPeer) {}

    func received(_ text: String, from peer: WebSocketPeer) {
        guard let message = try? JSONDecoder().decode(StudioMessage.self, from: Data(text.utf8)) else {
            return peer.close(WebSocketCloseCode.policyViolation, "not a control message")
        }
        continuation.yield(message)
    }

    func closed(_ peer: WebSocketPeer) { continuation.finish() }
}
