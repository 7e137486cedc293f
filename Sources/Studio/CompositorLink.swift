// One compositor that has dialled in: told its program, who is there, and how to reach the room.

internal import Control
internal import Foundation
import HTTPTypes
internal import Logging
internal import Media
internal import Web

/// Speaks to the compositor of one event from its registration until it leaves or is not needed any more.
///
/// Setups, layouts and takes that wait are told in order, because the compositor takes the last one, and so are casts and scenes
/// among themselves; nothing waits until the sources of what was told before are there.
actor CompositorLink {
    /// What the link works with.
    struct Parts: Sendable {
        let registry: WorkerRegistry
        let speakers: SpeakerRooms
        let source: any ProgramSource
        let events: EventStore
        let logger: Logger
        /// Knows outputs and ingests; nil where programs have none.
        var connections: (any ConnectionSource)?
        /// What cards that name a poll show; nil where there are no polls.
        var polls: (any PollScreens)?
    }

    /// The worker.
    nonisolated let worker: String
    let event: String, parts: Parts
    private let org: String
    private let rolls: RollProgress
    private(set) var isEnded = false, isRunning = false
    private var newestVersion: Int64 = 0
    private var session: RoomSession?
    /// The sizes that are being told to the room, or wait for it.
    private var wantedSizes: (session: String, sizes: [String: LayerSize])?
    private var isTellingSizes = false
    private var work: Task<Void, Never>?
    private var castListener: CastListener?
    private var publishURL: String?
    private var mustTellConnections = false
    private(set) var last: Task<Void, Never>?
    private var lastScene: Task<Void, Never>?
    /// The cast that was told last, and the telling of it that waits for its turn.
    var toldCast: [CastMember]?, mustTellCast = false, waitingCast: Task<ShownAt?, Never>?
    var lastCast: Task<Void, Never>?
    /// What is shown, as far as it says who is heard.
    var heard = HeardPeople()
    var lastHearing: Task<Void, Never>?
    var polls = NamedPolls()
    /// The telling of polls that has not begun to read them.
    var waitingPolls: Task<Void, Never>?, lastPolls: Task<Void, Never>?
    let returnFeed: ReturnFeedLink

    init(event: String, org: String, worker: String, parts: Parts, rolls: RollProgress) {
        self.event = event
        self.org = org
        self.worker = worker
        self.parts = parts
        self.rolls = rolls
        returnFeed = ReturnFeedLink(event: event, worker: worker, parts: parts)
    }

    // MARK: - Life

    /// Sets the compositor up and keeps it in the room until `end`.
    func start() {
        guard work == nil, !isEnded else { return }
        let listener = CastListener { [weak self] in
            guard let self else { return }
            Task { await self.roomChanged() }
        }
        castListener = listener
        work = Task { [event, parts] in
            await parts.speakers.listen(event, listener)
            async let feeding: Void = returnFeed.run()
            let following = Task { await self.followPolls() }
            await run()
            following.cancel()
            await feeding
            await parts.speakers.unlisten(event, listener)
        }
    }

    /// Says nothing more, and leaves the room.
    func end() {
        isEnded = true
        isRunning = false
        returnFeed.end()
        work?.cancel()
    }

    /// Tells the program again, because where it goes may have changed.
    func setUpAgain() {
        guard isRunning else { return }
        Task { [weak self, event, parts] in
            do {
                try await self?.setUpInTurn()
            } catch {
                // One that does not answer dials again, and is told everything then.
                parts.logger.warning(
                    "a compositor could not be set up again", metadata: ["event": "\(event)", "error": "\(error)"])
            }
        }
    }

    private func run() async {
        // A program that runs already goes on with those who are in it.
        await parts.speakers.settled()
        var pause = Backoff()
        while !isEnded {
            do {
                try await setUpInTurn()
                break
            } catch {
                parts.logger.warning(
                    "a compositor could not be set up", metadata: ["event": "\(event)", "error": "\(error)"])
                await pause.wait()
            }
        }
        pause = Backoff()
        var isComplaining = false
        while !isEnded {
            let joinedAt = SystemClock.monotonic()
            do {
                try await serveSession()
                isComplaining = false
            } catch {
                // While no SFU is there this fails again and again; once is enough to read.
                if !isEnded, !isComplaining {
                    parts.logger.notice(
                        "a compositor is not in its room", metadata: ["event": "\(event)", "error": "\(error)"])
                }
                isComplaining = true
            }
            if isEnded { break }
            // A session that has lasted is followed by another at once; one that fails is not tried in a storm.
            if SystemClock.monotonic().milliseconds(since: joinedAt) > 5000 { pause = Backoff() }
            await pause.wait()
        }
    }

    // MARK: - The program

    private func setUpInTurn() async throws {
        let setting = Task { [previous = last, casting = lastCast] in
            await previous?.value
            await casting?.value
            return try await self.setUp()
        }
        last = Task { _ = await setting.result }
        _ = try await setting.value()
    }

    /// Says everything, and returns what waits for the answers that may take long.
    private func setUp() async throws -> Rest<Void> {
        guard !isEnded else { return { nil } }
        guard let record = try await parts.events.record(event), let output = record.output,
            let url = parts.registry.registration(output)?.addresses["rtmps"]
        else { throw Problem.overloaded("The event's output is away.", retryAfterMs: 1000) }
        let program = try await parts.source.setup(for: event), cast = try await cast()
        polls.shown = program.scene.overlays.poll?.id
        polls.coming = program.take?.scene.overlays.poll?.id
        let pictures = await pollPictures()
        // One that runs has roll and music where they are; one that starts now goes on where the one before it would be.
        let now = ProgramTime(milliseconds: SystemClock.wallMilliseconds())
        let scene =
            isRunning
            ? program.scene
            : rolls.resumed(
                program.scene, lengthMs: program.rollLengthMs, musicLengthMs: program.musicLengthMs, at: now)
        let reply = try await tell(
            .run(
                ProgramSetup(
                    event: event, org: org, publishURL: url, clock: program.clock, layouts: program.layouts,
                    themes: program.themes, polls: pictures, scene: scene, version: program.version, cast: cast,
                    take: program.take)))
        guard case .running(let anchor) = reply else { throw Self.unexpected }
        guard !isEnded else { return { nil } }
        if anchor != program.clock { try await parts.source.setClock(anchor, of: event) }
        guard !isEnded else { return { nil } }
        heard.layouts = program.layouts
        heard.shown(program.scene, version: program.version)
        await told(cast)
        publishURL = url
        polls.told = pictures
        if !isRunning { rolls.shown(program.scene, at: now) }
        isRunning = true
        try await tellConnections()
        // What has changed since the setup was read was not told: nothing was told before the program ran.
        let newer = try await parts.source.setup(for: event)
        let change = newer.change
        let showing = newer.version > program.version ? try await say(change) : nil
        polls.coming = newer.take?.scene.overlays.poll?.id ?? polls.coming
        let preparing = newer.take != program.take ? try say(.putTake(newer.take)) : nil
        let casting = try await sayCast(isAsked: false)
        return {
            if let showing { _ = try await self.shown(change, showing) }
            if let preparing { _ = try await self.answered(preparing) }
            _ = try await casting()
            return nil
        }
    }

    /// Tells the layouts, always the newest; two who change them at once are told in order.
    ///
    /// - Returns: from when on they are seen; nil while the program does not run, or when they could not be told.
    func layoutsChanged() async -> ShownAt? {
        await inTurn("its layouts") { () -> Rest<ShownAt> in
            let change = try await self.parts.source.setup(for: self.event).change
            let showing = try await self.say(change)
            return { if let showing { try await self.shown(change, showing) } else { nil } }
        }
    }

    /// Tells the take that waits, or that there is none, always the newest.
    ///
    /// - Returns: whether everything that it names is there; nil when it could not be told.
    func takeChanged() async -> Bool? {
        await inTurn("its take") { () -> Rest<Bool> in
            let program = try await self.parts.source.setup(for: self.event)
            if let poll = program.take?.scene.overlays.poll?.id {
                await self.expect(poll)
            }
            let preparing = try await self.say(.putTake(program.take))
            return {
                guard case .prepared(let isReady) = try await self.answered(preparing) else { throw Self.unexpected }
                return isReady
            }
        }
    }

    /// A take that waited is shown: from now on it is the program's scene.
    func taken(_ id: String) async {
        _ = await inTurn("what it shows") { () -> Rest<ShownAt> in
            guard let program = try await self.parts.source.finishTake(id, of: self.event) else { return { nil } }
            let change = program.change()
            let showing = try await self.say(change)
            return { if let showing { try await self.shown(change, showing) } else { nil } }
        }
    }

    /// What waits for an answer, which nobody else needs to wait for.
    typealias Rest<Value> = @Sendable () async throws -> Value?

    /// Says something after what was to be said before; nil while the program does not run, or when it can't be said.
    private func inTurn<Value: Sendable>(
        _ what: String, _ body: @escaping @Sendable () async throws -> Rest<Value>
    ) async -> Value? {
        let saying = Task { [previous = last] () -> Rest<Value>? in
            await previous?.value
            return isRunning ? try await body() : nil
        }
        last = Task { _ = await saying.result }
        do {
            return try await saying.value?()
        } catch {
            // One that does not answer dials again, and is told everything then.
            parts.logger.warning(
                "a compositor could not be told \(what)", metadata: ["event": "\(event)", "error": "\(error)"])
            return nil
        }
    }

    /// Shows a scene.
    ///
    /// - Returns: nil while the program does not run yet, because it starts with the newest scene; and when a newer one was told
    ///   meanwhile, which has this one in it.
    func show(_ change: ProgramChange) async throws -> ShownAt? {
        guard let showing = try await say(change) else { return nil }
        return try await shown(change, showing)
    }

    /// One whose poll is told first holds back those that come after it: the compositor would not go back to it from them.
    private func say(_ change: ProgramChange) async throws -> CommandAnswer? {
        let saying = Task { [previous = lastScene] in
            await previous?.value
            return try await self.sayInTurn(change)
        }
        lastScene = Task { _ = await saying.result }
        return try await saying.value
    }

    private func sayInTurn(_ change: ProgramChange) async throws -> CommandAnswer? {
        guard isRunning else { return nil }
        newestVersion = max(newestVersion, change.version)
        if newestVersion == change.version { polls.shown = change.scene.overlays.poll?.id }
        heard.layouts = change.layouts ?? heard.layouts
        if change.scene.overlays.poll?.id != nil { await tellPolls() }
        return try say(.show(change))
    }

    private func shown(_ change: ProgramChange, _ showing: CommandAnswer) async throws -> ShownAt? {
        do {
            let shown = try Self.shown(await answered(showing))
            if newestVersion == change.version { rolls.shown(change.scene, at: shown.programTime) }
            heard.shown(change.scene, version: change.version)
            await sayWhoIsHeard()
            return shown
        } catch let problem as Problem where problem.status == .badGateway && newestVersion > change.version {
            // Two producers at once: the compositor does not go back from the newer one.
            return nil
        }
    }

    /// Draws a picture.
    func still(_ scene: Scene?) async throws -> Data {
        guard isRunning else { throw Problem.overloaded("The program does not run yet.", retryAfterMs: 1000) }
        if let poll = scene?.overlays.poll?.id {
            polls.drawn = poll
            await tellPolls()
        }
        // A picture that comes late is no reason to begin anew with the compositor, which would show in the program.
        guard case .still(let text) = try await tell(.still(scene), mustBeTaken: false),
            let picture = Data(base64Encoded: text)
        else {
            throw Self.unexpected
        }
        return picture
    }

    /// Reads the program's picture.
    func meter(_ areas: [CanvasArea]) async throws -> CanvasReading {
        guard isRunning else { throw Problem.overloaded("The program does not run yet.", retryAfterMs: 1000) }
        guard case .reading(let reading) = try await tell(.meter(areas), mustBeTaken: false) else {
            throw Self.unexpected
        }
        return reading
    }

    /// Reads the program's sound.
    func sound() async throws -> SoundReading {
        guard isRunning else { throw Problem.overloaded("The program does not run yet.", retryAfterMs: 1000) }
        guard case .sound(let reading) = try await tell(.sound, mustBeTaken: false) else { throw Self.unexpected }
        return reading
    }

    // MARK: - Outputs and ingests

    /// Tells where the program goes as well and what comes in, because it has changed.
    func connectionsChanged() async {
        guard isRunning else { return }
        mustTellConnections = true
        let telling = Task { [previous = last] in
            await previous?.value
            await self.tellNewestConnections()
        }
        last = telling
        await telling.value
    }

    private func tellNewestConnections() async {
        // Somebody whose turn came before has told the newest.
        guard isRunning, mustTellConnections else { return }
        do {
            try await tellConnections()
        } catch {
            parts.logger.warning(
                "a compositor could not be told its outputs", metadata: ["event": "\(event)", "error": "\(error)"])
        }
    }

    private func tellConnections() async throws {
        guard let source = parts.connections, let publishURL else { return }
        mustTellConnections = false
        _ = try await tell(.connect(try await source.connections(of: event, publishURL: publishURL)))
    }

    // MARK: - The room

    /// A session in which the compositor hears nothing any more.
    func connectionLost(_ id: String) {
        if session?.id == id { session?.mustRejoin("the compositor has lost the connection") }
        returnFeed.connectionLost(id)
    }

    /// The compositor needs other sizes of the pictures that it gets.
    func sizesChanged(_ id: String, _ sizes: [String: LayerSize]) {
        wantedSizes = (id, sizes)
        guard !isTellingSizes else { return }
        isTellingSizes = true
        Task { await self.tellSizes() }
    }

    /// Tells the newest until there is nothing newer; it is not said again by itself, so a room that does not take it is asked again.
    private func tellSizes() async {
        defer { isTellingSizes = false }
        while let wanted = wantedSizes, !isEnded, session?.id == wanted.session {
            do {
                try await parts.speakers.setSizes(watching: wanted.session, wanted.sizes)
                if wantedSizes?.session == wanted.session, wantedSizes?.sizes == wanted.sizes { wantedSizes = nil }
            } catch {
                parts.logger.notice(
                    "a compositor's sizes could not be told", metadata: ["event": "\(event)", "error": "\(error)"])
                guard (try? await Task.sleep(for: .seconds(1))) != nil else { return }
            }
        }
    }

    /// Joins the room and answers its offers until the session ends.
    private func serveSession() async throws {
        let session = RoomSession()
        self.session = session
        do {
            try await parts.speakers.watch(event, org: org, session: session.id, listener: session)
            for await offer in session.offers {
                guard case .answer(let answer) = try await tell(.offer(session: session.id, offer: offer)) else {
                    throw Self.unexpected
                }
                try await parts.speakers.answer(watching: session.id, answer)
            }
        } catch {
            await parts.speakers.unwatch(session.id)
            throw error
        }
        await parts.speakers.unwatch(session.id)
    }

    // MARK: - Inside

    func tell(_ command: CompositorCommand, mustBeTaken: Bool = true) async throws -> CompositorReply {
        try await answered(say(command), mustBeTaken: mustBeTaken)
    }

    func say(_ command: CompositorCommand) throws -> CommandAnswer {
        guard !isEnded else { throw Problem.overloaded("The compositor is away.", retryAfterMs: 1000) }
        return parts.registry.say(.compositor(command), to: worker)
    }

    func answered(_ answer: CommandAnswer, mustBeTaken: Bool = true) async throws -> CompositorReply {
        do {
            guard case .compositor(let reply) = try await answer.reply() else {
                throw Self.unexpected
            }
            return reply
        } catch let problem as Problem where problem.status == .serviceUnavailable {
            // It does not answer: it dials again, and is told everything then.
            if !isEnded, mustBeTaken { parts.registry.disconnect(worker) }
            throw problem
        }
    }

    static func shown(_ reply: CompositorReply) throws -> ShownAt {
        guard case .shown(let time, let isReady) = reply else { throw unexpected }
        return ShownAt(programTime: time, isReady: isReady)
    }

    private static var unexpected: Problem {
        Problem(.badGateway, "worker", "A worker could not do it", detail: "The compositor answered out of turn.")
    }
}

/// One session on the SFU; its offers come in order until it has ended.
private final class RoomSession: RoomListener {
    let id = RandomToken.id()
    let offers: AsyncStream<String>
    private let continuation: AsyncStream<String>.Continuation

    init() { (offers, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(16)) }

    func participantsChanged(_ participants: [SpeakerView]) {}
    func offered(_ offer: String) { continuation.yield(offer) }
    func mustRejoin(_ reason: String) { continuation.finish() }
}
