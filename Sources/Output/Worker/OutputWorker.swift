// What an output worker serves: events with their pipelines, kept over restarts.

internal import Control
internal import Crypto
internal import Foundation
internal import Logging
internal import Media
internal import Synchronization
internal import Web

/// The events of one output worker.
///
/// What Studio has told is kept on disk, so that ingest and playing go on while Studio is away, also over a restart of
/// this process.
final class OutputWorker: Sendable {
    /// One event that is served.
    final class ServedEvent: Sendable {
        let store: EventStore
        let input: SourceSwitch
        let sources: SourceEntrances
        let pipeline: EventPipeline
        let media: Mutex<EventMedia>
        /// The compositor's entrance, as the server of publishers knows it; entrances of Studio have no slash.
        var programIngest: String { "program/" + media.withLock { $0.event } }

        init(
            store: EventStore, input: SourceSwitch, sources: SourceEntrances, pipeline: EventPipeline, media: EventMedia
        ) {
            self.store = store
            self.input = input
            self.sources = sources
            self.pipeline = pipeline
            self.media = Mutex(media)
        }
    }

    private struct Known: Codable {
        var keys: [String: String] = [:]
        var events: [EventMedia] = []
    }

    private struct State {
        var served: [String: ServedEvent] = [:]
        /// Events whose pipelines work off the rest, and what those counted that have ended: no sum may fall with them.
        var closing: [ServedEvent] = [], counted: [String: Double] = [:]
        /// Events that have ended, still played by those who are late; bounded.
        var ended: [(event: String, store: EventStore)] = []
        var keys: [String: P256.Signing.PublicKey] = [:]
        var keyTexts: [String: String] = [:]
    }

    private static let endedLimit = 20
    private let directory: URL
    private let ladder: LadderSettings
    private let logger: Logger
    private let report: @Sendable (Report) -> Void
    private let disconnect: @Sendable (String) -> Void
    private let state = Mutex(State())

    /// Creates a worker and serves again what it served before.
    ///
    /// - Parameters:
    ///   - directory: the folder of all events' media.
    ///   - ladder: the rungs.
    ///   - logger: for what happens.
    ///   - report: tells Studio.
    ///   - disconnect: ends the publisher of an entrance.
    init(
        directory: URL, ladder: LadderSettings, logger: Logger, report: @escaping @Sendable (Report) -> Void,
        disconnect: @escaping @Sendable (String) -> Void
    ) throws {
        self.directory = directory
        self.ladder = ladder
        self.logger = logger
        self.report = report
        self.disconnect = disconnect
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        guard let data = try? Data(contentsOf: knownFile) else { return }
        guard let known = try? JSONDecoder().decode(Known.self, from: data) else {
            logger.error("what was served before can't be read")
            return
        }
        trust(known.keys)
        for media in known.events {
            do {
                try open(media)
            } catch {
                logger.error(
                    "an event can't be served again", metadata: ["event": "\(media.event)", "error": "\(error)"])
            }
        }
    }

    private var knownFile: URL { directory.appending(path: "served.json") }

    /// Carries out one command of Studio.
    func handle(_ command: Command) async throws -> CommandReply {
        switch command {
        case .trustKeys(let keys):
            trust(keys)
            try remember()
        case .openEvent(let media):
            try open(media)
            rememberOrReport()
        case .closeEvent(let event):
            await close(event)
            rememberOrReport()
        case .putTimeline(let event, let epoch, let mediaSequence, let json):
            try store(event)?.putTimeline(
                epoch: epoch, mediaSequence: mediaSequence, json: ByteBlock(Array(json.utf8)))
        case .sfu, .runCompositors, .compositor: return .failed("an output does not do this")
        }
        return .done
    }

    /// Tells Studio everything that it may have missed.
    func reportState() {
        for (event, served) in state.withLock({ $0.served }) {
            let entries = served.store.state.segments
            for ingest in served.input.connected + served.sources.connected {
                report(.ingestState(event: event, ingest: ingest, isConnected: true))
            }
            for entry in entries.suffix(served.store.settings.listed) {
                report(
                    .segmentPublished(
                        SegmentReport(
                            event: event, mediaSequence: entry.mediaSequence, from: entry.from, to: entry.to,
                            isDiscontinuity: entry.isDiscontinuity)))
            }
            report(.programState(event: event, isLive: !entries.isEmpty, masterPath: "master.m3u8"))
        }
    }

    /// The store of an event that is served, or has been.
    func store(_ event: String) -> EventStore? {
        state.withLock { state in
            state.served[event]?.store ?? state.ended.last { $0.event == event }?.store
        }
    }

