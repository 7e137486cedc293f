import Control
import Media
import Synchronization
import Testing

@testable import Compositor

@Suite("The program's board")
struct ProgramBoardTests {
    /// When changes were shown, in the order in which it was told.
    final class Told: Sendable {
        private let box = Mutex<[Int64]>([])
        var times: [Int64] { box.withLock { $0 } }
        func note(_ time: ProgramTime) { box.withLock { $0.append(time.milliseconds) } }
    }

    static func setup(_ layout: String = "full", version: Int64 = 1) throws -> ProgramSetup {
        ProgramSetup(
            event: "e", org: "o", publishURL: "rtmps://localhost:1/live", clock: nil,
            layouts: try ["full", "grid", "share-with-speakers"].map { try LayoutTests.layout($0) },
            scene: Scene(layout: layout), version: version, cast: [])
    }

    private func time(_ milliseconds: Int64) -> ProgramTime { ProgramTime(milliseconds: milliseconds) }

    @Test("shows a change with the next frame and tells its program time")
    func next() throws {
        let board = try #require(ProgramBoard(try Self.setup())), told = Told()
        #expect(board.add(.init(scene: Scene(layout: "grid"), version: 2)) { told.note($0) })
        #expect(board.look.scene.layout == "full")
        #expect(told.times.isEmpty)
        let (look, transition) = board.advance(to: time(4000))
        #expect(look.layout.name == "grid")
        #expect(transition == nil)
        #expect(told.times == [4000])
        #expect(board.version == 2)
    }

    private func take(_ layout: String, at: Int64, _ kind: ProgramChange.Transition.Kind = .cut) -> PendingTake {
        PendingTake(
            id: "take-\(at)", scene: Scene(layout: layout),
            transition: .init(kind: kind, milliseconds: kind == .cut ? 0 : 300), at: time(at))
    }

    @Test("shows a take with the first frame of its moment, and tells it")
    func later() throws {
        let told = Told()
        let board = try #require(ProgramBoard(try Self.setup()) { _, time in told.note(time) })
        #expect(board.put(take: take("grid", at: 5000, .fade)))
        #expect(board.advance(to: time(4967)).look.layout.name == "full")
        let (look, transition) = board.advance(to: time(5000))
        #expect(look.layout.name == "grid" && transition?.weight == 0 && transition?.from.layout.name == "full")
        #expect(told.times == [5000] && board.taken?.id == "take-5000")
        // Studio tells it under its version then, and the fade goes on.
        #expect(board.add(.init(scene: Scene(layout: "grid"), version: 2)) { _ in })
        #expect(board.advance(to: time(5100)).transition?.weight == 85)
        #expect(board.version == 2)
        #expect(board.put(take: take("grid", at: 5000)), "told again")
        #expect(board.advance(to: time(9000)).look.layout.name == "grid" && told.times == [5000])
    }

    @Test("a scene that was on its way when a take came does not come back")
    func overtaken() throws {
        let board = try #require(ProgramBoard(try Self.setup()))
        #expect(board.put(take: take("grid", at: 5000)))
        #expect(board.advance(to: time(5000)).look.layout.name == "grid")
        #expect(board.add(.init(scene: Scene(layout: "full"), version: 1, take: "take-5000")) { _ in })
        #expect(board.advance(to: time(5033)).look.layout.name == "grid")
        #expect(board.add(.init(scene: Scene(layout: "full"), version: 2)) { _ in })
        #expect(board.advance(to: time(5066)).look.layout.name == "full")
    }

    @Test("the roll of a take that comes soon is loaded before it")
    func rollAhead() throws {
        let board = try #require(ProgramBoard(try Self.setup()))
        var next = take("full", at: 20_000)
        next.scene.media = MediaRoll(asset: "countdown", state: .playing, run: 7)
        #expect(board.put(take: next))
        _ = board.advance(to: time(9000))
        #expect(board.rolls.isEmpty)
        _ = board.advance(to: time(11_000))
        #expect(board.rolls.map(\.asset) == ["countdown"] && board.rolls.first?.run == 7)
    }

