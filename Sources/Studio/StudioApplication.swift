// Studio's parts put together without listeners, so that tests can drive the routers in memory.

internal import Control
internal import Crypto
internal import Foundation
public import GRDB
public import Hummingbird
internal import HummingbirdCore
internal import Interactivity
public import Logging
internal import Media
internal import NIOCore
public import ServiceLifecycle
public import Web

/// Studio's routers and what stands behind them.
public struct StudioApplication {
    /// Answers the public listener.
    public let router: Router<WebContext>
    /// Answers the internal listener.
    public let internalRouter: Router<WebContext>
    /// The public listener's WebSockets.
    public let webSockets: [WebSocketRoute]
    /// Every public route with what it asks of its caller.
    public let routes: [RouteEntry]
    /// The workers.
    public let registry: WorkerRegistry
    /// The rooms, which tests fill without a media server.
    let speakers: SpeakerRooms
    /// What the programs are made of.
    let programs: ProgramStore
    /// What runs beside the listeners.
    public let followers: Followers

    /// Builds Studio over a database.
    ///
    /// - Parameters:
    ///   - configuration: how Studio runs.
    ///   - database: the database, whose migrations run here.
    ///   - keys: the installation's keys.
    ///   - logger: for what happens.
    ///   - control: carries scenes to compositors; nil for the conductor of the compositors.
    ///   - decoder: decodes uploads; nil for child processes.
    /// - Throws: what the database's migrations throw, or `LayoutFolderError` when there is no built-in layout.
    public init(
        _ configuration: StudioConfiguration, database: DatabasePool, keys: TokenKeys, logger: Logger,
        control: (any ProgramControl)? = nil, decoder: (any MediaDecoding)? = nil
    ) async throws {
        var migrator = DatabaseMigrator()
        StudioSchema.register(in: &migrator)
        InteractivityMigrations.register(on: &migrator)
        try migrator.migrate(database)

        let nowMs: @Sendable () -> Int64 = { SystemClock.wallMilliseconds() }
        let nowSeconds: @Sendable () -> Int64 = { SystemClock.wallMilliseconds() / 1000 }
        let metrics = Metrics()
        let events = EventStore(database: database), ingests = IngestStore(database: database)
        let credentials = CredentialTables(database: database, keys: keys, nowSeconds: nowSeconds)
        let authenticator = Authenticator(keys: keys, store: credentials, nowSeconds: nowSeconds)
        let origins = Origins(hosts: configuration.hosts, port: configuration.httpsPort)
        let tickets = TicketOffice(), connections = OpenConnections()
        // Offers to send are read here and at the media server, so an address has so many, by whichever door.
        let offers = RateLimiter(perSecond: 5, burst: 200)
        let registry = WorkerRegistry(keys: keys, nowSeconds: nowSeconds, logger: logger)
        let timelines = TimelineDelivery(events: events, registry: registry, logger: logger)
        let interactivity = InteractivityService(database: database, directory: events, connections: connections) {
            await timelines.deliver($0)
        }
        let speakers = SpeakerRooms(
            registry: registry, logger: logger, connectionLimit: configuration.connectionLimit)
        let locks = RoomLocks(database: database)
        await speakers.restore(locks: try await locks.all())
        let builtIn = try BuiltInLayouts(folder: configuration.layouts, logger: logger)
        let themes = ThemeFolder(folder: configuration.themes, logger: logger)
        let programs = ProgramStore(database: database, builtIn: builtIn, themes: themes)
        await speakers.restore(silenced: try await programs.silenced())
        let media = MediaStore(programs: programs)
        let files = MediaFiles(root: configuration.dataDirectory.appending(path: "media"))
        files.sweep(known: try await media.known())
        let outputs = OutputStore(database: database, keys: keys)
        let compositors = CompositorConductor(
            parts: .init(
                registry: registry, speakers: speakers, source: programs, events: events, logger: logger,
                connections: StoredConnections(outputs: outputs, ingests: ingests),
                polls: InteractivePolls(interactivity: interactivity)))
        let conductor = EventConductor(
            events: events, ingests: ingests, registry: registry, observer: ProgramNews(interactivity: interactivity),
            speakers: speakers, compositors: compositors,
            trustedKeys: [keys.keyID: keys.signingKey.publicKey.pemRepresentation], logger: logger,
            refuseRevoked: { try await authenticator.refuseRevoked($0) })
        let control: any ProgramControl = control ?? compositors
        let router = Router(context: WebContext.self)
        router.add(middleware: TrustedProxies(configuration.trustedProxies))
        router.add(middleware: SDPDoor())
        router.add(middleware: ProblemMiddleware(metrics: metrics))
        let book = RouteBook(
            router: router,
            guard: .init(
                authenticator: authenticator, directory: events, idempotency: credentials, origins: origins.all))
        book.add(.get, "/healthz", .open) { _, _ in try .json(["status": "ok"]) }
        OpenAPIDocument(file: configuration.openAPI, logger: logger).add(to: book)
        EventRoutes(
            events: events, conductor: conductor, speakers: speakers, connections: connections,
            interactivity: interactivity, files: files, nowMs: nowMs
        ).add(to: book)
        InvitationRoutes(
            invitations: InvitationStore(database: database), credentials: credentials, authenticator: authenticator,
            tickets: tickets, connections: connections, speakers: speakers, origins: origins,
            attempts: RateLimiter(perSecond: 5, burst: 200), ticketRate: RateLimiter(perSecond: 1, burst: 30),
            nowSeconds: nowSeconds
        ).add(to: book)
        IngestRoutes(ingests: ingests, conductor: conductor, registry: registry, events: events, origins: origins)
            .add(to: book)
        OutputRoutes(
            outputs: outputs, compositors: compositors, allowsPrivate: configuration.allowsPrivateOutputs
        ).add(to: book)
        PlaybackRoutes(
            events: events, registry: registry, speakers: speakers, keys: keys, origins: origins,
            nowSeconds: nowSeconds
        ).add(to: book)
        SpeakerRoutes(
            speakers: speakers, credentials: credentials, connections: connections, turn: configuration.turn,
            offers: offers, nowSeconds: nowSeconds
        ).add(to: book)
        ViewerRoutes(
            speakers: speakers, turn: configuration.turn, limits: .init(perEvent: configuration.viewerLimit),
            attempts: RateLimiter(perSecond: 5, burst: 200), nowSeconds: nowSeconds
        ).add(to: book)
        ProgramRoutes(
            programs: programs, events: events, control: control, stills: StillCache { SystemClock.monotonic() },
            nowMs: nowMs
        ).add(to: book)
        MeterRoutes(events: events, control: control).add(to: book)
        StageRoutes(programs: programs, speakers: speakers, control: control).add(to: book)
        ConnectionRoutes(speakers: speakers).add(to: book)
        RoomRoutes(speakers: speakers, locks: locks).add(to: book)
        RollRoutes(programs: programs, control: control).add(to: book)
        LayoutRoutes(programs: programs, control: control).add(to: book)
        PresetRoutes(programs: programs).add(to: book)
        let mediaRoutes = MediaRoutes(
            media: media, files: files, decoder: decoder ?? ChildDecoder(logger: logger),
            videoLimitBytes: configuration.videoLimitBytes)
        ThemeRoutes(themes: themes).add(to: book)
        mediaRoutes.add(to: book)
        interactivity.addRoutes(to: book)
        let hosts = configuration.hosts
        Pages(directory: configuration.pages, libraries: configuration.libraries) {
            // A page may have come in under any of our names.
            registry.addresses("hls").flatMap { url in hosts.map { Origins.replacingHost(of: url, with: $0) } }
        }.add(to: book)

        let internalRouter = Router(context: WebContext.self)
        internalRouter.add(middleware: ProblemMiddleware(metrics: metrics))
        internalRouter.get("/readyz") { _, _ -> Response in
            let counts = registry.counts()
            let isReady = [WorkerRole.output, .sfu, .supervisor].allSatisfy { counts[$0, default: 0] > 0 }
            try await database.read { _ = try Int.fetchOne($0, sql: "SELECT 1") }
            let workers = Dictionary(uniqueKeysWithValues: counts.map { ($0.key.rawValue, $0.value) })
            return try .json(
                ["ready": JSONValue.bool(isReady), "workers": .object(workers.mapValues { .integer(Int64($0)) })],
                status: isReady ? .ok : .serviceUnavailable)
        }
        internalRouter.get("/metrics") { _, _ -> Response in
            return Response(
                status: .ok, headers: [.contentType: "text/plain; version=0.0.4"],
                body: .init(byteBuffer: ByteBuffer(string: metrics.text(with: registry.series()))))
        }

        mediaRoutes.add(toInternal: internalRouter, keys: keys, nowSeconds: nowSeconds)

        self.router = router
        self.internalRouter = internalRouter
        self.registry = registry
        self.speakers = speakers
        self.programs = programs
        webSockets = [
            SpeakerRoutes.socket(
                speakers: speakers, connections: connections, tickets: tickets, authenticator: authenticator,
                events: events, offers: offers,
                rotateMs: configuration.keyRotationSeconds > 0 ? Int64(configuration.keyRotationSeconds) * 1000 : nil,
                nowSeconds: nowSeconds),
            interactivity.liveSocket { request in
                guard let ticket = request.query["ticket"] else { throw Problem.unauthorized("A ticket is needed.") }
                let caller = try tickets.redeem(ticket, nowSeconds: nowSeconds())
                try await authenticator.refuseRevoked(caller.claims)
                guard let event = try await events.event(request.parameters["event"] ?? ""), event.org == caller.org
                else { throw Problem.notFound("There is no such event.") }
                return (caller, event)
            },
        ]
        followers = Followers(
            conductor: conductor, interactivity: interactivity, registry: registry, speakers: speakers,
            compositors: compositors, layouts: builtIn, nowSeconds: nowSeconds, logger: logger)
        routes = book.entries
    }
}