    /// The public keys by which cookies are checked.
    var trustedKeys: [String: P256.Signing.PublicKey] { state.withLock { $0.keys } }

    /// Finds the entrance of a stream key.
    func entrance(forKey key: String) -> (event: ServedEvent, entrance: IngestEntrance)? {
        // Looking up the hash of the key tells nothing of the key by its timing.
        let hash = RandomToken.hash(key)
        for served in state.withLock({ Array($0.served.values) }) {
            if let entrance = served.media.withLock({ media in media.ingests.first { $0.keyHash == hash } }) {
                return (served, entrance)
            }
        }
        return nil
    }

    /// Finds the event whose program the bearer of a worker's token brings.
    ///
    /// - Parameters:
    ///   - token: a compact JWT of the role compositor, for an event that is served here.
    ///   - nowSeconds: seconds since the Unix epoch.
    func program(forToken token: String, nowSeconds: Int64) async -> ServedEvent? {
        // Stream keys have no dots: no signature is looked at for them.
        guard token.utf8.count(where: { $0 == UInt8(ascii: ".") }) == 2 else { return nil }
        let keys = state.withLock { $0.keyTexts }
        guard
            let claims = try? await WorkerClaims.verified(token, publicKeys: keys, nowSeconds: nowSeconds),
            claims.workerRole == .compositor, let event = claims.event
        else { return nil }
        return state.withLock { $0.served[event] }
    }

    /// Finds the entrance that the bearer of a worker's token may play.
    ///
    /// - Parameters:
    ///   - name: the name of an entrance of kind `source`.
    ///   - token: a compact JWT of the role compositor, for the entrance's event.
    ///   - nowSeconds: seconds since the Unix epoch.
    /// - Returns: the entrance's id.
    func source(named name: String, forToken token: String, nowSeconds: Int64) async -> String? {
        guard let event = await program(forToken: token, nowSeconds: nowSeconds) else { return nil }
        return event.media.withLock { media in media.ingests.first { $0.kind == .source && $0.name == name }?.id }
    }

    /// Whether an event is still served, and not one of its name that came later.
    func serves(_ event: ServedEvent) -> Bool {
        state.withLock { state in state.served.values.contains { $0 === event } }
    }

    /// Counters by Prometheus name, summed over the events that are served and those that were.
    var counters: [String: Double] {
        let (events, counted) = state.withLock { (Array($0.served.values) + $0.closing, $0.counted) }
        return events.reduce(into: counted) { $0.merge($1.pipeline.statistics.counters, uniquingKeysWith: +) }
    }

    /// Ends every pipeline; playlists stay without an end, because the program goes on after a restart.
    func stop() async {
        let served = state.withLock { state in
            defer { state.served = [:] }
            return Array(state.served.values)
        }
        for event in served { await Self.stop(event.pipeline, marksEnd: false) }
    }

    private func trust(_ keys: [String: String]) {
        let parsed = keys.compactMapValues { try? P256.Signing.PublicKey(pemRepresentation: $0) }
        state.withLock { state in
            state.keys = parsed
            state.keyTexts = keys
        }
    }

    /// A full disk keeps nobody from being served, or let go: Studio tells it again after a restart.
    private func rememberOrReport() {
        do {
            try remember()
        } catch {
            logger.error("what is served can't be written down", metadata: ["error": "\(error)"])
        }
    }

    private func remember() throws {
        let known = state.withLock { state in
            Known(keys: state.keyTexts, events: state.served.values.map { $0.media.withLock { $0 } })
        }
        try JSON.encoder.encode(known).write(to: knownFile, options: .atomic)
    }

