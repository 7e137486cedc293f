// Cameras that come on stage: with a picture of now or with a card, and never with one of minutes ago.

import Control
import Foundation
import Logging
import Media
import NIOPosix
import Synchronization
import Testing

@testable import Compositor

@Suite("Cameras that come on stage", .serialized, .timeLimit(.minutes(5)))
struct BroughtCamerasTests {
    /// A compositor in a room with Anna, whose picture is as bright as it is told.
    private final class Stage: Sendable {
        let worker: CompositorWorker
        private let silence: LoopbackListener
        private let luma = Atomic<UInt8>(80)
        private let room = Mutex<(harness: RoomHarness, anna: Speaker)?>(nil)

        /// - Parameter pictureMs: how long changes wait; without end, so that nothing is shown because patience has ended.
        init(pictureMs: Int64 = 3_600_000) throws {
            silence = try LoopbackListener()
            var configuration = CompositorConfiguration(
                event: "e", studio: URL(filePath: "/"), token: "t", place: "", bindAddress: "127.0.0.1",
                trustedCertificateFile: nil,
                format: ProgramFormat(canvas: PixelSize(width: 320, height: 180), videoKbps: 200, preset: .ultrafast))
            configuration.studio = URL(string: "http://127.0.0.1:\(silence.port)") ?? configuration.studio
            configuration.patience = SourcePatience(pictureMs: pictureMs, rollMs: 1000)
            worker = CompositorWorker(
                configuration, group: MultiThreadedEventLoopGroup.singleton, logger: Logger(label: "test"),
                report: { _ in }, onFailure: {})
        }

        func begin(_ cast: [CastMember]) async throws {
            var setup = try ProgramBoardTests.setup()
            setup.cast = cast
            guard case .compositor(.running) = try await reply(.run(setup)) else { throw RoomTestError() }
        }

        /// Lets Anna send, whom nobody sees yet.
        func bringAnna() async throws {
            let worker = worker
            let harness = try RoomHarness { session, offer in
                guard
                    case .going(let task) = try await worker.begin(
                        .compositor(.offer(session: session, offer: offer))),
                    case .compositor(.answer(let answer)) = await task.value
                else { throw RoomTestError() }
                return answer
            }
            try await harness.createRoom()
            try await harness.subscribe("down-1")
            let anna = try await harness.speaker("anna") { [self] picture, _ in
                picture.fill(y: luma.load(ordering: .relaxed), u: 128, v: 128)
            }
            anna.start()
            room.withLock { $0 = (harness, anna) }
            try await unseen(10)
        }

        /// How bright Anna's picture is from now on.
        func draw(_ value: UInt8) { luma.store(value, ordering: .relaxed) }

        /// Waits until so many more of Anna's pictures have come that nobody sees.
        func unseen(_ count: Double) async throws {
            let first = await hidden
            // Longer than the last picture of a camera stays that nobody sees, also where pictures come in a heap.
            let moment = SystemClock.monotonic().advanced(byMilliseconds: VideoTrack.hiddenMs + 200)
            try await until("Anna's pictures that nobody sees") {
                let seen = await hidden
                return seen >= first + count && SystemClock.monotonic() > moment
            }
        }

        private var hidden: Double {
            get async { await worker.counters["proscenium_compositor_room_frames_dropped_hidden_total"] ?? 0 }
        }

        var decoded: Double {
            get async { await worker.counters["proscenium_compositor_room_frames_decoded_total"] ?? 0 }
        }

        func begin(_ command: CompositorCommand) async throws -> Task<CommandReply, Never> {
            switch try await worker.begin(.compositor(command)) {
            case .done(let reply): Task { reply }
            case .going(let task): task
            }
        }

        func reply(_ command: CompositorCommand) async throws -> CommandReply { try await begin(command).value }

        /// Whether no card stands in for anything in what is shown now.
        func isReady(_ command: CompositorCommand) async throws -> Bool? {
            guard case .compositor(.shown(_, let isReady)) = try await reply(command) else { return nil }
            return isReady
        }

        /// How bright the picture is at its left edge, of the program or of a scene as it would look.
        func brightness(of scene: Scene? = nil) async throws -> Int {
            guard case .compositor(.still(let text)) = try await reply(.still(scene)),
                let file = Data(base64Encoded: text)
            else { throw RoomTestError() }
            let bitmap = try PictureDecoder.decode(file)
            return Int(bitmap.pixels[(bitmap.height / 2 * bitmap.width + 8) * 4 + 1])
        }

        /// How bright the first picture of the program is that shows more than its dark ground.
        func firstSeen() async throws -> Int {
            var seen = 0
            try await until("a picture in the program") {
                seen = try await brightness()
                return seen > 40
            }
            return seen
        }

