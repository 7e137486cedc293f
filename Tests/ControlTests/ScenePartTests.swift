import Control
import Foundation
import Media
import Testing

@Suite("What of the program a take keeps")
struct ScenePartTests {
    /// A scene that says something of every part.
    private func scene(_ name: String, page: Int) -> Scene {
        Scene(
            layout: name, background: .image(name), slots: ["main": SlotSources([.image(name)])],
            overlays: Overlays(theme: name, ticker: Ticker(text: name)), slides: Slides(deck: name, page: page),
            audio: SceneAudio(
                program: .init(volume: 0.5, muted: page > 1), sources: ["ingest:\(name)": .init(volume: 2)],
                ducking: .init(enabled: false), leveling: page > 1,
                music: SceneAudio.Music(asset: name, state: .playing, run: 5)))
    }

    @Test("each part is taken over as a whole, and nothing beside it")
    func parts() {
        let new = scene("new", page: 1), old = scene("old", page: 2)
        #expect(new.keeping([], of: old) == new)
        var music = new
        music.audio.music = old.audio.music
        #expect(new.keeping([.music], of: old) == music)
        var levels = new
        levels.audio = old.audio
        levels.audio.music = new.audio.music
        #expect(new.keeping([.levels], of: old) == levels)
        var overlays = new
        overlays.overlays = old.overlays
        #expect(new.keeping([.overlays], of: old) == overlays)
        var slides = new
        slides.slides = old.slides
        #expect(new.keeping([.slides], of: old) == slides)
        var all = old
        (all.layout, all.background, all.slots) = (new.layout, new.background, new.slots)
        #expect(new.keeping(ScenePart.allCases, of: old) == all)
    }

    @Test("where nothing is on air nothing goes on; but where no page is, the scene's own comes")
    func nothing() {
        let new = scene("new", page: 1)
        var bare = new
        (bare.audio, bare.overlays) = (SceneAudio(), Overlays())
        #expect(new.keeping(ScenePart.allCases, of: Scene(layout: "full")) == bare)
    }

    @Test("a take that waited keeps what is on air at its moment")
    func moment() {
        let take = PendingTake(
            id: "t", scene: scene("new", page: 1), transition: .init(kind: .cut, milliseconds: 0),
            at: ProgramTime(milliseconds: 9), keeps: ScenePart.allCases)
        for old in [scene("old", page: 2), scene("other", page: 3)] {
            let shown = take.scene(after: old, layout: nil)
            #expect(shown.layout == "new" && shown.overlays == old.overlays && shown.slides == old.slides)
            #expect(shown.audio == old.audio)
        }
    }

    @Test("a take is read as it was written, and one that names nothing keeps nothing")
    func json() throws {
        var take = PendingTake(
            id: "t", scene: scene("new", page: 1), transition: .init(kind: .cut, milliseconds: 0),
            at: ProgramTime(milliseconds: 9), keeps: [.levels, .slides])
        let data = try JSONEncoder().encode(take)
        #expect(try JSONDecoder().decode(PendingTake.self, from: data) == take)
        take.keeps = nil
        let old = scene("old", page: 2)
        #expect(take.scene(after: old, layout: nil).overlays == take.scene.overlays)
        #expect(take.scene(after: old, layout: nil).slides == take.scene.slides)
    }
}