/// Follows the workers and runs interactivity's timers until the service group ends it.
public struct Followers: Service {
    let conductor: EventConductor
    let interactivity: InteractivityService
    let registry: WorkerRegistry
    let speakers: SpeakerRooms
    let compositors: CompositorConductor
    let layouts: BuiltInLayouts
    let nowSeconds: @Sendable () -> Int64
    let logger: Logger

    /// How long after its moment a take is made the program without having been shown.
    static let lateTakeMs: Int64 = 3000

    /// Runs until cancelled; readers are told to come back before the process ends.
    public func run() async throws {
        try await cancelWhenGracefulShutdown {
            [conductor, interactivity, speakers, compositors, layouts, nowSeconds, logger] in
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { await conductor.run() }
                group.addTask { try await interactivity.run() }
                group.addTask {
                    // WHIP sessions have no connection here that could end with their token.
                    while true {
                        try await Task.sleep(for: .seconds(1))
                        await speakers.endExpired(nowSeconds: nowSeconds())
                        await speakers.endParked()
                    }
                }
                group.addTask {
                    while true {
                        try await Task.sleep(for: .seconds(1))
                        if layouts.refresh() { await compositors.layoutsChanged() }
                        do {
                            let late = ProgramTime(milliseconds: SystemClock.wallMilliseconds() - Self.lateTakeMs)
                            try await compositors.finishTakes(before: late)
                        } catch {
                            logger.error("takes that wait can't be read", metadata: ["error": "\(error)"])
                        }
                    }
                }
                try await group.next()
                group.cancelAll()
            }
        }
        interactivity.shutDown()
        registry.shutDown()
    }
}
