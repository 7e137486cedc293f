import Control
import Foundation
import Logging
import Media
import NIOPosix
import Synchronization
import Testing

@testable import Compositor

@Suite("Commands to a compositor", .serialized)
struct CompositorWorkerTests {
    /// What has ended, in order.
    private final class Ended: Sendable {
        private let box = Mutex<[String]>([])
        var all: [String] { box.withLock { $0 } }
        func note(_ name: String) { box.withLock { $0.append(name) } }
    }

    private func worker(_ silence: LoopbackListener) -> CompositorWorker {
        var configuration = CompositorConfiguration(
            event: "e", studio: URL(filePath: "/"), token: "t", place: "", bindAddress: "127.0.0.1",
            trustedCertificateFile: nil,
            format: ProgramFormat(canvas: PixelSize(width: 320, height: 180), videoKbps: 200, preset: .ultrafast))
        configuration.studio = URL(string: "http://127.0.0.1:\(silence.port)") ?? configuration.studio
        // Longer than any test: what is shown is not shown because somebody's patience has ended.
        configuration.patience = SourcePatience(pictureMs: 3_600_000, rollMs: 3_600_000)
        return CompositorWorker(
            configuration, group: MultiThreadedEventLoopGroup.singleton, logger: Logger(label: "test"),
            report: { _ in }, onFailure: {})
    }

    private func reply(_ worker: CompositorWorker, _ command: CompositorCommand) async throws -> CommandReply {
        switch try await worker.begin(.compositor(command)) {
        case .done(let reply): reply
        case .going(let task): await task.value
        }
    }

    @Test("a scene whose roll does not come holds up no other command, and what comes later wins")
    func parked() async throws {
        let silence = try LoopbackListener(), worker = worker(silence), ended = Ended()
        guard case .compositor(.running) = try await reply(worker, .run(try ProgramBoardTests.setup())) else {
            Issue.record("it does not run")
            return
        }
        var roll = Scene(layout: "full", slots: ["main": SlotSources([.media("v")])])
        roll.media = MediaRoll(asset: "v", state: .playing, run: 2)
        guard case .going(let waiting) = try await worker.begin(.compositor(.show(.init(scene: roll, version: 2))))
        else {
            Issue.record("the scene is not taken")
            return
        }
        let noting = Task {
            _ = await waiting.value
            ended.note("roll")
        }
        // Everything else is carried out meanwhile, each because its own things are there.
        var titled = roll
        titled.overlays.lowerThirds = [LowerThird(name: "Ada", title: "Mathematician")]
        let ada = CastMember(id: "ada", name: "Ada", isOnStage: true)
        var shaped = try LayoutTests.layout("grid")
        shaped.slots[0].rect = GridRect(x: 2, y: 2, width: 40, height: 20)
        let commands: [CompositorCommand] = [
            .show(.init(scene: titled, version: 3)), .putCast([ada]), .putPolls([:]), .putTake(nil), .sound,
            .connect(ProgramConnections(outputs: [], ingests: [])),
            .show(.init(scene: titled, version: 3, layouts: [shaped, try LayoutTests.layout("full")])),
        ]
        for (index, command) in commands.enumerated() {
            let reply = try await reply(worker, command)
            if case .failed(let reason) = reply { Issue.record("\(index): \(reason)") }
            if case .compositor(.shown(let time, _)) = reply { #expect(time.milliseconds > 0) }
        }
        // What names the roll no longer is there at once, too.
        var camera = titled
        (camera.slots, camera.media) = (["main": SlotSources([.participant("ada")])], nil)
        guard case .compositor(.shown) = try await reply(worker, .show(.init(scene: camera, version: 4))) else {
            Issue.record("the last scene is not shown")
            return
        }
        #expect(ended.all.isEmpty, "nothing has waited for the roll")
        guard case .done(.failed) = try await worker.begin(.compositor(.show(.init(scene: roll, version: 3)))) else {
            Issue.record("an older scene is taken")
            return
        }
        await worker.stop()
        await noting.value
        #expect(ended.all == ["roll"])
    }

    @Test("more than can go on at once is refused")
    func bounded() async throws {
        let silence = try LoopbackListener(), worker = worker(silence)
        _ = try await reply(worker, .run(try ProgramBoardTests.setup()))
        var going: [Task<CommandReply, Never>] = [], refused = 0
        for version in 2..<400 {
            // The same roll each time, so that each of them waits for it.
            var roll = Scene(layout: "full")
            roll.media = MediaRoll(asset: "v", state: .playing, positionMs: Int64(version), run: 2)
            switch try await worker.begin(.compositor(.show(.init(scene: roll, version: Int64(version))))) {
            case .going(let task): going.append(task)
            case .done: refused += 1
            }
        }
        #expect(going.count == SceneChanges.limit && refused == 398 - SceneChanges.limit)
        await worker.stop()
        for task in going { _ = await task.value }
    }
}