        func until(_ what: Testing.Comment, _ holds: () async throws -> Bool) async throws {
            let deadline = SystemClock.monotonic().advanced(byMilliseconds: 60_000)
            while try await !holds() {
                guard SystemClock.monotonic() < deadline else {
                    Issue.record(what)
                    return
                }
                try await Task.sleep(for: .milliseconds(5))
            }
        }

        func end() async {
            let room = room.withLock { $0 }
            room?.anna.stop()
            await worker.stop()
            room?.harness.stop()
        }
    }

    private func member(_ id: String, onStage: Bool = false, _ sources: Set<TrackSource> = [.camera]) -> CastMember {
        CastMember(id: id, name: id, isOnStage: onStage, sources: sources)
    }

    private func scene(_ participant: String?) -> Scene {
        Scene(layout: "full", slots: participant.map { ["main": SlotSources([.participant($0)])] } ?? [:])
    }

    /// Brightness in RGB of what Anna draws.
    private let dark = 65...90, bright = 190...240

    @Test("a camera that a scene or the stage brings back is there with a picture of now, and is not decoded before")
    func comesBack() async throws {
        let stage = try Stage()
        try await stage.begin([member("anna")])
        try await stage.bringAnna()
        #expect(await stage.decoded == 0)
        #expect(try await stage.isReady(.show(.init(scene: scene("anna"), version: 2))) == true)
        #expect(dark.contains(try await stage.firstSeen()))
        // Another picture than the one that was seen last, while nobody sees it for longer than a moment.
        #expect(try await stage.isReady(.show(.init(scene: scene(nil), version: 3))) == true)
        stage.draw(200)
        try await stage.unseen(45)
        #expect(try await stage.brightness() < 40)
        #expect(try await stage.isReady(.show(.init(scene: scene("anna"), version: 4))) == true)
        #expect(bright.contains(try await stage.firstSeen()))
        #expect(try await stage.isReady(.show(.init(scene: scene(nil), version: 5))) == true)
        stage.draw(80)
        try await stage.unseen(45)
        #expect(try await stage.brightness() < 40)
        #expect(try await stage.isReady(.putCast([member("anna", onStage: true)])) == true)
        #expect(dark.contains(try await stage.firstSeen()))
        await stage.end()
    }

    @Test("a camera of which no picture comes holds up nobody else, and once it is hidden its card is right")
    func silent() async throws {
        let stage = try Stage(), ghost = member("ghost"), cora = member("cora", [])
        try await stage.begin([ghost, cora])
        var scene = scene("ghost")
        let showing = try await stage.begin(.show(.init(scene: scene, version: 2)))
        scene.overlays.lowerThirds = [LowerThird(name: "Ada", title: "Mathematician")]
        #expect(try await stage.isReady(.show(.init(scene: scene, version: 3))) == true)
        #expect(try await stage.isReady(.putPolls([:])) == true)
        guard case .compositor(.prepared(isReady: true)) = try await stage.reply(.putTake(nil)) else {
            Issue.record("no take is an answer")
            return
        }
        // A cast that brings somebody is held up by their camera, and overtaken by the one after it.
        let putting = try await stage.begin(.putCast([member("silent", onStage: true), ghost, cora]))
        var hiding = ghost
        hiding.mutedSources = [.camera]
        #expect(
            try await stage.isReady(.putCast([member("silent", onStage: true), hiding, cora])) == false,
            "a card stands in for the one who is silent")
        guard case .compositor(.shown(_, isReady: false)) = await putting.value else {
            Issue.record("the overtaken cast is not shown")
            return
        }
        guard case .compositor(.shown(_, isReady: true)) = await showing.value else {
            Issue.record("the card of a hidden camera is not right")
            return
        }
        #expect(try await stage.isReady(.show(.init(scene: self.scene("cora"), version: 4))) == true)
        await stage.end()
    }

    @Test("when patience ends a card stands in, and the answer says so")
    func patience() async throws {
        let stage = try Stage(pictureMs: 50)
        try await stage.begin([member("ghost")])
        #expect(try await stage.isReady(.show(.init(scene: scene("ghost"), version: 2))) == false)
        await stage.end()
    }

    @Test("a preview shows a camera of which nothing else is seen, live each time it is asked for")
    func preview() async throws {
        let stage = try Stage()
        try await stage.begin([member("anna"), member("ghost")])
        try await stage.bringAnna()
        #expect(dark.contains(try await stage.brightness(of: scene("anna"))))
        stage.draw(200)
        try await stage.until("her picture of now") { bright.contains(try await stage.brightness(of: scene("anna"))) }
        // Nothing but the preview shows her, and what it shows next takes her place.
        #expect(await stage.decoded > 0)
        #expect(try await stage.isReady(.show(.init(scene: scene(nil), version: 2))) == true)
        _ = try await stage.brightness(of: scene(nil))
        try await stage.unseen(10)
        await stage.end()
    }
}
