import Control
import Foundation
import GRDB
import HTTPTypes
import HummingbirdTesting
import Testing
import Web

@testable import Studio

@Suite("Video rolls by REST")
struct RollRouteTests {
    private func withVideos(
        _ body:
            @escaping @Sendable (any TestClientProtocol, String, StudioFixture, FakeProgram, [String]) async throws
            -> Void
    ) async throws {
        let program = FakeProgram(), fixture = try await StudioFixture(control: program, decoder: FakeDecoder())
        try await fixture.run { client in
            let admin = try await fixture.token(.admin, event: nil)
            _ = try await client.call(.post, "/v1/events", admin, #"{"id":"e","title":"T"}"#)
            var ids: [String] = []
            for type in ["video/mp4", "video/webm"] {
                let made = try await client.upload("/v1/events/e/assets", admin, FakeDecoder.video, type: type)
                #expect(made.status == .created)
                #expect(made.object["kind"] as? String == "video" && made.object["durationMs"] as? Int == 3000)
                #expect(made.object["width"] as? Int == 320 && made.object["height"] as? Int == 180)
                ids.append(try #require(made.object["id"] as? String))
            }
            try await body(client, admin, fixture, program, ids)
        }
    }

    private func media(_ object: [String: Any]) -> [String: Any]? { object["media"] as? [String: Any] }

    @Test("a roll plays where no slot named it, goes on after a pause, and the scene of before comes back")
    func course() async throws {
        try await withVideos { client, admin, fixture, program, ids in
            let scene = ##"{"layout":"full","slots":{"main":"slides"},"background":"#102030"}"##
            _ = try await client.call(.put, "/v1/events/e/program", admin, scene)
            let path = "/v1/events/e/media/\(ids[0])"
            let played = try await client.call(.post, "\(path)/play", admin, #"{"role":"preRoll","audio":"duck"}"#)
            #expect(played.status == .ok && played.object["ready"] as? Bool == true)
            #expect(played.object["programTime"] as? Int64 == 1000 + (program.changes.last?.version ?? 0))
            let first = try #require(program.changes.last?.scene)
            #expect(first.slots.values.contains { $0.sources == [.media(ids[0])] })
            #expect(first.media?.state == .playing && first.media?.role == .preRoll && first.media?.audio == .duck)
            #expect(first.background == .color(RGBColor(red: 16, green: 32, blue: 48)))

            let paused = try await client.call(.post, "\(path)/pause", admin)
            #expect(media(paused.object)?["state"] as? String == "paused")
            let resumed = try await client.call(.post, "\(path)/play", admin)
            // The same start: it goes on where it stood.
            #expect(media(resumed.object)?["run"] as? Int64 == first.media?.run)
            let moved = try await client.call(.post, "\(path)/seek", admin, #"{"positionMs":1500}"#)
            #expect(media(moved.object)?["positionMs"] as? Int == 1500)
            #expect(media(moved.object)?["run"] as? Int64 != first.media?.run)
            #expect(media(moved.object)?["audio"] as? String == "duck")
            #expect(
                try await client.call(.post, "\(path)/seek", admin, #"{"positionMs":3000}"#).status
                    == .unprocessableContent)
            #expect(try await client.call(.delete, "/v1/events/e/assets/\(ids[0])", admin).status == .conflict)

            // Another roll takes its place, and what comes back stays the same.
            _ = try await client.call(.post, "/v1/events/e/media/\(ids[1])/play", admin)
            let second = try #require(program.changes.last?.scene)
            #expect(!second.slots.values.contains { $0.sources.contains(.media(ids[0])) })
            #expect(second.slots.values.contains { $0.sources == [.media(ids[1])] })
            let stopped = try await client.call(.post, "/v1/events/e/media/\(ids[1])/stop", admin)
            #expect(stopped.status == .ok && media(stopped.object) == nil)
            let after = try #require(program.changes.last?.scene)
            #expect(after.slots["main"]?.sources == [.slides] && after.media == nil && after.layout == "full")
            #expect(try await client.call(.post, "\(path)/stop", admin).status == .conflict)
            #expect(try await client.call(.delete, "/v1/events/e/assets/\(ids[0])", admin).status == .noContent)
        }
    }

    @Test("what has ended is followed by the next roll, then by the scene; a late word changes nothing")
    func ends() async throws {
        try await withVideos { client, admin, fixture, program, ids in
            let body = #"{"next":["\#(ids[1])","countdown"]}"#
            _ = try await client.call(.post, "/v1/events/e/media/\(ids[0])/play", admin, body)
            let programs = fixture.studio.programs
            let run = try #require(program.changes.last?.scene.media?.run)
            // A compositor that speaks of another start has missed this one: it is told the scene again, as it is.
            let same = try #require(try await programs.rollEnded(ids[0], run: run + 7, event: "e"))
            #expect(same.scene == program.changes.last?.scene && same.version == program.changes.last?.version)
            var change = try #require(try await programs.rollEnded(ids[0], run: run, event: "e"))
            #expect(change.scene.media?.asset == ids[1] && change.scene.media?.state == .playing)
            #expect(change.scene.slots.values.contains { $0.sources == [.media(ids[1])] })
            let second = try #require(change.scene.media?.run)
            #expect(second != run)
            change = try #require(try await programs.rollEnded(ids[1], run: second, event: "e"))
            #expect(change.scene.media?.asset == "countdown")
            change = try #require(
                try await programs.rollEnded("countdown", run: change.scene.media?.run ?? 0, event: "e"))
            #expect(change.scene == Scene(layout: "full"))
        }
    }

    @Test("a closing film stands at its end where nobody says otherwise")
    func closes() async throws {
        try await withVideos { client, admin, fixture, program, ids in
            let path = "/v1/events/e/media/\(ids[0])/play"
            let played = try await client.call(.post, path, admin, #"{"role":"postRoll"}"#)
            #expect(media(played.object)?["then"] as? String == "hold")
            let run = try #require(program.changes.last?.scene.media?.run)
            let held = try #require(try await fixture.studio.programs.rollEnded(ids[0], run: run, event: "e"))
            #expect(held.scene.media?.state == .paused && held.scene.media?.isAlone == true)
            // So does the last film of a closing list.
            let listed = #"{"role":"postRoll","then":"next","next":["\#(ids[1])"]}"#
            _ = try await client.call(.post, path, admin, listed)
            let first = try #require(program.changes.last?.scene.media)
            let second = try #require(try await fixture.studio.programs.rollEnded(ids[0], run: first.run, event: "e"))
            #expect(second.scene.media?.asset == ids[1] && second.scene.media?.state == .playing)
            let last = try #require(
                try await fixture.studio.programs.rollEnded(
                    ids[1], run: second.scene.media?.run ?? 0, event: "e"))
            #expect(last.scene.media?.asset == ids[1] && last.scene.media?.state == .paused)

            let other = try await client.call(.post, path, admin, #"{"role":"postRoll","then":"returnToScene"}"#)
            #expect(media(other.object)?["then"] as? String == "returnToScene")
        }
    }

    @Test("a roll that holds stands at its end, and starts anew when it is played")
    func holds() async throws {
        try await withVideos { client, admin, fixture, program, ids in
            let path = "/v1/events/e/media/\(ids[0])"
            _ = try await client.call(.post, "\(path)/play", admin, #"{"then":"hold"}"#)
            let run = try #require(program.changes.last?.scene.media?.run)
            let held = try #require(try await fixture.studio.programs.rollEnded(ids[0], run: run, event: "e"))
            #expect(held.scene.media?.state == .paused && held.scene.media?.run == run)
            _ = try await client.call(.post, "\(path)/play", admin)
            let again = try #require(program.changes.last?.scene.media)
            #expect(again.run != run && again.positionMs == 0 && again.state == .playing && again.then == .hold)
        }
    }

    /// Uploads a picture.
    private func picture(_ client: any TestClientProtocol, _ admin: String) async throws -> String {
        let made = try await client.upload("/v1/events/e/assets", admin, FakeDecoder.picture, type: "image/png")
        return try #require(made.object["id"] as? String)
    }

    @Test("what comes back after a roll is in use, so it stays, and the program can still be changed")
    func keeps() async throws {
        try await withVideos { client, admin, fixture, program, ids in
            let shown = try await picture(client, admin), behind = try await picture(client, admin)
            let layouts = "/v1/events/e/layouts/duo", assets = "/v1/events/e/assets"
            func layout(_ slots: String...) -> String {
                let list = slots.map { #"{"id":"\#($0)","rect":[0,0,9,9]}"# }.joined(separator: ",")
                return #"{"name":"duo","slots":[\#(list)]}"#
            }
            #expect(try await client.call(.put, layouts, admin, layout("left", "right")).status == .created)
            let slots = #"{"left":"image:\#(shown)","right":"media:\#(ids[1])"}"#
            let scene = #"{"layout":"duo","slots":\#(slots),"background":"image:\#(behind)"}"#
            #expect(try await client.call(.put, "/v1/events/e/program", admin, scene).status == .ok)
            #expect(try await client.call(.post, "/v1/events/e/media/\(ids[0])/play", admin).status == .ok)
            let patch = ##"{"background":"#102030"}"##
            #expect(try await client.call(.patch, "/v1/events/e/program", admin, patch).status == .ok)
            #expect(program.changes.last?.scene.layout == "media-full")
            for id in [shown, behind, ids[1]] {
                #expect(try await client.call(.delete, "\(assets)/\(id)", admin).status == .conflict)
            }
            #expect(try await client.call(.delete, layouts, admin).status == .conflict)
            #expect(try await client.call(.put, layouts, admin, layout("left")).status == .conflict)
            #expect(try await client.call(.put, layouts, admin, layout("left", "right", "top")).status == .ok)
            let other = ##"{"background":"#203040"}"##
            #expect(try await client.call(.patch, "/v1/events/e/program", admin, other).status == .ok)
            #expect(try await client.call(.post, "/v1/events/e/media/\(ids[0])/stop", admin).status == .ok)
            let after = try #require(program.changes.last?.scene)
            #expect(after.layout == "duo" && after.background == .image(behind))
            #expect(after.slots["left"]?.sources == [.image(shown)])
            #expect(after.slots["right"]?.sources == [.media(ids[1])])
            #expect(
                try await client.call(.put, "/v1/events/e/program", admin, #"{"layout":"full"}"#).status == .ok)
            for id in [shown, behind] + ids {
                #expect(try await client.call(.delete, "\(assets)/\(id)", admin).status == .noContent)
            }
            #expect(try await client.call(.delete, layouts, admin).status == .noContent)
        }
    }

    @Test("a roll is stopped though what would come back is gone: the rest comes back", arguments: [false, true])
    func gone(isBehind: Bool) async throws {
        try await withVideos { client, admin, fixture, program, ids in
            let id = try await picture(client, admin)
            let scene =
                isBehind
                ? #"{"layout":"full","slots":{"main":"slides"},"background":"image:\#(id)"}"#
                : ##"{"layout":"full","slots":{"main":"image:\##(id)"},"background":"#102030"}"##
            #expect(try await client.call(.put, "/v1/events/e/program", admin, scene).status == .ok)
            #expect(try await client.call(.post, "/v1/events/e/media/\(ids[0])/play", admin).status == .ok)
            let patch = ##"{"background":"#203040"}"##
            #expect(try await client.call(.patch, "/v1/events/e/program", admin, patch).status == .ok)
            // No route removes it any more; an earlier Studio may have.
            try await fixture.database.write { database in
                try database.execute(sql: "DELETE FROM asset WHERE id = ?", arguments: [id])
            }
            #expect(try await client.call(.post, "/v1/events/e/media/\(ids[0])/stop", admin).status == .ok)
            let after = try #require(program.changes.last?.scene)
            #expect(after.layout == "full" && after.media == nil)
            let slots: [String: SlotSources] = isBehind ? ["main": SlotSources([.slides])] : [:]
            let color = Background.color(RGBColor(red: 16, green: 32, blue: 48))
            #expect(after.slots == slots)
            #expect(after.background == (isBehind ? nil : color))
        }
    }

    @Test("a slot that names a roll keeps its layout, and scenes name only what is there")
    func scenes() async throws {
        try await withVideos { client, admin, fixture, program, ids in
            let named = #"{"layout":"full","slots":{"main":"media:\#(ids[0])"}}"#
            #expect(try await client.call(.put, "/v1/events/e/program", admin, named).status == .ok)
            _ = try await client.call(.post, "/v1/events/e/media/\(ids[0])/play", admin)
            #expect(program.changes.last?.scene.media?.after == nil)
            for wrong in [
                #"{"layout":"full","slots":{"main":"media:nothing"}}"#,
                #"{"layout":"full","media":{"asset":"nothing","state":"playing"}}"#,
                #"{"layout":"full","media":{"asset":"bars","state":"runs"}}"#,
                #"{"layout":"full","media":{"asset":"bars","state":"playing","speed":2}}"#,
                #"{"layout":"full","media":{"asset":"bars","state":"playing","after":{"layout":"none"}}}"#,
            ] {
                let answer = try await client.call(.put, "/v1/events/e/program", admin, wrong)
                #expect(answer.status == .unprocessableContent, "\(wrong)")
            }
            let bars = #"{"layout":"full","slots":{"main":"media:bars"}}"#
            #expect(try await client.call(.put, "/v1/events/e/program", admin, bars).status == .ok)
            #expect(try await client.call(.post, "/v1/events/e/media/none/play", admin).status == .notFound)
            for body in [#"{"then":"never"}"#, #"{"then":"next"}"#, #"{"next":["none"]}"#, #"{"audio":"loud"}"#] {
                let answer = try await client.call(.post, "/v1/events/e/media/\(ids[0])/play", admin, body)
                #expect(answer.status == .unprocessableContent, "\(body)")
            }
        }
    }
}
