// One event's program from the room to the pipeline: all its threads, and what commands do to them.

public import Control
public import Foundation
public import Logging
public import Media
public import NIOCore
internal import RTMP

/// Makes the program of one event.
public final class EventProgram: Sendable {
    /// The clock that it runs on.
    public let clock: ProgramClock
    /// Where the program goes.
    public let publishURL: String
    let format: ProgramFormat
    let board: ProgramBoard
    let store: GraphicsStore
    let shop: PaintShop
    private let library: MediaLibrary
    let rolls: RollShelf
    private let music: MusicShelf
    private let room: StageRoom
    private let ingests: StageIngests
    /// The room and everything else that pictures and sound come from.
    let sources: StageSources
    private let publisher: ProgramPublisher
    private let outputs: OutputBank
    let video: ProgramVideo
    private let audio: ProgramAudio
    private let feed: ReturnFeed
    let logger: Logger
    let refill: Task<Void, Never>
    private let report: @Sendable (CompositorEvent) -> Void
    /// What a change needs whose sources are still being brought.
    let coming: ComingChanges
    let patience: SourcePatience
    /// Which size is asked for of each camera.
    let layers: LayerDesk

    /// Starts the program.
    ///
    /// - Parameters:
    ///   - setup: what to show, and where it goes.
    ///   - clock: the program clock.
    ///   - configuration: size, rate, addresses.
    ///   - group: for the publisher.
    ///   - logger: for what happens.
    ///   - report: is told what Studio must know.
    ///   - onFailure: is told, on a media thread, that picture or sound can't go on; only a new process helps.
    /// - Throws: `ProgramError.noLayout`, or `StageRoomError` for an address that is none.
    public init(
        _ setup: ProgramSetup, clock: ProgramClock, _ configuration: CompositorConfiguration,
        group: any EventLoopGroup, logger: Logger, report: @escaping @Sendable (CompositorEvent) -> Void,
        onFailure: @escaping @Sendable () -> Void
    ) throws {
        let board = ProgramBoard(setup) { take, time in report(.taken(id: take.id, programTime: time)) }
        guard let board else { throw ProgramError.noLayout }
        let room = try StageRoom(bind: configuration.bindAddress, logger: logger) { session in
            report(.connectionLost(session: session))
        }
        let format = configuration.format, store = GraphicsStore(canvas: format.canvas)
        let shop = PaintShop(canvas: format.canvas, store: store)
        let address = MediaAddress(
            studio: configuration.studio.absoluteString, token: configuration.token, event: setup.event)
        let library = MediaLibrary(address: address, store: store, shop: shop, logger: logger)
        let files = RollFiles(address: address, folder: configuration.cacheDirectory)
        let rolls = RollShelf(
            files: files, frameRate: format.frameRate, shop: shop, logger: logger, report: report)
        let music = MusicShelf(files: files, logger: logger, report: report)
        let ingests = StageIngests(
            token: configuration.token, trustedCertificateFile: configuration.trustedCertificateFile, group: group,
            logger: logger)
        let sources = StageSources(all: [room, ingests])
        let publisher = ProgramPublisher(
            url: setup.publishURL, streamName: configuration.token,
            trustedCertificateFile: configuration.trustedCertificateFile, clock: clock,
            metadata: Self.metadata(format), group: group, logger: logger
        ) { report(.publishing(isConnected: $0)) }
        let outputs = OutputBank(
            policy: .output(isPublicOnly: !configuration.allowsPrivateOutputs), clock: clock,
            metadata: Self.metadata(format), group: group, logger: logger
        ) { report(.outputs($0)) }
        // Both configurations are known once, before the first frame of either.
        let configurations = Configurations {
            publisher.configure(video: $0, audio: $1)
            outputs.configure(video: $0, audio: $1)
        }
        let feed = try ReturnFeed(bind: configuration.bindAddress, format: format, logger: logger) { session in
            report(.connectionLost(session: session))
        }
        self.feed = feed
        let onFrame: @Sendable (EncodedFrame) -> Void = {
            publisher.send($0)
            outputs.send($0)
        }
        self.clock = clock
        self.board = board
        self.format = format
        self.store = store
        self.shop = shop
        self.library = library
        self.rolls = rolls
        self.music = music
        self.room = room
        self.ingests = ingests
        self.sources = sources
        self.publisher = publisher
        self.outputs = outputs
        self.logger = logger
        let coming = ComingChanges()
        self.coming = coming
        patience = configuration.patience
        self.report = report
        publishURL = setup.publishURL
        // A picture waits for the next frame of the program, half a frame in the mean: the sound waits as long. Those of a
        // roll are not waited for, because they are known ahead: the nearest one is shown.
        let halfFrame = Int64(500_000_000 / format.frameRate.perSecond)
        let audio = ProgramAudio(
            clock: clock, kbps: format.audioKbps, board: board,
            callbacks: .init(
                sound: { moment, body in
                    let captured = moment.advanced(byNanoseconds: -halfFrame)
                    sources.sound(at: captured, body)
                    rolls.sound(at: moment, body)
                    music.sound(board.heardMusic, body)
                },
                onConfiguration: { configurations.audio($0) }, onFrame: onFrame,
                onMinus: { feed.hear($0, sample: $1, $2) }, onFailure: onFailure), logger: logger)
        self.audio = audio
        feed.follow { audio.listeners = $0 }
        video = ProgramVideo(
            clock: clock, format: format, board: board, store: store,
            callbacks: .init(
                pictures: { showing in
                    var pictures = sources.pictures(at: showing.moment)
                    let look = board.look
                    rolls.pictures(showing, look: look, into: &pictures)
                    music.tellEnd(of: look)
                    return pictures
                }, speakers: { audio.speakers },
                onMissing: { shop.order($0) }, onConfiguration: { configurations.video($0) },
                onFrame: onFrame, onPicture: { feed.show($0, number: $1, arrival: $2) }, onFailure: onFailure),
            logger: logger)
        layers = LayerDesk(
            room: room, newest: { [video] in video.newest.sources },
            needs: Self.needs(board, coming, store, format.canvas)
        ) { report(.sizes(session: $0, sizes: $1)) }
        // What could not be had at once, because Studio was away, is asked for again.
        refill = Task {
            while !Task.isCancelled {
                let look = board.look, ahead = board.ahead(withinMs: 60_000)
                library.hold(look)
                music.keep(board.music.union(coming.music))
                _ = await library.load(look, keeping: ahead, waitingAtMost: 5000)
                if let ahead { _ = await library.load(ahead, keeping: look, waitingAtMost: 1000) }
                sources.setVisible(board.wanted.union(coming.sources))
                rolls.keep(board.rolls.union(coming.rolls))
                rolls.tellAgain()
                rolls.tellPlace(of: board.look)
                music.tellAgain()
                music.tellPlace(of: board.look)
                try? await Task.sleep(for: .seconds(2))
            }
        }
    }

