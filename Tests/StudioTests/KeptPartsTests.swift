import Control
import Foundation
import HTTPTypes
import HummingbirdTesting
import Media
import Testing
import Web

@testable import Studio

@Suite("Takes that keep parts of the program, by REST")
struct KeptPartsTests {
    private static let program = "/v1/events/e/program", preview = "/v1/events/e/preview", take = "/v1/events/e/take"
    private static let all = #"["music","levels","overlays","slides"]"#

    private static func scene(_ deck: String, _ text: String, page: Int, volume: Double, layout: String) -> String {
        #"{"layout":"\#(layout)","overlays":{"ticker":{"text":"\#(text)"}},"#
            + #""slides":{"deck":"\#(deck)","page":\#(page)},"audio":{"program":{"volume":\#(volume)}}}"#
    }

    /// A deck; a ticker, its first page and a level are on air, others are in the preview.
    private func withScenes(
        _ body: @escaping @Sendable (any TestClientProtocol, String, StudioFixture, String) async throws -> Void
    ) async throws {
        try await withEvent { client, admin, fixture in
            let made = try await client.upload(
                "/v1/events/e/decks", admin, FakeDecoder.deck(pages: 3), type: "application/pdf")
            let deck = try #require(made.object["id"] as? String)
            let old = Self.scene(deck, "old", page: 1, volume: 0.5, layout: "full")
            #expect(try await client.call(.put, Self.program, admin, old).status == .ok)
            let next = Self.scene(deck, "next", page: 3, volume: 2, layout: "grid")
            #expect(try await client.call(.put, Self.preview, admin, next).status == .ok)
            try await body(client, admin, fixture, deck)
        }
    }

    @Test("a take brings what the preview says, but for what it keeps; the preview stays as it is")
    func now() async throws {
        try await withScenes { client, admin, fixture, _ in
            let before = try #require(fixture.control.changes.last?.scene)
            let preview = try await fixture.studio.programs.state(of: "e").preview
            let kept = try await client.call(.post, Self.take, admin, #"{"keeps":["levels","slides","slides"]}"#)
            #expect(kept.status == .ok)
            let scene = try #require(fixture.control.changes.last?.scene)
            #expect(scene.layout == "grid" && scene.overlays.ticker?.text == "next")
            #expect(scene.audio == before.audio && scene.slides == before.slides)
            _ = try await client.call(.post, Self.take, admin, #"{"keeps":[]}"#)
            #expect(fixture.control.changes.last?.scene == preview)
            #expect(try await fixture.studio.programs.state(of: "e").preview == preview)
        }
    }

    @Test("a take for later keeps what is on air at its moment, and says what that will be")
    func later() async throws {
        try await withScenes { client, admin, fixture, deck in
            let programs = fixture.studio.programs, at = SystemClock.wallMilliseconds() + 3_600_000
            let asked = try await client.call(.post, Self.take, admin, #"{"at":\#(at),"keeps":\#(Self.all)}"#)
            #expect(asked.status == .accepted)
            let read = try await client.call(.get, Self.take, admin)
            #expect(read.object["keeps"] as? [String] == ["music", "levels", "overlays", "slides"])
            let newer = #"{"overlays":{"ticker":{"text":"new"}},"audio":{"program":{"volume":0.25}}}"#
            _ = try await client.call(.patch, Self.program, admin, newer)
            _ = try await client.call(.put, "/v1/events/e/slides", admin, #"{"deck":"\#(deck)","page":2}"#)
            let take = try #require(try await programs.setup(for: "e").take)
            let shown = try #require(try await programs.finishTake(take.id, of: "e")?.scene)
            #expect(shown.layout == "grid" && shown.overlays.ticker?.text == "new" && shown.slides?.page == 2)
            #expect(shown.audio.program.volume == 0.25)
        }
    }

    @Test("a take that names nothing keeps nothing, and says so")
    func plain() async throws {
        try await withScenes { client, admin, fixture, _ in
            let at = SystemClock.wallMilliseconds() + 3_600_000
            _ = try await client.call(.post, Self.take, admin, #"{"at":\#(at)}"#)
            let read = try await client.call(.get, Self.take, admin)
            #expect(read.object["keeps"] as? [String] == [])
            let programs = fixture.studio.programs, take = try #require(try await programs.setup(for: "e").take)
            #expect(try await programs.finishTake(take.id, of: "e")?.scene.overlays.ticker?.text == "next")
        }
    }

    @Test("a still of the preview shows what a take would keep, and is drawn anew when that has changed")
    func still() async throws {
        try await withScenes { client, admin, fixture, _ in
            try await fixture.startProgram("e")
            let path = "/v1/events/e/preview.jpg", query = "\(path)?keeps=overlays&keeps=levels"
            #expect(try await client.call(.get, path, admin).status == .ok)
            #expect(fixture.control.stills.last??.overlays.ticker?.text == "next")
            #expect(try await client.call(.get, query, admin).status == .ok)
            let drawn = try #require(fixture.control.stills.last ?? nil)
            #expect(drawn.layout == "grid" && drawn.overlays.ticker?.text == "old" && drawn.slides?.page == 3)
            _ = try await client.call(.patch, Self.program, admin, #"{"overlays":{"ticker":{"text":"new"}}}"#)
            #expect(try await client.call(.get, query, admin).status == .ok)
            #expect(fixture.control.stills.last??.overlays.ticker?.text == "new")
            let wrong = try await client.call(.get, "\(path)?keeps=overlays&keeps=ticker", admin)
            #expect(wrong.status == .unprocessableContent && wrong.object["pointer"] as? String == "/keeps/1")
        }
    }
}