    @Test("a take goes on with the roll that is on air at its moment, and begins one that is not")
    func rollOfTake() throws {
        let told = Told()
        let board = try #require(ProgramBoard(try Self.setup()) { _, time in told.note(time) })
        let back = Scene(layout: "full")
        func scene(_ media: MediaRoll) -> Scene {
            Scene(layout: "grid", slots: ["main": SlotSources([.media("a")])], media: media)
        }
        func waiting(at moment: Int64) -> PendingTake {
            var next = take("grid", at: moment, .fade)
            next.scene = scene(MediaRoll(asset: "a", state: .playing, run: 1_000_000 + moment))
            return next
        }
        #expect(board.put(take: waiting(at: 5000)))
        let first = try #require(board.advance(to: time(5000)).look.scene.media)
        #expect(first.run == 1_005_000 && first.after == .init(back))
        // Studio finds the same, and the fade goes on.
        let stored = waiting(at: 5000).scene(after: back, layout: nil)
        #expect(board.add(.init(scene: stored, version: 2)) { _ in })
        let (look, transition) = board.advance(to: time(5100))
        #expect(look.scene.media == first && transition?.weight == 85)
        // Also when it has not told that yet.
        #expect(board.put(take: waiting(at: 8000)) && board.look(for: waiting(at: 8000))?.scene.media == first)
        _ = board.advance(to: time(7000))
        #expect(board.rolls.map(\.run) == [1_005_000])
        #expect(board.advance(to: time(8000)).look.scene.media == first)
        #expect(board.put(take: waiting(at: 9000)))
        #expect(board.add(.init(scene: back, version: 3)) { _ in })
        _ = board.advance(to: time(8500))
        #expect(board.rolls.map(\.run) == [1_009_000])
        #expect(board.advance(to: time(9000)).look.scene.media?.run == 1_009_000)
        #expect(told.times == [5000, 8000, 9000])
    }

    @Test("a take keeps what was told last, also what Studio has told before it heard of the take")
    func keeps() throws {
        let board = try #require(ProgramBoard(try Self.setup()))
        var next = take("grid", at: 5000)
        next.scene.overlays.ticker = Ticker(text: "Of the take")
        next.keeps = [.overlays, .levels]
        #expect(board.put(take: next))
        var scene = Scene(layout: "full")
        scene.overlays.ticker = Ticker(text: "News")
        scene.audio.program.volume = 0.5
        #expect(board.add(.init(scene: scene, version: 2, take: next.id)) { _ in })
        _ = board.advance(to: time(4000))
        let taken = board.advance(to: time(5000)).look.scene
        #expect(taken.layout == "grid" && taken.overlays == scene.overlays && taken.audio == scene.audio)
        scene.overlays.ticker = nil
        #expect(board.add(.init(scene: scene, version: 3, take: next.id)) { _ in })
        let shown = board.advance(to: time(5033)).look.scene
        #expect(shown.layout == "grid" && shown.overlays.ticker == nil && shown.audio == scene.audio)
        // Studio finds the same.
        #expect(shown == next.scene(after: scene, layout: nil))
    }

    @Test("a take lasts through changes before its moment; another replaces it, and it can be taken back")
    func takesWait() throws {
        let told = Told()
        let board = try #require(ProgramBoard(try Self.setup()) { _, time in told.note(time) })
        #expect(board.put(take: take("grid", at: 5000)))
        #expect(board.add(.init(scene: Scene(layout: "share-with-speakers"), version: 2)) { _ in })
        #expect(board.advance(to: time(1000)).look.layout.name == "share-with-speakers")
        #expect(board.put(take: take("grid", at: 7000)))
        #expect(board.advance(to: time(5000)).look.layout.name == "share-with-speakers")
        #expect(board.put(take: nil))
        #expect(board.advance(to: time(7000)).look.layout.name == "share-with-speakers")
        #expect(!board.put(take: take("nowhere", at: 8000)))
        #expect(told.times.isEmpty)
    }

