// The workers that have dialled in: who is there, how loaded, and how to tell them what to do.

public import Control
import Foundation
import HTTPTypes
public import Logging
internal import Media
internal import NIOCore
internal import Synchronization
public import Web

/// Knows the workers, and carries commands and reports.
public final class WorkerRegistry: Sendable {
    /// Something that happened at a worker, in the order in which it happened there.
    public enum Event: Sendable {
        case registered(WorkerRegistration)
        case left(WorkerRegistration)
        case report(WorkerRegistration, Report)
    }

    private struct Worker {
        let registration: WorkerRegistration
        let peer: WebSocketPeer
        var load = 0.0
        var counters: [String: Double] = [:]
        var replies: [UInt64: CommandAnswer] = [:]
    }

    private struct State {
        var workers: [String: Worker] = [:]
        var nextCommand: UInt64 = 0
    }

    /// The longest command: what workers read of one message.
    static let commandLimitBytes = 1 << 20

    /// What happens at the workers; read by one task.
    public let events: AsyncStream<Event>
    private let continuation: AsyncStream<Event>.Continuation
    private let state = Mutex(State())
    private let keys: TokenKeys
    private let nowSeconds: @Sendable () -> Int64
    private let logger: Logger
    /// Names this process to the workers.
    private let name = RandomToken.id()

    /// Creates an empty registry.
    public init(keys: TokenKeys, nowSeconds: @escaping @Sendable () -> Int64, logger: Logger) {
        self.keys = keys
        self.nowSeconds = nowSeconds
        self.logger = logger
        // A flood of reports from a broken worker must not take the memory; the newest matter least.
        (events, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(100_000))
    }

    /// The entrance of the workers, for the internal listener.
    public var route: WebSocketRoute {
        WebSocketRoute("/control", pendingLimitBytes: 8 << 20) { [self] request in
            guard let authorization = request.headers[.authorization], authorization.hasPrefix("Bearer ") else {
                throw Problem.unauthorized("A worker's token is needed.")
            }
            let claims = try await keys.verifyWorker(String(authorization.dropFirst(7)), nowSeconds: nowSeconds())
            return WorkerHandler(registry: self, claims: claims)
        }
    }

    /// The workers of a kind that are there, for placement.
    public func candidates(_ role: WorkerRole) -> [PlacementCandidate] {
        state.withLock { state in
            state.workers.values.filter { $0.registration.role == role }.map { worker in
                PlacementCandidate(
                    id: worker.registration.id, role: role, place: worker.registration.place,
                    capacity: worker.registration.capacity, load: worker.load)
            }
        }
    }

    /// Returns a worker's registration while it is there.
    public func registration(_ id: String) -> WorkerRegistration? {
        state.withLock { $0.workers[id]?.registration }
    }

    /// The compositor of an event, while it is there.
    func compositor(of event: String) -> WorkerRegistration? {
        state.withLock { state in
            state.workers.values.map(\.registration).first { $0.role == .compositor && $0.event == event }
        }
    }

    /// What the workers that are there tell in numbers, each with its id, and how many there are of each kind.
    func series() -> [MetricSeries: Double] {
        var all: [MetricSeries: Double] = [:]
        for role in WorkerRole.allCases { all[Self.number(of: role)] = 0 }
        for (id, worker) in state.withLock(\.workers) {
            all[Self.number(of: worker.registration.role), default: 0] += 1
            for (text, value) in worker.counters { all[MetricSeries(parsing: text, adding: ["worker": id])] = value }
            all[MetricSeries(name: "proscenium_worker_load", labels: ["worker": id])] = worker.load
        }
        return all
    }

    private static func number(of role: WorkerRole) -> MetricSeries {
        MetricSeries(name: "proscenium_workers", labels: ["role": role.rawValue])
    }

    /// The addresses of one name that the workers have given.
    public func addresses(_ name: String) -> [String] {
        state.withLock { $0.workers.values.compactMap { $0.registration.addresses[name] } }
    }

    /// How many workers of each kind are there.
    public func counts() -> [WorkerRole: Int] {
        state.withLock { state in
            Dictionary(grouping: state.workers.values, by: \.registration.role).mapValues(\.count)
        }
    }

    /// How long an answer is waited for where nothing else is said.
    static let patienceMs: Int64 = 10_000

    /// Tells a worker to do something, and waits until it has.
    ///
    /// - Parameter withinMs: how long the answer is waited for, in milliseconds.
    /// - Throws: `Problem` 503 when the worker is away or does not answer, 502 with its reason when it fails,
    ///   413 when the command is longer than a worker reads.
    @discardableResult
    public func send(_ command: Command, to worker: String, withinMs: Int64 = 10_000) async throws -> CommandReply {
        try await say(command, to: worker, withinMs: withinMs).reply()
    }

