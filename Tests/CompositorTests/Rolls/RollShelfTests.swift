// The program's rolls without files: which ones there is room for, that each is begun once, what is seen and told.

import Control
import Logging
import Media
import Synchronization
import Testing

@testable import Compositor

@Suite("The program's rolls")
struct RollShelfTests {
    /// A roll of one picture that sounds at once.
    private final class FakeRoll: Roll {
        let start: RollStart, settled = FirstAnswer<Void>(), isReady = true
        let shown: VideoFrame? = VideoFrame(width: 16, height: 16)
        private let state = Mutex<(end: RollEnd?, isStopped: Bool)>((nil, false))

        init(_ start: RollStart) {
            self.start = start
            settled.give()
        }

        var positionMs: Int64 { start.fromMs }
        var isStopped: Bool { state.withLock { $0.isStopped } }
        var end: RollEnd? {
            get { state.withLock { $0.end } }
            set { state.withLock { $0.end = newValue } }
        }

        func picture(_ showing: ProgramVideo.Showing, isPlaying: Bool) -> VideoFrame? { shown }

        func sound(at moment: MonotonicTime, into block: UnsafeMutableBufferPointer<Float>) -> Bool {
            block.update(repeating: 0.5)
            return true
        }

        func stop() { state.withLock { $0.isStopped = true } }
    }

    /// A shelf of such rolls.
    private final class Stage: Sendable {
        let told = MusicShelfTests.Told(), gate: FirstAnswer<Void>, shelf: RollShelf
        private let begun: Begun
        private let shop = PaintShop(canvas: PixelSize(width: 320, height: 180), store: GraphicsStore())

        private final class Begun: Sendable {
            let rolls = Mutex<[FakeRoll]>([])
        }

        /// - Parameters:
        ///   - missing: a file that can't be had.
        ///   - isOpen: whether files come at once; else once the gate is open.
        init(missing: String? = nil, isOpen: Bool = true) {
            let told = self.told, gate = FirstAnswer<Void>(), begun = Begun()
            if isOpen { gate.give() }
            (self.gate, self.begun) = (gate, begun)
            // Nothing is tried again while a test runs.
            shelf = RollShelf(
                shop: shop, pauseMs: 600_000, logger: Logger(label: "test"), report: { told.note($0) }
            ) { start, _ in
                await gate.value
                guard start.asset != missing else { throw RollFiles.Failure.status(404) }
                let roll = FakeRoll(start)
                begun.rolls.withLock { $0.append(roll) }
                return roll
            }
        }

        deinit {
            shelf.stop()
            shop.stop()
        }

        var rolls: [FakeRoll] { begun.rolls.withLock { $0 } }
        var stopped: Int { rolls.count(where: \.isStopped) }

        /// Loads rolls and waits until they are there.
        func load(_ starts: Set<RollStart>) async -> Bool {
            shelf.keep(starts)
            return await shelf.wait(for: starts, atMost: 30_000)
        }

        func counter(_ name: String) -> Double? { shelf.counters["proscenium_compositor_rolls_\(name)"] }
    }

    private func eventually(_ isSo: () -> Bool) async throws {
        let deadline = SystemClock.monotonic().advanced(byMilliseconds: 30_000)
        while !isSo(), SystemClock.monotonic() < deadline { try await Task.sleep(for: .milliseconds(1)) }
        #expect(isSo())
    }

    @Test("one that is let go and wanted again while its file comes has one player, and none outlives the program")
    func once() async throws {
        let stage = Stage(isOpen: false), start = RollStart(asset: "a", run: 1, fromMs: 0)
        stage.shelf.keep([start])
        stage.shelf.keep([])
        stage.shelf.keep([start])
        #expect(await stage.shelf.wait(for: [start], atMost: 20) == false)
        stage.gate.give()
        try await eventually { stage.rolls.count == 2 && stage.stopped == 1 }
        #expect(await stage.shelf.wait(for: [start], atMost: 30_000))
        stage.shelf.stop()
        #expect(stage.stopped == 2)

        let late = Stage(isOpen: false)
        late.shelf.keep([start])
        late.shelf.stop()
        late.gate.give()
        try await eventually { late.rolls.count == 1 && late.stopped == 1 }
        #expect(await late.load([start]) == false)
        #expect(late.counter("loaded_total") == 1)
    }

