// The demo as a process: three synthetic speakers, and the show that they are in.

import Foundation
public import Logging
import Media
import NIOCore
import NIOHTTP1
import Synchronization
import UnixSignals

/// How the demo runs.
public struct DemoConfiguration: Sendable {
    /// Where Studio is.
    public var studio: StudioAddress
    /// The IP address that the SFU is reached by: the speakers' sockets are bound to fit it.
    public var mediaAddress: String
    /// A token of an admin.
    public var token: String
    /// The event's id.
    public var event: String

    /// Creates a configuration.
    public init(studio: StudioAddress, mediaAddress: String, token: String, event: String = "demo") {
        self.studio = studio
        self.mediaAddress = mediaAddress
        self.token = token
        self.event = event
    }
}

/// Runs the demo.
public enum DemoRunner {
    /// Runs until SIGTERM or SIGINT, and prints the pages' addresses on standard output.
    ///
    /// - Throws: what the certificate's parser says.
    public static func run(_ configuration: DemoConfiguration, logger: Logger) async throws {
        let performance = try Performance(configuration, logger: logger)
        let running = Task { await performance.run() }
        for await _ in await UnixSignalsSequence(trapping: .sigint, .sigterm) { break }
        running.cancel()
        await running.value
    }
}

/// One run of the demo.
private final class Performance: Sendable {
    private struct State {
        var speakers: [Int: Speaker] = [:]
        var background: String?
        var deck: DeckView?
    }

    private let configuration: DemoConfiguration
    private let logger: Logger
    private let producer: Show
    private let state = Mutex(State())

    init(_ configuration: DemoConfiguration, logger: Logger) throws {
        self.configuration = configuration
        self.logger = logger
        producer = Show(
            event: configuration.event,
            studio: try StudioClient(configuration.studio, token: configuration.token), logger: logger)
    }

    func run() async {
        await withTaskGroup { group in
            // The loops are encoded while the other processes start.
            let loops = DemoCast.members.map { member in Task { await Self.encode(member.look) } }
            let edition = await producer.untilDone("the event") { try await self.producer.createEvent() }
            guard let edition else { return }
            var edited = producer
            edited.edition = edition
            let show = edited
            for (index, member) in DemoCast.members.enumerated() {
                group.addTask { await self.perform(index, member, loop: loops[index], in: show) }
            }
            group.addTask { await self.start(show) }
            group.addTask { await self.upload(in: show) }
            group.addTask { await self.direct(show) }
        }
    }

    private static func encode(_ look: SpeakerLook) async -> MediaLoop? {
        let result = BoundedQueue<MediaLoop>(capacity: 1)
        let thread = Mutex<MediaThread?>(nil)
        await withCheckedContinuation { continuation in
            let started = MediaThread(name: "encode-loop") {
                if let loop = try? MediaLoop(look) { result.push(loop) }
                continuation.resume()
            }
            thread.withLock { $0 = started }
        }
        thread.withLock { $0 }?.join()
        return result.popNow()
    }

    private func perform(_ index: Int, _ member: DemoCast.Member, loop: Task<MediaLoop?, Never>, in show: Show) async {
        let speaker: Speaker? = await show.untilDone("a speaker's invitation") {
            let invitation = try await show.invite("speaker", name: member.name, can: ["slides"], maxUses: 1)
            let token = try await show.accept(invitation)
            let studio = try StudioClient(configuration.studio, token: token)
            let id = try await studio.send(.GET, "/v1/sessions").json(SessionView.self).id
            guard let loop = await loop.value else { throw StudioError.unexpected("a loop") }
            // A socket on the loopback interface can't reach another interface's address.
            let media = NetworkAddress(ip: configuration.mediaAddress, port: 0)
            let any =
                media?.isIPv4 == false ? NetworkAddress(high: 0, low: 0, port: 0) : NetworkAddress(ipv4: 0, port: 0)
            let bind = media.flatMap { $0.isLoopback ? $0 : nil } ?? any
            return Speaker(
                id: id, event: configuration.event, studio: studio, bind: bind, loop: loop, logger: logger)
        }
        guard let speaker else { return }
        state.withLock { $0.speakers[index] = speaker }
        await speaker.run()
    }

    private func start(_ show: Show) async {
        guard await show.untilDone("the start", { try await show.startEvent() }) != nil else { return }
        let links = await show.untilDone("the links") {
            [
                ("produce", try await show.invite("producer", name: "Producer", maxUses: 100)),
                ("join", try await show.invite("speaker", can: ["slides"], maxUses: 100)),
                ("watch", try await show.invite("attendee", maxUses: 10_000)),
            ]
        }
        guard let links else { return }
        var text = "\nThe event \"\(configuration.event)\" is on. Its pages:\n"
        for (name, invitation) in links {
            text += "  \(name.padding(toLength: 9, withPad: " ", startingAt: 0))\(invitation.url)\n"
        }
        FileHandle.standardOutput.write(Data((text + "\n").utf8))
    }

    private func upload(in show: Show) async {
        guard let studio = try? StudioClient(configuration.studio, token: configuration.token) else { return }
        // Its own connection: drawing slides takes a moment, in which the show goes on.
        let show = Show(event: show.event, studio: studio, logger: logger, edition: show.edition)
        let picture = BackgroundPNG.gradient(width: 480, height: 270, from: (18, 28, 66), to: (92, 30, 92))
        let background = await show.untilDone("the background") {
            try await show.upload(picture, type: "image/png", to: "assets", AssetView.self).id
        }
        state.withLock { $0.background = background }
        let file = SlidesPDF.make(DemoCast.slides)
        let deck = await show.untilDone("the slides") {
            try await show.upload(file, type: "application/pdf", to: "decks", DeckView.self)
        }
        state.withLock { $0.deck = deck }
        await studio.close()
    }

    /// Follows the schedule and looks after the stage, twice a second.
    private func direct(_ show: Show) async {
        let beganAt = SystemClock.monotonic()
        var shown: SceneBody?, staging = Staging()
        while !Task.isCancelled {
            let now = SystemClock.monotonic()
            let (speakers, background, deck) = state.withLock { ($0.speakers, $0.background, $0.deck) }
            let schedule = ShowSchedule(
                pages: deck?.pages ?? DemoCast.slides.count, speakers: DemoCast.members.count)
            let ids = DemoCast.members.indices.compactMap { speakers[$0]?.id }
            let step = schedule.step(atMs: now.milliseconds(since: beganAt))
            let scene = Show.scene(
                step, speakers: ids.count == DemoCast.members.count ? ids : [], background: background,
                deck: deck?.id)
            do {
                if staging.isDue(now) {
                    let actions = staging.actions(for: ids, among: try await show.participants(), now: now)
                    for id in actions.stage {
                        try await show.stage(id)
                        staging.staged(id)
                    }
                    for id in actions.rejoin { speakers.values.first { $0.id == id }?.rejoin() }
                }
                if scene != shown {
                    try await show.show(scene, after: shown)
                    shown = scene
                }
            } catch {
                // Whatever Studio does not take now is due again at the next look.
                logger.debug("the show waits", metadata: ["error": "\(error)"])
                shown = nil
            }
            try? await Task.sleep(for: .milliseconds(staging.isSettled ? 500 : 200))
        }
    }
}
