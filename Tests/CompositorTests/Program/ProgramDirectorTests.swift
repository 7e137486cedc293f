import Control
import Media
import Testing

@testable import Compositor

@Suite("What the program does by itself")
struct ProgramDirectorTests {
    /// A program that is drawn in virtual time, without encoder and threads.
    private struct Stage {
        var director = ProgramDirector()
        var look: ProgramLook
        var pictures: [SceneSource: VideoFrame] = [:]
        var heard: [String: Float] = [:]
        var now: Int64 = 0
        let canvas = PixelSize(width: 640, height: 360)

        init(_ layout: String, people: Int, share: String? = nil) throws {
            look = ProgramLook(
                scene: Scene(layout: layout), layout: try LayoutTests.layout(layout), cast: [],
                share: try share.map { try LayoutTests.layout($0) })
            for index in 0..<people { join("p\(index)") }
        }

        mutating func join(_ id: String) {
            look.cast.append(CastMember(id: id, name: id, isOnStage: true))
            pictures[.participant(id)] = Pictures.plain(64, 36, y: 100)
        }

        /// Goes on by one frame; returns the change of places that runs, and what is drawn in the end.
        mutating func frame(
            mayGlide: Bool = true
        ) -> (glide: ProgramDirector.Glide?, operations: [DrawOperation], look: ProgramLook) {
            now += 33
            let time = ProgramTime(milliseconds: now)
            let direction = director.follow(look, heard: heard, pictures: pictures, at: time)
            let shown = look.directed(by: direction)
            let present = shown.present(pictures, GraphicsStore(), direction)
            let operations = SceneResolver.resolve(
                shown.scene, layout: shown.layout, present: present, time: time, canvas: canvas)
            let places = SceneResolver.places(shown.scene, layout: shown.layout, present: present, canvas: canvas)
            let glide = director.glide(
                shown, asked: look, places: places, operations: operations, pictures: pictures, mayGlide: mayGlide,
                at: time)
            return (glide, operations, shown)
        }
    }

    private func rect(_ id: String, _ operations: [DrawOperation]) -> PixelRect? {
        for case .tile(.participant(id), let placement) in operations { return placement.rect }
        return nil
    }

    /// Where somebody is drawn in a frame.
    private func drawn(
        _ id: String, _ frame: (glide: ProgramDirector.Glide?, operations: [DrawOperation], look: ProgramLook)
    )
        -> PixelRect?
    {
        guard let glide = frame.glide else { return rect(id, frame.operations) }
        return rect(id, MovePlan(from: glide.from, to: frame.operations, weight: glide.weight).above)
    }

    @Test("who is there glides to a new place when somebody joins or leaves, for as long as the layout says")
    func joins() throws {
        var stage = try Stage("grid", people: 1)
        let alone = try #require(drawn("p0", stage.frame()))
        stage.join("p1")
        var rects: [PixelRect] = [], glides = 0
        for _ in 0..<15 {
            let frame = stage.frame()
            if frame.glide != nil { glides += 1 }
            rects.append(try #require(drawn("p0", frame)))
        }
        #expect((9...10).contains(glides), "300 ms are nine or ten frames")
        #expect(rects.first == alone && rects.last != alone)
        #expect(zip(rects, rects.dropFirst()).allSatisfy { $0.width >= $1.width && $0.x >= $1.x })
        stage.look.cast.removeLast()
        stage.pictures[.participant("p1")] = nil
        let first = stage.frame()
        #expect(first.glide?.pictures[.participant("p1")] != nil, "who leaves is seen leaving")
        for _ in 0..<15 { _ = stage.frame() }
        #expect(drawn("p0", stage.frame()) == alone)
    }

    @Test("a producer's cut is a cut, also when it comes while tiles glide")
    func cut() throws {
        var stage = try Stage("grid", people: 2)
        _ = stage.frame()
        stage.look.scene.slots["speakers"] = SlotSources([.participant("p1"), .participant("p0")])
        #expect(stage.frame().glide == nil)
        stage.join("p2")
        stage.look.scene.slots = [:]
        #expect(stage.frame().glide == nil)
        stage.join("p3")
        #expect(stage.frame().glide != nil)
        stage.look.scene.slots["speakers"] = SlotSources([.participant("p1"), .participant("p0")])
        #expect(stage.frame().glide == nil)
    }

    @Test("nothing glides where the layout does not say so, or while a producer's transition runs")
    func notAsked() throws {
        var stage = try Stage("full", people: 2)
        _ = stage.frame()
        stage.look.cast.removeFirst()
        #expect(stage.frame().glide == nil)
        var grid = try Stage("grid", people: 1)
        _ = grid.frame()
        grid.join("p1")
        #expect(grid.frame(mayGlide: false).glide == nil)
        #expect(grid.frame().glide == nil, "the places are known by then")
    }

    @Test("a change that overtakes another goes on from where the tiles are")
    func overtakes() throws {
        var stage = try Stage("grid", people: 1)
        _ = stage.frame()
        stage.join("p1")
        var last: PixelRect?
        for _ in 0..<5 { last = drawn("p0", stage.frame()) }
        stage.join("p2")
        let next = drawn("p0", stage.frame())
        let before = try #require(last), after = try #require(next)
        #expect(abs(before.x - after.x) <= 12 && abs(before.width - after.width) <= 40, "\(before) \(after)")
    }

    @Test("a camera that changes its size, or comes late, moves nobody")
    func sizes() throws {
        var stage = try Stage("grid", people: 3)
        stage.pictures[.participant("p1")] = nil
        _ = stage.frame()
        for (width, height) in [(64, 36), (36, 64), (640, 480), (2, 2)] {
            stage.pictures[.participant("p1")] = Pictures.plain(width, height, y: 90)
            #expect(stage.frame().glide == nil)
        }
    }

    @Test("who speaks comes to the large place, and both glide")
    func speaks() throws {
        var stage = try Stage("active-speaker", people: 3)
        for _ in 0..<70 { _ = stage.frame() }
        let large = try #require(rect("p0", stage.frame().operations))
        stage.heard = ["p2": -20]
        var glides = 0
        for _ in 0..<40 { if stage.frame().glide != nil { glides += 1 } }
        let operations = stage.frame().operations
        #expect(rect("p2", operations) == large)
        #expect((9...10).contains(glides))
        #expect(
            operations.contains {
                if case .border(.participant("p2"), _, _, _, _) = $0 { true } else { false }
            } == false, "the large slot has no border")
        // Muted in the program, nobody is the speaker.
        stage.heard = ["p1": -10]
        stage.look.cast[1].level = .init(volume: 1, muted: true)
        for _ in 0..<120 { _ = stage.frame() }
        #expect(rect("p2", stage.frame().operations) == large)
    }

    @Test("a shared screen takes over and gives back, and the scene stays what was asked for")
    func takeover() throws {
        var stage = try Stage("grid", people: 2, share: "share-with-speakers")
        for _ in 0..<10 { _ = stage.frame() }
        stage.pictures[.screen("p1")] = Pictures.plain(128, 72, y: 200)
        var glides = 0
        for _ in 0..<40 { if stage.frame().glide != nil { glides += 1 } }
        let during = stage.frame()
        #expect(during.look.layout.name == "share-with-speakers" && stage.look.scene.layout == "grid")
        #expect(
            during.operations.contains { if case .tile(.screen("p1"), _) = $0 { true } else { false } })
        #expect((9...10).contains(glides))
        // Off stage, a screen is nobody's.
        stage.look.cast[1].isOnStage = false
        for _ in 0..<30 { _ = stage.frame() }
        #expect(stage.frame().look.layout.name == "grid")
    }
}
