import Control
import Foundation
import Testing

@testable import Studio

@Suite("Who is heard in the program")
struct HeardPeopleTests {
    private static func scene(_ people: String...) -> Scene {
        Scene(layout: "full", slots: people.isEmpty ? [:] : ["main": SlotSources(people.map { .participant($0) })])
    }

    private static func layout(_ name: String, showing person: String) throws -> Layout {
        try Layout(
            json: Data(
                #"{"name":"\#(name)","slots":[{"id":"main","rect":[0,0,9,9],"default":"participant:\#(person)"}]}"#.utf8
            ))
    }

    /// A running event with Ada, Bob and Cleo in its room, of whom nobody is on stage.
    ///
    /// - Parameter instead: what its compositor answers where it is not as others.
    private func withRoom(
        instead: @escaping @Sendable (CompositorCommand) async throws -> CommandReply? = { _ in nil },
        _ body: (ConductorFixture, FakeWorker) async throws -> Void
    ) async throws {
        let fixture = try await ConductorFixture()
        let others = try await fixture.started()
        let sfu = try await fixture.sfu(offers: false), compositor = try await fixture.compositor("e", instead: instead)
        try await eventually("it runs") { await fixture.compositors.castChanged(event: "e") != nil }
        for id in ["ada", "bob", "cleo"] {
            _ = try await fixture.speakers.publish(
                ConductorFixture.scope, ConductorFixture.principal(id), session: nil, offer: "v=0", sources: [:])
        }
        #expect(await fixture.compositors.castChanged(event: "e") != nil)
        #expect(compositor.casts.last?.map(\.id) == ["ada", "bob", "cleo"])
        try await body(fixture, compositor)
        for worker in others + [sfu, compositor] { worker.leave() }
        try fixture.end()
    }

    /// Who is heard, as everybody in the room knows.
    private func heard(_ fixture: ConductorFixture) async -> [String] {
        await fixture.speakers.participants("e").filter(\.onStage).map(\.id)
    }

    private func put(_ scene: Scene, _ fixture: ConductorFixture) async throws -> ProgramChange {
        try await fixture.programs.update("e") { state, _ in state.scene = scene }.change()
    }

    @Test("those on stage, and whom the scene names")
    func named() async throws {
        try await withRoom { fixture, _ in
            try await fixture.programs.update("e") { state, _ in state.stage = [StagePlace(participant: "ada")] }
            #expect(await fixture.compositors.castChanged(event: "e") != nil)
            #expect(await heard(fixture) == ["ada"])
            for (scene, ids) in [
                (Self.scene("bob"), ["ada", "bob"]), (Self.scene("cleo", "bob"), ["ada", "cleo"]),
                (Self.scene(), ["ada"]),
            ] {
                #expect(try await fixture.compositors.show(put(scene, fixture), event: "e") != nil)
                #expect(await heard(fixture) == ids)
            }
        }
    }

    @Test("nobody of a scene that is not shown yet, and nobody of an older one whose answer comes after a newer one's")
    func order() async throws {
        let (held, letGo) = AsyncStream<Void>.makeStream()
        try await withRoom(instead: { command in
            guard case .show(let change) = command, change.version == 2 else { return nil }
            for await _ in held {}
            return nil
        }) { fixture, compositor in
            let compositors = fixture.compositors, older = try await put(Self.scene("bob"), fixture)
            let showing = Task { try await compositors.show(older, event: "e") }
            try await eventually("the older one is told") { compositor.program.contains(.show(older)) }
            #expect(await compositors.castChanged(event: "e") != nil)
            #expect(await heard(fixture) == [])
            let newer = try await put(Self.scene("cleo"), fixture)
            #expect(try await compositors.show(newer, event: "e") != nil)
            #expect(await heard(fixture) == ["cleo"])
            letGo.finish()
            #expect(try await showing.value != nil)
            #expect(await heard(fixture) == ["cleo"])
        }
    }

    @Test("whom the layout of the scene names, also when it changes while it is shown")
    func layouts() async throws {
        try await withRoom { fixture, _ in
            let compositors = fixture.compositors
            for person in ["bob", "cleo"] {
                let layout = try Self.layout("own", showing: person)
                _ = try await fixture.programs.put(layout, event: "e") { _ in }
                #expect(await compositors.layoutsChanged(event: "e") != nil)
                if person == "bob" {
                    #expect(await heard(fixture) == [])
                    #expect(try await compositors.show(put(Scene(layout: "own"), fixture), event: "e") != nil)
                }
                #expect(await heard(fixture) == [person])
            }
        }
    }

    @Test("by the newest scene, whichever was told first")
    func newest() throws {
        let cast = ["ada", "bob", "cleo"].map { CastMember(id: $0, name: "", isOnStage: $0 == "ada") }
        var people = HeardPeople()
        people.layouts = [try Self.layout("full", showing: "nobody")]
        #expect(people.ids(among: cast) == ["ada"])
        people.shown(Self.scene("bob"), version: 3)
        people.shown(Self.scene("cleo"), version: 2)
        #expect(people.ids(among: cast) == ["ada", "bob"])
        people.shown(Self.scene("cleo"), version: 4)
        #expect(people.ids(among: cast) == ["ada", "cleo"])
        // Who has left, and a layout that nobody knows.
        #expect(people.ids(among: Array(cast.prefix(2))) == ["ada"])
        people.layouts = []
        #expect(people.ids(among: cast) == ["ada"])
    }
}