    /// Tells a worker to do something, without waiting; what is said later comes later.
    ///
    /// - Returns: the answer, which comes in that time; it fails as `send` does.
    func say(_ command: Command, to worker: String, withinMs: Int64 = patienceMs) -> CommandAnswer {
        let answer = CommandAnswer()
        let (id, peer) = state.withLock { state -> (UInt64, WebSocketPeer?) in
            state.nextCommand += 1
            state.workers[worker]?.replies[state.nextCommand] = answer
            return (state.nextCommand, state.workers[worker]?.peer)
        }
        guard let peer else {
            answer.give(.failure(Problem.overloaded("A worker is away.", retryAfterMs: 2000)))
            return answer
        }
        answer.patience = Task { [self] in
            try await Task.sleep(for: .milliseconds(withinMs))
            finish(worker, id, .failure(Problem.overloaded("A worker does not answer.", retryAfterMs: 2000)))
        }
        let data = try? JSON.encoder.encode(StudioMessage.command(id: id, command))
        if let data, data.count > Self.commandLimitBytes {
            // The worker would hang up, dial again, and be told the same.
            finish(
                worker, id,
                .failure(
                    Problem(
                        .contentTooLarge, "too-large", "There is too much to tell a worker at once",
                        detail: "\(data.count) bytes, and \(Self.commandLimitBytes) are taken.")))
        } else if data.map({ peer.send(ByteBuffer(bytes: $0)) }) != true {
            finish(worker, id, .failure(Problem.overloaded("A worker is away.", retryAfterMs: 2000)))
        }
        return answer
    }

    /// Lets a worker go that has missed something; it dials again, and is told everything.
    func disconnect(_ id: String) {
        state.withLock { $0.workers[id]?.peer }?.close(WebSocketCloseCode.serviceRestart, "did not answer")
    }

    /// Lets every worker go before the process ends; they dial again.
    func shutDown() {
        for worker in state.withLock({ Array($0.workers.values) }) {
            worker.peer.close(WebSocketCloseCode.serviceRestart, "Studio restarts")
        }
    }

    private func finish(_ worker: String, _ id: UInt64, _ result: Result<CommandReply, any Error>) {
        state.withLock { $0.workers[worker]?.replies.removeValue(forKey: id) }?.give(result)
    }

    fileprivate func received(_ message: WorkerMessage, claims: WorkerClaims, from peer: WebSocketPeer) {
        switch message {
        case .register(let registration):
            guard registration.id == claims.sub, registration.role == claims.workerRole,
                registration.event == claims.event
            else { return peer.close(WebSocketCloseCode.policyViolation, "not who the token names") }
            let replaced = state.withLock { state in
                state.workers.updateValue(Worker(registration: registration, peer: peer), forKey: registration.id)
            }
            if let replaced { drop(replaced) }
            if let data = try? JSON.encoder.encode(StudioMessage.welcome(studio: name)) {
                peer.send(ByteBuffer(bytes: data))
            }
            logger.info(
                "a worker registered", metadata: ["worker": "\(registration.id)", "role": "\(registration.role)"])
            continuation.yield(.registered(registration))
        case .heartbeat(let load, let counters):
            state.withLock { state in
                guard state.workers[claims.sub]?.peer === peer else { return }
                state.workers[claims.sub]?.load = load
                state.workers[claims.sub]?.counters = counters
            }
        case .report(let report):
            if let registration = current(claims.sub, peer) { continuation.yield(.report(registration, report)) }
        case .reply(let id, let reply):
            guard current(claims.sub, peer) != nil else { return }
            if case .failed(let reason) = reply {
                let problem = Problem(.badGateway, "worker", "A worker could not do it", detail: reason)
                finish(claims.sub, id, .failure(problem))
            } else {
                finish(claims.sub, id, .success(reply))
            }
        }
    }

    fileprivate func closed(_ claims: WorkerClaims, _ peer: WebSocketPeer) {
        let worker = state.withLock { state -> Worker? in
            guard state.workers[claims.sub]?.peer === peer else { return nil }
            return state.workers.removeValue(forKey: claims.sub)
        }
        guard let worker else { return }
        drop(worker)
        logger.warning("a worker is gone", metadata: ["worker": "\(claims.sub)"])
        continuation.yield(.left(worker.registration))
    }

    private func current(_ id: String, _ peer: WebSocketPeer) -> WorkerRegistration? {
        state.withLock { $0.workers[id]?.peer === peer ? $0.workers[id]?.registration : nil }
    }

    private func drop(_ worker: Worker) {
        for answer in worker.replies.values {
            answer.give(.failure(Problem.overloaded("A worker is away.", retryAfterMs: 2000)))
        }
        worker.peer.close(WebSocketCloseCode.serviceRestart, "replaced")
    }
}

/// One worker's connection.
private final class WorkerHandler: WebSocketHandler {
    private let registry: WorkerRegistry
    private let claims: WorkerClaims

    init(registry: WorkerRegistry, claims: WorkerClaims) {
        self.registry = registry
        self.claims = claims
    }

    func opened(_ peer: WebSocketPeer) {}

    func received(_ text: String, from peer: WebSocketPeer) {
        guard let message = try? JSONDecoder().decode(WorkerMessage.self, from: Data(text.utf8)) else {
            return peer.close(WebSocketCloseCode.policyViolation, "not a control message")
        }
        registry.received(message, claims: claims, from: peer)
    }

    func closed(_ peer: WebSocketPeer) { registry.closed(claims, peer) }
}
