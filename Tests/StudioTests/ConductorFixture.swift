import Control
import Crypto
import Foundation
import GRDB
import Hummingbird
import Interactivity
import Logging
import Media
import NIOCore
import NIOPosix
import ServiceLifecycle
import Synchronization
import Testing
import Web

@testable import Studio

/// Waits until something is so, for half a minute at most.
func eventually(_ what: String, _ holds: () async throws -> Bool) async throws {
    let deadline = ContinuousClock.now + .seconds(30)
    while ContinuousClock.now < deadline {
        if try await holds() { return }
        try await Task.sleep(for: .milliseconds(5))
    }
    Issue.record("never so: \(what)")
}

/// A worker that dials the real registry, notes what it is told, and answers as the test says; one answer waits for no other.
final class FakeWorker: Sendable {
    typealias Answer = @Sendable (Command) async throws -> CommandReply

    private let log: Log
    private let connection: WorkerConnection
    private let running: Task<Void, any Error>

    init(_ registration: WorkerRegistration, port: Int, keys: TokenKeys, answer: @escaping Answer) async throws {
        let token = try await keys.sign(
            WorkerClaims(
                id: registration.id, role: registration.role, event: registration.event, exp: 4_000_000_000))
        let log = Log()
        let studio = try #require(URL(string: "http://127.0.0.1:\(port)"))
        let connection = WorkerConnection(
            .init(
                studio: studio, token: token, registration: { registration }, load: { (0, [:]) },
                begin: { command in
                    log.add(command)
                    return .going(
                        Task {
                            do {
                                return try await answer(command)
                            } catch {
                                return .failed("\(error)")
                            }
                        })
                }), group: MultiThreadedEventLoopGroup.singleton, logger: Logger(label: "worker"))
        self.log = log
        self.connection = connection
        running = Task { try await connection.run() }
    }

    private final class Log: Sendable {
        private let commands = Mutex<[Command]>([])
        func add(_ command: Command) { commands.withLock { $0.append(command) } }
        var all: [Command] { commands.withLock(\.self) }
    }

    /// Everything it was told, oldest first.
    var told: [Command] { log.all }

    /// The sets of events that it was told to run.
    var sets: [[String]] {
        told.compactMap { if case .runCompositors(let events) = $0 { events } else { nil } }
    }

    /// What it was told as a compositor.
    var program: [CompositorCommand] {
        told.compactMap { if case .compositor(let command) = $0 { command } else { nil } }
    }

    /// The setups that it was told.
    var setups: [ProgramSetup] { program.compactMap { if case .run(let setup) = $0 { setup } else { nil } } }

    /// The casts that it was told apart from setups.
    var casts: [[CastMember]] { program.compactMap { if case .putCast(let cast) = $0 { cast } else { nil } } }

    /// The outputs and ingests that it was told.
    var connections: [ProgramConnections] {
        program.compactMap { if case .connect(let connections) = $0 { connections } else { nil } }
    }

    /// What polls show, as it was told apart from setups.
    var polls: [[String: PollPicture]] {
        program.compactMap { if case .putPolls(let polls) = $0 { polls } else { nil } }
    }

    /// The sessions whose offers it was told.
    var offers: [String] { program.compactMap { if case .offer(let session, _) = $0 { session } else { nil } } }

    /// The sessions in which it was asked to send the program back, each with the listeners.
    var returns: [(session: String, listeners: Set<String>)] {
        program.compactMap {
            if case .returnFeed(let session, let listeners) = $0 { (session, listeners) } else { nil }
        }
    }

    /// What it was told as an SFU, but for the question what it carries.
    var room: [SFUCommand] {
        told.compactMap { command in
            switch command {
            case .sfu(.sessions): nil
            case .sfu(let command): command
            default: nil
            }
        }
    }

    func report(_ report: Report) { connection.report(report) }

    /// Hangs up, and does not dial again.
    func leave() { running.cancel() }
}

/// The conductors over a database and a listener of their own.
struct ConductorFixture: Sendable {
    static let anchor = ClockAnchor(
        clock: ProgramClock(wallMilliseconds: 1_700_000_000_000, monotonic: MonotonicTime(nanoseconds: 5)),
        machine: "m")
    static let sfuOffer = "v=0 offer", compositorAnswer = "v=0 answer", returnOffer = "v=0 return"