    /// Ends the program; waits for its threads, so not to be called from the cooperative pool.
    public func stop() {
        refill.cancel()
        layers.stop()
        video.stop()
        board.close()
        audio.stop()
        feed.close()
        rolls.stop()
        music.stop()
        // The last of the program goes out, as far as the servers take it in time; each has its own deadline.
        for ending in outputs.stop() + [publisher.stop()].compactMap({ $0 }) { try? ending.wait() }
        sources.close()
        shop.stop()
    }

    /// Counters by Prometheus name.
    public var counters: [String: Double] {
        var all = video.counters
        let others = [
            audio.counters, sources.counters, rolls.counters, music.counters, publisher.counters, outputs.counters,
            feed.counters,
        ]
        for more in others { all.merge(more) { $1 } }
        return all
    }

    /// What to carry out, in this order, when Studio has registered us anew.
    func commands(following setup: ProgramSetup) -> [CompositorCommand] {
        var commands = [CompositorCommand.putPolls(setup.polls)]
        if let take = setup.take, take.id == board.taken?.id {
            // Studio has not heard of it: what it takes for the program's scene is the one before.
            report(.taken(id: take.id, programTime: take.at))
            _ = board.look(for: take.scene, layouts: setup.layouts, themes: setup.themes)
        } else if setup.version >= board.version {
            commands.append(
                .show(
                    ProgramChange(
                        scene: setup.scene, version: setup.version, take: setup.take?.id, layouts: setup.layouts,
                        themes: setup.themes)))
        }
        return commands + [.putCast(setup.cast), .putTake(setup.take)]
    }