    private func open(_ media: EventMedia) throws {
        if let served = state.withLock({ $0.served[media.event] }) {
            let removed = served.media.withLock { old -> [IngestEntrance] in
                guard media.version >= old.version else { return [] }
                defer { old = media }
                return old.ingests.filter { !media.ingests.contains($0) }
            }
            // A removed entrance, or one with a new key, lets its publisher go.
            for entrance in removed { disconnect(entrance.id) }
            return
        }
        let store = try EventStore(settings: EventStoreSettings(root: directory.path, event: media.event))
        let event = media.event
        let link = PipelineLink()
        var callbacks = PipelineCallbacks()
        callbacks.onRoom = { link.input?.roomAgain() }
        callbacks.onSegment = { [report] segment in
            report(
                .segmentPublished(
                    SegmentReport(
                        event: event, mediaSequence: segment.mediaSequence, from: segment.from, to: segment.to,
                        isDiscontinuity: segment.discontinuity)))
            report(.programState(event: event, isLive: true, masterPath: "master.m3u8"))
        }
        callbacks.onClock = { [report] time, wall in
            report(.clock(event: event, programTime: time, wallMilliseconds: wall))
        }
        callbacks.onFault = { [logger] fault in
            logger.error("a pipeline has trouble", metadata: ["event": "\(event)", "fault": "\(fault)"])
        }
        callbacks.onHold = { [logger] isHeld in
            logger.warning("the program's source changed", metadata: ["event": "\(event)", "held": "\(isHeld)"])
        }
        let pipeline = try EventPipeline(
            store: store, settings: EventPipelineSettings(ladder: ladder), callbacks: callbacks)
        let input = SourceSwitch(deliver: { pipeline.offer($0) }) { [report] ingest, isConnected in
            report(.ingestState(event: event, ingest: ingest, isConnected: isConnected))
        }
        link.input = input
        let sources = SourceEntrances { [report] ingest, isConnected in
            report(.ingestState(event: event, ingest: ingest, isConnected: isConnected))
        }
        let served = ServedEvent(store: store, input: input, sources: sources, pipeline: pipeline, media: media)
        state.withLock { state in
            state.served[event] = served
            state.ended.removeAll { $0.event == event }
        }
        logger.info("an event is served", metadata: ["event": "\(event)", "org": "\(media.org)"])
    }

    private func close(_ event: String) async {
        // Players go on reading while the pipeline stops.
        let found = state.withLock { state -> ServedEvent? in
            guard let served = state.served.removeValue(forKey: event) else { return nil }
            state.closing.append(served)
            state.ended.append((event, served.store))
            if state.ended.count > Self.endedLimit { state.ended.removeFirst() }
            return served
        }
        guard let served = found else { return }
        for entrance in served.media.withLock({ $0.ingests }) { disconnect(entrance.id) }
        disconnect(served.programIngest)
        await Self.stop(served.pipeline, marksEnd: true)
        let last = served.pipeline.statistics.counters
        state.withLock { state in
            state.closing.removeAll { $0 === served }
            state.counted.merge(last, uniquingKeysWith: +)
        }
        report(.programState(event: event, isLive: false, masterPath: nil))
        logger.info("an event is served no more", metadata: ["event": "\(event)"])
    }

    /// Stopping waits for threads, which the cooperative pool must not.
    private static func stop(_ pipeline: EventPipeline, marksEnd: Bool) async {
        await withCheckedContinuation { continuation in
            _ = MediaThread(name: "stop") {
                pipeline.stop(marksEnd: marksEnd)
                continuation.resume()
            }
        }
    }

    /// Ties the pipeline's callback to the switch, which is made after it; set before the first event comes.
    private final class PipelineLink: Sendable {
        private let box = Mutex<SourceSwitch?>(nil)
        var input: SourceSwitch? {
            get { box.withLock { $0 } }
            set { box.withLock { $0 = newValue } }
        }
    }
}

/// Lets encoders in by their stream key, and a compositor by its worker's token, also to play the sources of its event.
struct StreamKeyAuthorizer: IngestAuthorizer {
    let worker: @Sendable () -> OutputWorker?
    var nowSeconds: @Sendable () -> Int64 = { SystemClock.wallMilliseconds() / 1000 }

    func authorize(app: String, streamName: String, remoteAddress: String) async -> IngestGrant? {
        guard app == "live", let worker = worker() else { return nil }
        if let (event, entrance) = worker.entrance(forKey: streamName) {
            let feed: ProgramFeed
            switch entrance.kind {
            case .primary: feed = .primary
            case .backup: feed = .backup
            case .source:
                return IngestGrant(ingestID: entrance.id, sink: event.sources.sink(entrance.id)) { [weak worker] in
                    worker?.serves(event) == true && event.media.withLock { $0.ingests.contains(entrance) }
                }
            }
            return IngestGrant(ingestID: entrance.id, sink: event.input.sink(entrance.id, feed)) { [weak worker] in
                worker?.serves(event) == true && event.media.withLock { $0.ingests.contains(entrance) }
            }
        }
        guard let event = await worker.program(forToken: streamName, nowSeconds: nowSeconds()) else { return nil }
        let ingest = event.programIngest
        return IngestGrant(ingestID: ingest, sink: event.input.sink(ingest, .program)) { [weak worker] in
            worker?.serves(event) == true
        }
    }
    func authorizePlay(app: String, streamName: String, remoteAddress: String) async -> String? {
        let parts = app.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0] == "ingest", let worker = worker() else { return nil }
        return await worker.source(named: String(parts[1]), forToken: streamName, nowSeconds: nowSeconds())
    }
}