    /// What the program's offer carries: its picture, and a mix for each listener.
    static func returnTracks(_ listeners: Set<String>) -> [String: ReturnTrack] {
        var tracks = ["0": ReturnTrack(source: .program, audience: .everybody)]
        for (index, listener) in listeners.sorted().enumerated() {
            tracks["\(index + 1)"] = ReturnTrack(source: .programMix, audience: .only([listener]))
        }
        return tracks
    }

    let registry: WorkerRegistry
    let events: EventStore
    let ingests: IngestStore
    let outputs: OutputStore
    let programs: ProgramStore
    let speakers: SpeakerRooms
    let compositors: CompositorConductor
    let conductor: EventConductor
    let keys: TokenKeys
    let port: Int
    private let folder: URL
    private let running: [Task<Void, any Error>]

    private struct Nobody: ProgramObserver {
        func mediaPublished(_ segment: SegmentReport) async throws {}
        func clockReport(event: String, programTime: ProgramTime, wallMilliseconds: Int64) async throws {}
        func programState(event: String, isLive: Bool) async throws {}
    }

    /// Puts everything together.
    ///
    /// - Parameters:
    ///   - patience: how long is waited for supervisors.
    ///   - polls: what cards that name polls show.
    ///   - adoptionMs: for how long a media server may come that carries rooms of an earlier Studio.
    ///   - prepare: sets up what an earlier Studio has left.
    init(
        patience: CompositorConductor.Patience = .init(startMs: 0, supervisorMs: 100),
        polls: (any PollScreens)? = nil, adoptionMs: Int64 = 0,
        prepare: (EventStore, ProgramStore) async throws -> Void = { _, _ in }
    ) async throws {
        let logger = Logger(label: "test")
        folder = FileManager.default.temporaryDirectory.appending(path: "conductor-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let database = try StudioDatabase.open(path: folder.appending(path: "studio.sqlite").path)
        var migrator = DatabaseMigrator()
        StudioSchema.register(in: &migrator)
        try migrator.migrate(database)
        keys = try await TokenKeys(pem: P256.Signing.PrivateKey().pemRepresentation)
        let registry = WorkerRegistry(keys: keys, nowSeconds: { 0 }, logger: logger)
        self.registry = registry
        events = EventStore(database: database)
        ingests = IngestStore(database: database)
        outputs = OutputStore(database: database, keys: keys)
        let layouts = try Layout.load(folder: StudioFixture.repository.appending(path: "layouts")).layouts
        programs = ProgramStore(database: database, builtIn: BuiltInLayouts(layouts))
        speakers = SpeakerRooms(registry: registry, logger: logger, adoptionMs: adoptionMs)
        compositors = CompositorConductor(
            parts: .init(
                registry: registry, speakers: speakers, source: programs, events: events, logger: logger,
                connections: StoredConnections(outputs: outputs, ingests: ingests), polls: polls),
            patience: patience)
        let conductor = EventConductor(
            events: events, ingests: ingests, registry: registry, observer: Nobody(), speakers: speakers,
            compositors: compositors, trustedKeys: [:], logger: logger)
        self.conductor = conductor
        try await prepare(events, programs)
        let (ports, bound) = AsyncStream<Int>.makeStream()
        let face = WebFace.service(
            .init(host: "127.0.0.1", port: 0, maxWebSocketMessageBytes: 1 << 20),
            router: .init(context: WebContext.self),
            webSockets: [registry.route], certificates: nil, group: MultiThreadedEventLoopGroup.singleton,
            logger: logger, onRunning: { bound.yield($0) })
        running = [Task { try await face.run() }, Task { await conductor.run() }]
        var iterator = ports.makeAsyncIterator()
        port = try #require(await iterator.next())
    }

    func end() throws {
        for task in running { task.cancel() }
        try FileManager.default.removeItem(at: folder)
    }

    /// Adds an event, by default one that nobody has started.
    static func add(_ event: String, to events: EventStore, state: EventState = .idle) async throws {
        try await events.create(
            EventRecord(
                id: event, org: "o", title: "T", settings: EventSettings(), state: state, version: 1,
                output: state.isRunning ? "output-1" : nil), nowMs: 0)
        if state.isRunning { try await events.update(event) { $0.output = "output-1" } }
    }

    func add(_ event: String) async throws { try await Self.add(event, to: events) }

    func worker(
        _ role: WorkerRole, _ id: String, event: String? = nil, addresses: [String: String] = [:],
        running: [String] = [], answer: @escaping FakeWorker.Answer = { _ in .done }
    ) async throws -> FakeWorker {
        let worker = try await FakeWorker(
            WorkerRegistration(
                id: id, role: role, event: event, place: "", capacity: 4, addresses: addresses, version: "1",
                running: running), port: port, keys: keys, answer: answer)
        return worker
    }

    /// An output that takes everything.
    func output() async throws -> FakeWorker {
        let worker = try await worker(.output, "output-1", addresses: ["rtmps": "rtmps://localhost:1936/live"])
        try await eventually("the output is there") { registry.registration("output-1") != nil }
        return worker
    }

    /// A supervisor that takes everything; returns when it was told its first set.
    func supervisor(_ id: String = "supervisor-1", running: [String] = []) async throws -> FakeWorker {
        let worker = try await worker(.supervisor, id, running: running)
        try await eventually("\(id) was told its events") { !worker.sets.isEmpty }
        return worker
    }

    /// An SFU whose rooms have somebody in them from the start, when it offers.
    ///
    /// - Parameter carries: what it has carried for an earlier Studio.
    func sfu(_ id: String = "sfu-1", offers: Bool = true, carries: [SFUSession] = []) async throws -> FakeWorker {
        let worker = try await worker(.sfu, id) { command in
            guard case .sfu(let command) = command else { return .failed("not for an SFU") }
            switch command {
            case .subscribe: return .sfu(.offer(offers ? Self.sfuOffer : nil))
            case .publish: return .sfu(.answer("v=0"))
            case .connections: return .sfu(.connections([]))
            case .sessions: return .sfu(.sessions(carries))
            default: return .sfu(.done)
            }
        }
        try await eventually("\(id) is there") { registry.registration(id) != nil }
        try await eventually("its rooms are known") { await speakers.adoptsUntil == nil }
        return worker
    }

    /// An output and a supervisor, and an event that has been started.
    func started() async throws -> [FakeWorker] {
        let output = try await output(), supervisor = try await supervisor()
        try await add("e")
        _ = try await conductor.start("e")
        try await eventually("the supervisor is told") { supervisor.sets.last == ["e"] }
        return [output, supervisor]
    }

    /// A compositor that shows what it is told, ready from program time 1000 on.
    ///
    /// - Parameter instead: what it answers where it is not as others.
    func compositor(
        _ event: String, instead: @escaping @Sendable (CompositorCommand) async throws -> CommandReply? = { _ in nil }
    ) async throws -> FakeWorker {
        try await worker(.compositor, "compositor-\(event)", event: event) { command in
            guard case .compositor(let command) = command else { return .failed("not for a compositor") }
            if let reply = try await instead(command) { return reply }
            let shown = CompositorReply.shown(programTime: ProgramTime(milliseconds: 1000), isReady: true)
            return switch command {
            case .run(let setup): .compositor(.running(setup.clock ?? Self.anchor))
            case .show, .putCast, .putPolls: .compositor(shown)
            case .putTake: .compositor(.prepared(isReady: true))
            case .offer: .compositor(.answer(Self.compositorAnswer))
            case .connect, .returnAnswer, .endReturnFeed: .compositor(.connected)
            case .returnFeed(_, let listeners):
                .compositor(.returnOffer(Self.returnOffer, tracks: Self.returnTracks(listeners)))
            case .still: .compositor(.still(Data("picture".utf8).base64EncodedString()))
            case .sound: .compositor(.sound(Self.soundReading))
            case .meter(let areas):
                .compositor(
                    .reading(CanvasReading(width: 2, height: 2, areas: areas.map { .init(area: $0, luma: 16) })))
            }
        }
    }

    /// One speaker, and what the program makes of it.
    static let soundReading = SoundReading(
        sources: [.init(name: "participant:ada", rmsDecibels: -23.46, peakDecibels: -20, isSpeaking: true)],
        loudness: .init(momentary: -20.04, shortTerm: -21, integrated: -22, truePeak: -18), levelingDecibels: 1,
        duckingDecibels: -12, limitingDecibels: 0)

    /// Somebody in the room.
    static func principal(_ id: String, name: String? = nil) -> Principal {
        Principal(
            claims: TokenClaims(
                sub: id, name: name, org: "o", event: "e", role: .speaker, can: [], exp: 4_000_000_000, jti: id),
            source: .bearer)
    }

    static let scope = EventScope(id: "e", org: "o", policy: ParticipationPolicy())
}
