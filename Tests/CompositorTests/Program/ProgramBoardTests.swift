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

    @Test("keeps a change for its time, and shows later ones on top of it")
    func later() throws {
        let board = try #require(ProgramBoard(try Self.setup())), told = Told()
        #expect(board.add(.init(scene: Scene(layout: "grid"), version: 2, at: time(5000))) { told.note($0) })
        #expect(board.advance(to: time(4967)).look.layout.name == "full")
        #expect(board.advance(to: time(5000)).look.layout.name == "grid")
        #expect(told.times == [5000])
    }

    @Test("takes nothing older than what is shown, and no unknown layout")
    func refuses() throws {
        let board = try #require(ProgramBoard(try Self.setup(version: 7)))
        #expect(!board.add(.init(scene: Scene(layout: "grid"), version: 6)) { _ in })
        #expect(!board.add(.init(scene: Scene(layout: "nowhere"), version: 8)) { _ in })
        #expect(board.advance(to: time(0)).look.layout.name == "full")
        #expect(board.look(for: Scene(layout: "nowhere")) == nil)
    }

    @Test("a scheduled change that is overtaken is told, and does not come back")
    func overtaken() throws {
        let board = try #require(ProgramBoard(try Self.setup())), told = Told()
        #expect(board.add(.init(scene: Scene(layout: "grid"), version: 2, at: time(9000))) { told.note($0) })
        #expect(board.add(.init(scene: Scene(layout: "share-with-speakers"), version: 3)) { told.note($0) })
        #expect(board.advance(to: time(1000)).look.layout.name == "share-with-speakers")
        #expect(board.advance(to: time(9000)).look.layout.name == "share-with-speakers")
        #expect(told.times == [1000, 9000])
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

    @Test("a scheduled scene that is told again comes at its time, not at once")
    func toldAgain() throws {
        let board = try #require(ProgramBoard(try Self.setup())), told = Told()
        #expect(board.add(.init(scene: Scene(layout: "grid"), version: 2, at: time(5000))) { _ in })
        #expect(board.add(.init(scene: Scene(layout: "grid"), version: 2)) { told.note($0) })
        #expect(board.advance(to: time(1000)).look.layout.name == "full")
        #expect(told.times == [1000])
        #expect(board.advance(to: time(5000)).look.layout.name == "grid")
    }

    @Test("what waits, and what a fade leaves behind, may be seen")
    func wantedSoon() throws {
        var setup = try Self.setup()
        setup.scene.slots = ["main": SlotSources([.participant("before")])]
        let board = try #require(ProgramBoard(setup))
        var next = Scene(layout: "full")
        next.slots = ["main": SlotSources([.participant("after")])]
        #expect(
            board.add(.init(scene: next, version: 2, transition: .init(kind: .fade, milliseconds: 500), at: time(900)))
            { _ in })
        #expect(board.wanted == [.participant("before"), .participant("after")])
        _ = board.advance(to: time(900))
        #expect(board.wanted == [.participant("before"), .participant("after")])
        _ = board.advance(to: time(1500))
        #expect(board.wanted == [.participant("after")])
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
