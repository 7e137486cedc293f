import Control
import Testing

@testable import Compositor

@Suite("Changes of the scene that wait for what they name")
struct SceneChangesTests {
    /// What is tested, for expectations that change it.
    private final class Told {
        var changes: SceneChanges

        init(_ scene: Scene, version: Int64) { changes = SceneChanges(scene, version: version) }

        func add(_ scene: Scene, version: Int64, isBeforeTake: Bool = false) -> UInt64? {
            try? changes.add(scene, version: version, isBeforeTake: isBeforeTake)
        }
        func scene(showing number: UInt64) -> Scene { changes.scene(showing: number) }
        func show(_ number: UInt64) -> Scene { changes.show(number) }
        func take(_ scene: Scene) { changes.take(scene) }
    }

    private let start = Scene(layout: "full")

    private func changed(_ scene: Scene, _ change: (inout Scene) -> Void) -> Scene {
        var scene = scene
        change(&scene)
        return scene
    }

    @Test("one that waits holds up no other, and comes without undoing it")
    func passes() throws {
        let changes = Told(start, version: 1)
        let roll = changed(start) {
            $0.layout = "media-full"
            $0.media = MediaRoll(asset: "v", state: .playing, run: 2)
        }
        let waits = try #require(changes.add(roll, version: 2))
        let both = changed(roll) { $0.overlays.ticker = Ticker(text: "News") }
        let third = try #require(changes.add(both, version: 3))
        let shown = changes.show(third)
        #expect(shown.layout == "full" && shown.media == nil && shown.overlays.ticker?.text == "News")
        #expect(changes.scene(showing: waits) == both)
        #expect(changes.show(waits) == both)
    }

    @Test("music that waits for its file holds up no level, and comes without undoing it")
    func music() throws {
        let changes = Told(start, version: 1)
        let playing = changed(start) { $0.audio.music = .init(asset: "a", state: .playing, run: 2) }
        let waits = try #require(changes.add(playing, version: 2))
        let both = changed(playing) { $0.audio.sources["media:a"] = .init(volume: 0.5) }
        let level = try #require(changes.add(both, version: 3))
        let shown = changes.show(level)
        #expect(shown.audio.music == nil && shown.audio.sources["media:a"]?.volume == 0.5)
        #expect(changes.show(waits) == both)
    }

    @Test("one that changes what an earlier one changes is shown whole, with the earlier one")
    func builtOnOneThatWaits() throws {
        let changes = Told(start, version: 1)
        let clip = changed(start) {
            $0.layout = "media-full"
            $0.slots["main"] = SlotSources([.media("v")])
            $0.media = MediaRoll(asset: "v", state: .playing, run: 2)
        }
        let bars = changed(clip) {
            $0.slots["main"] = SlotSources([.media("bars")])
            $0.media = MediaRoll(asset: "bars", state: .playing, run: 3)
        }
        let waits = try #require(changes.add(clip, version: 2))
        let ready = try #require(changes.add(bars, version: 3))
        #expect(changes.scene(showing: ready) == bars)
        #expect(changes.show(ready) == bars)
        #expect(changes.show(waits) == bars)
    }

    @Test("of two that change the same the later one wins, whichever is ready first")
    func laterWins() throws {
        let changes = Told(start, version: 1)
        let first = changed(start) { $0.slots["main"] = SlotSources([.media("v")]) }
        let second = changed(first) {
            $0.slots["main"] = SlotSources([.participant("ada")])
            $0.slots["side"] = SlotSources([.participant("bob")])
        }
        let third = changed(second) { $0.slots["side"] = nil }
        let numbers = try [(first, 2), (second, 3), (third, 4)].map { scene, version in
            try #require(changes.add(scene, version: Int64(version)))
        }
        #expect(changes.show(numbers[2]) == third)
        #expect(changes.show(numbers[1]).slots == third.slots)
        #expect(changes.show(numbers[0]) == third)
    }

    @Test("whatever the order in which they are ready, the last one that was told is shown in the end")
    func converges() throws {
        var seed: UInt64 = 7
        func random(_ limit: Int) -> Int {
            seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(seed >> 33) % limit
        }
        for _ in 0..<200 {
            let changes = Told(start, version: 1)
            var scene = start, waiting: [UInt64] = []
            for version in 2..<12 {
                scene = changed(scene) {
                    switch random(5) {
                    case 0: $0.layout = ["full", "grid", "pip"][random(3)]
                    case 1: $0.slots["s\(random(3))"] = random(2) == 0 ? nil : SlotSources([.media("v\(random(3))")])
                    case 2:
                        $0.media = random(2) == 0 ? nil : MediaRoll(asset: "v", state: .playing, run: Int64(version))
                    case 3: $0.audio.sources["a\(random(2))"] = .init(volume: Double(random(4)))
                    default: $0.overlays.lowerThirds = []
                    }
                }
                waiting.append(try #require(changes.add(scene, version: Int64(version))))
                if random(2) == 0 { _ = changes.show(waiting.remove(at: random(waiting.count))) }
            }
            while !waiting.isEmpty { _ = changes.show(waiting.remove(at: random(waiting.count))) }
            let more = try #require(changes.add(scene, version: 12))
            #expect(changes.show(more) == scene)
        }
    }

    @Test("a take ends what waited for the scene before; what is told after it counts")
    func take() throws {
        let changes = Told(start, version: 1)
        let waits = try #require(changes.add(changed(start) { $0.layout = "media-full" }, version: 2))
        let taken = Scene(layout: "grid")
        changes.take(taken)
        #expect(changes.show(waits) == taken)
        // A layout that has changed, told with the scene that Studio knows.
        let known = changed(start) { $0.layout = "media-full" }
        let again = try #require(changes.add(known, version: 2, isBeforeTake: true))
        #expect(changes.show(again) == taken)
        let next = try #require(changes.add(taken, version: 3))
        #expect(changes.show(next) == taken)
        let after = try #require(changes.add(start, version: 4))
        #expect(changes.show(after) == start)
    }

    @Test("a change of the scene before a take, in the instant of the take, does not bring that scene back")
    func takenMeanwhile() throws {
        let changes = Told(start, version: 1)
        let taken = Scene(layout: "grid")
        changes.take(taken)
        let news = changed(start) { $0.overlays.ticker = Ticker(text: "News") }
        let late = try #require(changes.add(news, version: 2, isBeforeTake: true))
        #expect(changes.show(late) == changed(taken) { $0.overlays.ticker = Ticker(text: "News") })
        // Two in a row.
        let quiet = changed(news) { $0.overlays.ticker = nil }
        let later = try #require(changes.add(quiet, version: 3, isBeforeTake: true))
        #expect(changes.show(later) == taken)
        // Studio has made it the program's scene.
        let finished = try #require(changes.add(taken, version: 4))
        #expect(changes.show(finished) == taken)
        let after = try #require(changes.add(start, version: 5, isBeforeTake: true))
        #expect(changes.show(after) == start, "nothing was overtaken any more")
    }

    @Test("what is older is not taken, and neither is more than can wait")
    func bounded() throws {
        let changes = Told(start, version: 7)
        #expect(throws: ProgramError.outdated) { try changes.changes.add(start, version: 6) }
        for number in 0..<SceneChanges.limit { #expect(changes.add(start, version: Int64(8 + number)) != nil) }
        #expect(throws: ProgramError.tooManyWait) { try changes.changes.add(start, version: 1000) }
        for number in 1...UInt64(SceneChanges.limit) { _ = changes.show(number) }
        #expect(changes.add(start, version: 1000) != nil)
        #expect(changes.show(12_345) == start, "nobody's number")
    }
}