    @Test("layouts that lack the one that is shown, or that waits, take neither away")
    func keepsLayouts() throws {
        let board = try #require(ProgramBoard(try Self.setup()))
        #expect(board.put(take: take("grid", at: 5000)))
        let other = try LayoutTests.layout("share-with-speakers")
        #expect(board.look(for: Scene(layout: "full"), layouts: [other])?.layout.name == "full")
        #expect(board.advance(to: time(1000)).look.layout.name == "full")
        #expect(board.advance(to: time(5000)).look.layout.name == "grid")
    }

    @Test("a program that starts after the moment of a take begins with it, without a transition")
    func lateTake() throws {
        var setup = try Self.setup()
        setup.take = take("grid", at: 1000, .fade)
        let told = Told()
        let board = try #require(ProgramBoard(setup) { _, time in told.note(time) })
        let (look, transition) = board.advance(to: time(60_000))
        #expect(look.layout.name == "grid" && transition == nil && told.times == [60_000])
    }

    @Test("takes nothing older than what is shown, and no unknown layout")
    func refuses() throws {
        let board = try #require(ProgramBoard(try Self.setup(version: 7)))
        #expect(!board.add(.init(scene: Scene(layout: "grid"), version: 6)) { _ in })
        #expect(!board.add(.init(scene: Scene(layout: "nowhere"), version: 8)) { _ in })
        #expect(board.advance(to: time(0)).look.layout.name == "full")
        #expect(board.look(for: Scene(layout: "nowhere")) == nil)
    }

    @Test("a change that waits for what it names comes in its own way, after those that did not wait")
    func parked() throws {
        let board = try #require(ProgramBoard(try Self.setup())), told = Told()
        let fade = ProgramChange.Transition(kind: .fade, milliseconds: 300)
        let slow = Scene(layout: "grid")
        var quick = slow
        quick.overlays.ticker = Ticker(text: "News")
        let waits = try board.announce(.init(scene: slow, version: 2, transition: fade))
        #expect(board.add(.init(scene: quick, version: 3)) { told.note($0) })
        let first = board.advance(to: time(1000))
        #expect(first.look.layout.name == "full" && first.look.scene.overlays.ticker?.text == "News")
        #expect(first.transition == nil && told.times == [1000])
        #expect(board.look(showing: waits).scene == quick)
        #expect(board.add(waits, fade) { told.note($0) })
        let second = board.advance(to: time(3000))
        #expect(second.look.scene == quick && second.look.layout.name == "grid")
        #expect(second.transition?.from.layout.name == "full" && told.times == [1000, 3000])
        #expect(throws: ProgramError.outdated) { try board.announce(.init(scene: slow, version: 2)) }
    }

    @Test("a take comes although a change waits, which is over then")
    func takenBeforeReady() throws {
        let board = try #require(ProgramBoard(try Self.setup())), told = Told()
        let waits = try board.announce(.init(scene: Scene(layout: "share-with-speakers"), version: 2))
        #expect(board.put(take: take("grid", at: 5000)))
        #expect(board.advance(to: time(5000)).look.layout.name == "grid")
        #expect(board.add(waits, .init(kind: .cut, milliseconds: 0)) { told.note($0) })
        #expect(board.advance(to: time(5033)).look.layout.name == "grid" && told.times == [5033])
    }

    @Test("everybody who waits is told when the program ends, and nothing is taken after that")
    func close() throws {
        let board = try #require(ProgramBoard(try Self.setup())), shown = Told(), ended = Told()
        let change = ProgramChange(scene: Scene(layout: "grid"), version: 2)
        let takesScene = board.add(
            change, onShown: { shown.note($0) }, onEnd: { ended.note(ProgramTime(milliseconds: 1)) })
        let takesCast = board.put(
            cast: [], onShown: { shown.note($0) }, onEnd: { ended.note(ProgramTime(milliseconds: 2)) })
        #expect(takesScene && takesCast)
        board.close()
        #expect(shown.times.isEmpty)
        #expect(ended.times == [1, 2])
        let takesMore =
            board.add(change, onShown: { shown.note($0) }) || board.put(cast: [], onShown: { shown.note($0) })
        #expect(!takesMore)
    }

