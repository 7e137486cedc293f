// Starts and stops events on workers, and follows what the workers report.

public import Control
internal import Foundation
import Logging
public import Media
import Web

/// Who is told of programs: the interactivity service.
public protocol ProgramObserver: Sendable {
    /// A segment of an event's program can be fetched.
    func mediaPublished(_ segment: SegmentReport) async throws
    /// An event's program clock, against the wall.
    func clockReport(event: String, programTime: ProgramTime, wallMilliseconds: Int64) async throws
    /// An event's program runs, or has ended.
    func programState(event: String, isLive: Bool) async throws
}

/// Keeps events running: decides who serves them, tells the workers again after either side was away.
public actor EventConductor {
    private let events: EventStore
    private let ingests: IngestStore
    private let registry: WorkerRegistry
    private let observer: any ProgramObserver
    private let speakers: SpeakerRooms
    private let compositors: CompositorConductor
    private let trustedKeys: [String: String]
    private let refuseRevoked: @Sendable (TokenClaims) async throws -> Void
    private let logger: Logger
    private var connectedIngests: [String: Set<String>] = [:]
    /// The last registration of each output that is there.
    private var outputs: [String: Int] = [:]
    private var registrations = 0
    /// The media servers that have been here since the start.
    private var knownSFUs: Set<String> = []

    /// Creates a conductor.
    ///
    /// - Parameters:
    ///   - events: the events.
    ///   - ingests: their entrances.
    ///   - registry: the workers.
    ///   - observer: is told of programs.
    ///   - speakers: the rooms on the SFUs.
    ///   - compositors: those who make the programs that do not come from outside.
    ///   - trustedKeys: the public keys (id → PEM) by which Output checks playback cookies.
    ///   - logger: for what happens.
    ///   - refuseRevoked: throws for a token that was revoked.
    init(
        events: EventStore, ingests: IngestStore, registry: WorkerRegistry, observer: any ProgramObserver,
        speakers: SpeakerRooms, compositors: CompositorConductor, trustedKeys: [String: String], logger: Logger,
        refuseRevoked: @escaping @Sendable (TokenClaims) async throws -> Void = { _ in }
    ) {
        self.events = events
        self.ingests = ingests
        self.registry = registry
        self.observer = observer
        self.speakers = speakers
        self.compositors = compositors
        self.trustedKeys = trustedKeys
        self.logger = logger
        self.refuseRevoked = refuseRevoked
    }

    /// Follows the workers until the task is cancelled.
    public func run() async {
        await compositors.begin()
        for await event in registry.events {
            do {
                try await follow(event)
            } catch is CancellationError {
                return
            } catch {
                logger.error("a worker's news could not be used", metadata: ["error": "\(error)"])
            }
        }
    }

    /// Starts an event's program.
    ///
    /// - Throws: `Problem` 409 when it runs already, 503 when no output has room, or no machine for its compositor.
    public func start(_ id: String) async throws -> EventRecord {
        guard let output = Placement.choose(.output, among: registry.candidates(.output)) else {
            throw Problem.overloaded("No output has room for the event.", retryAfterMs: 5000)
        }
        if try await !ingests.list(event: id).contains(where: { $0.kind == .primary }) {
            try await compositors.checkRoom()
        }
        let event = try await events.update(id) { event in
            guard !event.state.isRunning else { throw Problem.conflict("running", "The event runs already.") }
            event.state = .starting
            event.output = output.id
            event.masterPath = nil
        }
        do {
            // An end that was not seen may have left the clock of an earlier program.
            try await compositors.forgetClock(of: id)
            try await open(event)
        } catch {
            try await events.update(id) { $0.state = .idle }
            // Somebody else's look may have seen the event run meanwhile.
            await compositors.refresh()
            throw error
        }
        await compositors.refresh()
        return event
    }

    /// Stops an event's program.
    ///
    /// - Throws: `Problem` 409 when it does not run.
    public func stop(_ id: String) async throws -> EventRecord {
        let event = try await events.update(id) { event in
            // A second stop tries again what the first could not: closing twice does no harm.
            guard event.state.isRunning else { throw Problem.conflict("not-running", "The event does not run.") }
            event.state = .stopping
        }
        await compositors.refresh()
        await speakers.endViewers(of: id)
        // An output that is away learns it when it comes back.
        if let output = event.output, registry.registration(output) != nil {
            try await registry.send(.closeEvent(event: id), to: output)
            return try await ended(id)
        }
        return event
    }

    /// Tells the output of an event that its entrances have changed.
    public func ingestsChanged(_ id: String) async throws {
        guard let event = try await events.record(id), event.state == .starting || event.state == .live else { return }
        let changed = try await events.update(id) { _ in }
        await compositors.refresh()
        // The compositor is told in its turn; nobody waits for one that does not answer.
        Task { await compositors.connectionsChanged(id) }
        guard let output = event.output, registry.registration(output) != nil else { return }
        do {
            try await open(changed)
        } catch {
            // It dials again and is told everything then; meanwhile an old key must not stay good unseen.
            logger.error("an output did not take a change", metadata: ["event": "\(id)", "error": "\(error)"])
            registry.disconnect(output)
        }
    }

    /// The entrances of an event that are used now.
    public func connected(_ event: String) -> Set<String> { connectedIngests[event] ?? [] }

    private func ended(_ id: String) async throws -> EventRecord {
        connectedIngests[id] = nil
        try await observer.programState(event: id, isLive: false)
        let event = try await events.update(id) { event in
            event.state = .ended
            event.masterPath = nil
        }
        await compositors.refresh()
        await speakers.endViewers(of: id)
        try await compositors.forgetClock(of: id)
        return event
    }

    private func open(_ event: EventRecord) async throws {
        guard let output = event.output else { return }
        let media = EventMedia(
            event: event.id, org: event.org, version: event.version,
            ingests: try await ingests.list(event: event.id))
        try await registry.send(.openEvent(media), to: output)
    }

    private func follow(_ event: WorkerRegistry.Event) async throws {
        switch event {
        case .registered(let worker):
            if worker.role == .sfu { await welcome(sfu: worker.id) }
            guard worker.role == .output else { return await compositors.registered(worker) }
            registrations += 1
            outputs[worker.id] = registrations
            // It may take long to answer, which is of no concern to others' news.
            Task { [number = registrations] in await welcome(worker, number) }
        case .left(let worker):
            if worker.role == .sfu { await speakers.lost(worker.id) }
            await compositors.left(worker)
            if worker.role == .output {
                outputs[worker.id] = nil
                // When it comes back it says which entrances are used then.
                for event in try await events.running() where event.output == worker.id {
                    connectedIngests[event.id] = nil
                }
            }
        case .report(let worker, let report): try await follow(report, from: worker)
        }
    }

    /// Takes over the rooms of an earlier Studio; a media server that was away from this one has ended its rooms.
    private func welcome(sfu: String) async {
        guard knownSFUs.insert(sfu).inserted else { return await speakers.lost(sfu) }
        await speakers.adopt(sfu) { [events, refuseRevoked] id, claims in
            guard let event = try? await events.record(id), event.org == claims.org,
                (try? await refuseRevoked(claims)) != nil
            else { return nil }
            return event.org
        }
    }

    /// Tells an output everything that it has to know, and then the compositors where it is.
    private func welcome(_ output: WorkerRegistration, _ number: Int) async {
        do {
            try await registry.send(.trustKeys(trustedKeys), to: output.id)
            for event in try await events.running() where event.output == output.id {
                // While the others were told it may have been stopped, and started elsewhere.
                guard outputs[output.id] == number, let event = try await events.record(event.id),
                    event.output == output.id, event.state.isRunning
                else { continue }
                if event.state == .stopping {
                    try await registry.send(.closeEvent(event: event.id), to: output.id)
                    _ = try await ended(event.id)
                } else {
                    try await open(event)
                }
            }
        } catch {
            logger.error("an output could not be welcomed", metadata: ["worker": "\(output.id)", "error": "\(error)"])
            // It dials again and is told everything then, unless it has.
            if outputs[output.id] == number { registry.disconnect(output.id) }
            return
        }
        if outputs[output.id] == number { await compositors.registered(output) }
    }

    private func follow(_ report: Report, from worker: WorkerRegistration) async throws {
        // What a compositor says counts for its own event only.
        if worker.role == .compositor {
            switch report {
            case .compositor(let event, let news) where event == worker.event:
                return await compositors.follow(news, event: event)
            case .clock(let event, _, _) where event == worker.event: break
            default:
                return logger.warning("a compositor told what is not its own", metadata: ["worker": "\(worker.id)"])
            }
        }
        switch report {
        case .segmentPublished(let segment): try await observer.mediaPublished(segment)
        case .clock(let event, let time, let wall):
            try await observer.clockReport(event: event, programTime: time, wallMilliseconds: wall)
            // The gate shuts with the first picture, not with the first segment: what is opened between is not out yet.
            if let record = try await events.record(event), record.state == .starting, record.output == worker.id {
                try await observer.programState(event: event, isLive: true)
            }
        case .ingestState(let event, let ingest, let isConnected):
            if isConnected {
                connectedIngests[event, default: []].insert(ingest)
            } else {
                connectedIngests[event]?.remove(ingest)
            }
        case .sfu(let event): await speakers.follow(event)
        case .compositor:
            logger.warning("only compositors tell of programs", metadata: ["worker": "\(worker.id)"])
        case .programState(let id, let isLive, let masterPath):
            guard let event = try await events.record(id), event.output == worker.id, event.state.isRunning else {
                return
            }
            guard event.state != .stopping else {
                if !isLive { _ = try await ended(id) }
                return
            }
            if event.state != (isLive ? .live : .starting) || event.masterPath != masterPath {
                try await events.update(id) { event in
                    event.state = isLive ? .live : .starting
                    event.masterPath = masterPath
                }
            }
            try await observer.programState(event: id, isLive: isLive)
        }
    }
}