    @Test("one that was loaded ahead is the one that starts, unless it is to begin elsewhere, or has ended")
    func ahead() async throws {
        let cases: [(Int64, RollEnd?, Bool)] = [(0, nil, true), (500, nil, false), (0, .over, false)]
        for (fromMs, end, isSame) in cases {
            let stage = Stage()
            #expect(await stage.load([RollStart(asset: "a", run: 0, fromMs: 0)]))
            let first = try #require(stage.rolls.first)
            first.end = end
            #expect(await stage.load([RollStart(asset: "a", run: 3, fromMs: fromMs)]))
            #expect(stage.rolls.count == (isSame ? 1 : 2) && first.isStopped == !isSame)
            #expect(stage.counter("now") == 1)
        }
    }

    @Test("one that plays takes the place of one that is only looked at ahead, and none while it can't be had")
    func room() async {
        let stage = Stage(missing: "gone")
        let ahead = Set((0..<RollShelf.limit).map { RollStart(asset: "\($0)", run: 0, fromMs: 0) })
        #expect(await stage.load(ahead))
        let playing = RollStart(asset: "a", run: 1, fromMs: 0), gone = RollStart(asset: "gone", run: 2, fromMs: 0)
        stage.shelf.keep(ahead.union([playing]))
        #expect(await stage.shelf.wait(for: [playing], atMost: 30_000))
        #expect(stage.rolls.count == 7 && stage.stopped == 1 && stage.counter("now") == 6)
        stage.shelf.keep(ahead.union([playing, gone]))
        #expect(await stage.shelf.wait(for: [gone], atMost: 30_000) == false)
        #expect(stage.stopped == 2 && stage.counter("now") == 5)
        for _ in 0..<3 { stage.shelf.keep(ahead.union([playing, gone])) }
        #expect(stage.stopped == 2 && stage.counter("now") == 6)
    }

    @Test(
        "of two starts of one file the scene's own is seen, heard and told of; its end once, and again when asked for")
    func own() async throws {
        let stage = Stage(), media = MediaRoll(asset: "a", state: .playing, run: 2)
        #expect(await stage.load([RollStart(media), RollStart(asset: "a", run: 1, fromMs: 0)]))
        var look = try #require(ProgramBoard(try ProgramBoardTests.setup())).look
        look.scene.media = media
        let moment = MonotonicTime(milliseconds: 1000), own = try #require(stage.rolls.first { $0.start.run == 2 })
        func pictures() -> [SceneSource: VideoFrame] {
            var pictures: [SceneSource: VideoFrame] = [:]
            stage.shelf.pictures(.init(begin: moment, moment: moment), look: look, into: &pictures)
            return pictures
        }
        func blocks() -> Int {
            var blocks = 0
            stage.shelf.sound(at: moment) { source, samples in
                blocks += source == .media("a") && samples.allSatisfy { $0 == 0.5 } ? 1 : 0
            }
            return blocks
        }
        #expect(pictures()[.media("a")] === own.shown && blocks() == 1)
        stage.shelf.tellPlace(of: look)
        #expect(stage.told.events == [.rollPlace(asset: "a", run: 2, positionMs: 0, isPlaying: true)])
        own.end = .failed("It is damaged.")
        for _ in 0..<3 { #expect(pictures()[.media("a")] === own.shown && blocks() == 0) }
        stage.shelf.tellPlace(of: look)
        let end = CompositorEvent.rollEnded(asset: "a", run: 2, failure: "It is damaged.")
        #expect(stage.told.events.dropFirst() == [end])
        stage.shelf.tellAgain()
        look.scene.media?.state = .paused
        _ = pictures()
        #expect(stage.told.events.dropFirst() == [end], "one that stands does not end")
        look.scene.media?.state = .playing
        _ = pictures()
        #expect(stage.told.events.dropFirst() == [end, end])
        #expect(stage.counter("failed_total") == 1 && stage.counter("ended_total") == 0)
    }
}