    /// Keeps a take for its moment, instead of the one before; what it needs is brought by `prepare(_:)`.
    ///
    /// - Parameter take: nil for none.
    /// - Returns: what it will look like.
    /// - Throws: `ProgramError` when its layout is unknown.
    func put(take: PendingTake?) throws(ProgramError) -> ProgramLook? {
        guard let take else {
            board.put(take: nil)
            return nil
        }
        guard let look = board.look(for: take), board.put(take: take) else {
            throw .unknownLayout(take.scene.layout)
        }
        return look
    }

    /// Brings what a take needs.
    func prepareTake(_ look: ProgramLook?) async -> CompositorReply {
        guard let look else { return .prepared(isReady: true) }
        library.hold(board.look)
        let isLoaded = await library.load(look, keeping: board.look, waitingAtMost: patience.pictureMs)
        // What comes soon is begun now; what comes later is when it comes near.
        rolls.keep(board.rolls.union(coming.rolls))
        music.keep(board.music.union(coming.music))
        let soon = board.rolls.intersection(look.shownRolls)
        async let isHeard = music.wait(for: board.music.intersection(look.music), atMost: patience.rollMs)
        let isSeen = await rolls.wait(for: soon, atMost: patience.rollMs)
        let isComplete = await isHeard && isSeen && isLoaded
        // So it is with cameras, which are there in time when they are sent at all.
        callSources()
        let later = look.sent.subtracting(board.wanted)
        await bring(later, until: pictureDeadline) { look }
        let isDrawn = await prepare(look, apartFrom: later)
        return .prepared(isReady: isComplete && isDrawn)
    }

    /// Takes a scene in, whose sources are brought by `show(_:)`; what is announced later does not wait for them.
    ///
    /// - Throws: `ProgramError` when its layout is unknown, or something newer was told.
    func announce(_ change: ProgramChange) throws(ProgramError) -> AnnouncedChange {
        let number = try board.announce(change), look = board.look(showing: number)
        let order = coming.add(look)
        rolls.keep(board.rolls.union(coming.rolls))
        music.keep(board.music.union(coming.music))
        callSources()
        return AnnouncedChange(
            number: number, transition: change.transition, look: look, shown: board.look, order: order)
    }

    /// Shows a scene that was announced when its own sources are ready, or after a second (a roll: three) with cards in
    /// their places.
    ///
    /// - Returns: the program time of the first frame that shows it.
    /// - Throws: `ProgramError.outdated` when the program ends before.
    func show(_ change: AnnouncedChange) async throws(ProgramError) -> CompositorReply {
        defer {
            coming.remove(change.order)
            rolls.keep(board.rolls.union(coming.rolls))
            music.keep(board.music.union(coming.music))
            callSources()
            library.hold(board.look)
        }
        // What was shown before has been waited for, and what others have announced is waited for by them.
        let look = change.look, shown = change.shown, deadline = pictureDeadline
        library.hold(shown)
        let isLoaded = await library.load(look, keeping: shown, waitingAtMost: patience.pictureMs, waitsForKept: false)
        await ingests.bring(look.wanted.subtracting(shown.wanted), waitingAtMost: patience.pictureMs)
        // A roll begins with its first picture there: its file is fetched and its decoder started first.
        let fresh = look.shownRolls.subtracting(shown.shownRolls)
        // So does music, with its first samples.
        async let isHeard = music.wait(for: look.music.subtracting(shown.music), atMost: patience.rollMs)
        let isSeen = await rolls.wait(for: fresh, atMost: patience.rollMs)
        let isComplete = await isHeard && isSeen && isLoaded
        // Others may have come meanwhile.
        await bring(until: deadline) { self.board.look(showing: change.number) }
        let isDrawn = await prepare(board.look(showing: change.number))
        let time = try await firstFrame { board.add(change.number, change.transition, onShown: $0, onEnd: $1) }
        return .shown(programTime: time, isReady: isComplete && isDrawn)
    }

    /// Takes a cast in, whose cameras are brought by `put(_:)`.
    func announce(_ cast: [CastMember]) -> AnnouncedCast {
        // Others who say meanwhile who is visible leave those alone who are about to be.
        let order = coming.add(cast: board.look.with(cast))
        callSources()
        return AnnouncedCast(cast: cast, order: order)
    }

