import Control
import Media
import Testing

@testable import Compositor

@Suite("What is kept for what comes")
struct ComingChangesTests {
    private func look(_ participant: String, onStage: [CastMember] = []) throws -> ProgramLook {
        ProgramLook(
            scene: Scene(layout: "full", slots: ["main": SlotSources([.participant(participant)])]),
            layout: try LayoutTests.layout("full"), cast: onStage)
    }

    private func time(_ milliseconds: Int64) -> MonotonicTime { MonotonicTime(milliseconds: 1_000_000 + milliseconds) }

    @Test("the cameras of a preview are kept for ten seconds after it was looked at, those of the last one alone")
    func preview() throws {
        let coming = ComingChanges()
        #expect(coming.sources(at: time(0)) == [])
        coming.see(preview: try look("ada"), at: time(0))
        #expect(coming.sources(at: time(9000)) == [.participant("ada")])
        coming.see(preview: try look("ada"), at: time(9000))
        #expect(coming.sources(at: time(18_000)) == [.participant("ada")], "it is looked at again and again")
        coming.see(preview: try look("ben"), at: time(18_000))
        #expect(coming.sources(at: time(18_000)) == [.participant("ben")])
        let order = coming.add(try look("cora"))
        #expect(coming.sources(at: time(18_000)) == [.participant("ben"), .participant("cora")])
        #expect(coming.sources(at: time(28_000)) == [.participant("cora")])
        coming.remove(order)
        #expect(coming.sources(at: time(28_000)) == [])
    }

    @Test("the newest cast is the one that was added last, whatever scenes are added")
    func casts() throws {
        let coming = ComingChanges(), first = coming.add(cast: try look("ada"))
        _ = coming.add(try look("ben"))
        #expect(coming.isNewest(cast: first))
        let second = coming.add(cast: try look("cora"))
        #expect(!coming.isNewest(cast: first) && coming.isNewest(cast: second))
    }

    @Test(
        "a card stands in for what is sent and for what a scene names, and is right for who sends no camera or hides it"
    )
    func cards() throws {
        var look = try look("ada")
        look.cast = [
            CastMember(id: "ada", name: "", isOnStage: true, sources: [.camera, .screen]),
            CastMember(id: "ben", name: "", isOnStage: true, sources: [.camera], mutedSources: [.camera]),
            CastMember(id: "cora", name: "", isOnStage: true),
        ]
        #expect(look.sent == [.participant("ada"), .screen("ada")])
        let named: Set<SceneSource> = [
            .participant("ada"), .participant("ben"), .participant("cora"), .screen("cora"), .image("i"), .slides,
            .media("m"), .ingest("s"),
        ]
        #expect(look.standIns(named) == named.subtracting([.participant("ben"), .participant("cora")]))
        #expect(
            SceneResolver.lacking(
                look, present: look.present([:], GraphicsStore(), ProgramDirection()),
                canvas: PixelSize(width: 320, height: 180)) == [.participant("ada")])
        let pictures = [SceneSource.participant("ada"): Pictures.plain(64, 36, y: 90)]
        #expect(
            SceneResolver.lacking(
                look, present: look.present(pictures, GraphicsStore(), ProgramDirection()),
                canvas: PixelSize(width: 320, height: 180)) == [])
    }
}