    @Test("what waits, what is taken soon, and what a fade leaves behind, may be seen")
    func wantedSoon() throws {
        func scene(_ id: String) -> Scene {
            var scene = Scene(layout: "full")
            scene.slots = ["main": SlotSources([.participant(id)])]
            return scene
        }
        var setup = try Self.setup()
        setup.scene = scene("before")
        let board = try #require(ProgramBoard(setup))
        #expect(
            board.add(.init(scene: scene("after"), version: 2, transition: .init(kind: .fade, milliseconds: 500))) {
                _ in
            })
        var next = take("full", at: 20_000)
        next.scene = scene("taken")
        #expect(board.put(take: next))
        #expect(board.wanted == [.participant("before"), .participant("after")])
        _ = board.advance(to: time(900))
        #expect(board.wanted == [.participant("before"), .participant("after")])
        _ = board.advance(to: time(1500))
        #expect(board.wanted == [.participant("after")])
        #expect(board.ahead(withinMs: 10_000) == nil)
        _ = board.advance(to: time(10_100))
        #expect(board.wanted == [.participant("after"), .participant("taken")])
        #expect(board.ahead(withinMs: 10_000)?.scene == next.scene)
    }

    @Test("a fade goes from nothing to all over its length, then ends")
    func fade() throws {
        let board = try #require(ProgramBoard(try Self.setup()))
        let change = ProgramChange(
            scene: Scene(layout: "grid"), version: 2, transition: .init(kind: .fade, milliseconds: 300))
        #expect(board.add(change) { _ in })
        var weights: [UInt8] = []
        for frame in 0..<12 {
            let (look, transition) = board.advance(to: time(2000 + Int64(frame) * 33))
            #expect(look.layout.name == "grid")
            guard let transition else { break }
            #expect(transition.from.layout.name == "full")
            weights.append(transition.weight)
        }
        #expect(weights.first == 0)
        #expect(weights == weights.sorted())
        #expect(weights.count == 10)
    }

    @Test("takes another shape of the layout that is shown, and goes on with the fade")
    func reshaped() throws {
        let board = try #require(ProgramBoard(try Self.setup()))
        #expect(
            board.add(
                .init(scene: Scene(layout: "grid"), version: 2, transition: .init(kind: .fade, milliseconds: 1000))
            ) { _ in })
        #expect(board.advance(to: time(2000)).transition != nil)
        var shaped = try LayoutTests.layout("grid")
        shaped.slots[0].rect = GridRect(x: 2, y: 2, width: 40, height: 20)
        let again = ProgramChange(scene: Scene(layout: "grid"), version: 2, layouts: [shaped])
        #expect(board.look(for: again.scene, layouts: again.layouts)?.layout == shaped)
        #expect(board.add(again) { _ in })
        let (look, transition) = board.advance(to: time(2100))
        #expect(look.layout == shaped)
        #expect(transition?.from.layout.name == "full")
    }

    @Test("shows the newest cast, and tells everybody who waited")
    func cast() throws {
        let board = try #require(ProgramBoard(try Self.setup())), told = Told()
        board.put(cast: [CastMember(id: "a", name: "A", isOnStage: true)]) { told.note($0) }
        board.put(cast: [CastMember(id: "b", name: "B", isOnStage: true)]) { told.note($0) }
        #expect(board.advance(to: time(100)).look.cast.map(\.id) == ["b"])
        #expect(told.times == [100, 100])
    }

    @Test("without any layout there is no board")
    func noLayout() throws {
        var setup = try Self.setup()
        setup.layouts = []
        #expect(ProgramBoard(setup) == nil)
    }

    @Test("wants the cameras of those on stage and those that the scene names")
    func wanted() throws {
        var setup = try Self.setup()
        setup.cast = [
            CastMember(id: "on", name: "", isOnStage: true), CastMember(id: "off", name: "", isOnStage: false),
            CastMember(id: "named", name: "", isOnStage: false),
        ]
        setup.scene.slots = ["main": SlotSources([.participant("named")])]
        let board = try #require(ProgramBoard(setup))
        #expect(board.look.wanted == [.participant("on"), .screen("on"), .participant("named")])
    }
}