    /// Shows a cast that was announced when the cameras are there of who is seen newly; one after it does not wait for them.
    ///
    /// - Returns: the program time of the first frame that shows it.
    /// - Throws: `ProgramError.outdated` when the program ends before.
    func put(_ announced: AnnouncedCast) async throws(ProgramError) -> CompositorReply {
        let cast = announced.cast
        defer {
            coming.remove(announced.order)
            callSources()
        }
        await bring(until: pictureDeadline, while: { coming.isNewest(cast: announced.order) }) {
            self.board.look.with(cast)
        }
        let isDrawn = await prepare(board.look.with(cast))
        let time = try await firstFrame { board.put(cast: cast, onShown: $0, onEnd: $1) }
        return .shown(programTime: time, isReady: isDrawn)
    }

    /// Sends the program to these servers, and to no others but the pipeline; listens to these ingests, and to no others.
    public func connect(_ connections: ProgramConnections) {
        outputs.put(connections.outputs)
        ingests.put(connections.ingests)
    }

    /// Shows other questions, answers and numbers of the polls that cards name.
    ///
    /// - Returns: the program time of the first frame that shows it.
    /// - Throws: `ProgramError.outdated` when the program ends before.
    public func put(polls: [String: PollPicture]) async throws(ProgramError) -> CompositorReply {
        let isDrawn = await prepare(board.look(with: polls))
        let time = try await firstFrame { board.put(polls: polls, onShown: $0, onEnd: $1) }
        return .shown(programTime: time, isReady: isDrawn)
    }

    /// Answers an offer of the SFU.
    public func answer(session: String, offer: String) async throws -> String {
        try await room.answer(session: session, offer: offer)
    }

    /// Offers the program to the people in its room.
    ///
    /// - Parameters:
    ///   - session: the session at the SFU; one that is not known starts a new connection in place of the old one.
    ///   - listeners: who gets a mix without their own voice.
    /// - Returns: the offer, and what its sections carry for whom.
    public func returnFeed(session: String, listeners: Set<String>) async throws -> CompositorReply {
        try await feed.offer(session: session, listeners: listeners)
    }

    /// Takes the SFU's answer to the last offer of the program.
    public func acceptReturn(session: String, answer: String) async throws {
        try await feed.accept(session: session, answer: answer)
    }

    /// Sends nothing back any more.
    public func endReturnFeed() { feed.end() }

    /// A still of the program, or of a scene as it would look.
    ///
    /// - Throws: `ProgramError` when its layout is unknown; `PaintShop.Failure`.
    public func still(_ scene: Scene?) async throws -> Data {
        guard let scene else {
            guard let picture = video.newest.program else { throw ProgramError.notStarted }
            return try await shop.still(picture, width: 1280)
        }
        guard let look = board.look(for: scene) else { throw ProgramError.unknownLayout(scene.layout) }
        // What the preview names is loaded now, and stays for as long as somebody looks at it.
        coming.see(preview: look)
        rolls.keep(board.rolls.union(coming.rolls))
        callSources()
        let deadline = pictureDeadline
        library.hold(board.look)
        _ = await library.load(look, keeping: board.look, waitingAtMost: 1000)
        _ = await rolls.wait(for: look.shownRolls, atMost: 1500)
        await bring(until: deadline) { look }
        var sources = video.newest.sources
        rolls.stills(look.rolls, into: &sources.pictures)
        return try await shop.still(operations(look, sources), frames: sources.pictures, width: 1280)
    }

    /// The mean colours of areas of the newest picture, as the encoder gets it.
    ///
    /// - Throws: `ProgramError.notStarted` before the first picture, `.tooManyPixels`.
    public func meter(_ areas: [CanvasArea]) throws(ProgramError) -> CanvasReading {
        guard let picture = video.newest.program else { throw .notStarted }
        let pixels = CanvasArea.pixels(of: areas, width: picture.width, height: picture.height)
        guard pixels <= CanvasArea.pixelLimit else { throw .tooManyPixels(pixels) }
        return CanvasReading(picture, areas)
    }

    /// How loud the sources and the program are.
    public var soundReading: SoundReading { audio.reading }

    private static func metadata(_ format: ProgramFormat) -> StreamMetadata {
        var metadata = StreamMetadata()
        metadata.width = Double(format.canvas.width)
        metadata.height = Double(format.canvas.height)
        metadata.frameRate = format.frameRate.perSecond
        metadata.videoKilobitsPerSecond = Double(format.videoKbps)
        metadata.audioKilobitsPerSecond = Double(format.audioKbps)
        metadata.audioSampleRate = 48_000
        metadata.audioChannels = 2
        metadata.encoder = "Proscenium"
        return metadata
    }
}
