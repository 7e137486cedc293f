import Control
import Foundation
import HTTPTypes
import HummingbirdTesting
import Media
import Testing
import Web

@testable import Studio

@Suite("Music by REST")
struct MusicRouteTests {
    private static let program = "/v1/events/e/program", preview = "/v1/events/e/preview", take = "/v1/events/e/take"

    /// Two pieces of 4 s, and a video.
    private func withMusic(
        _ body:
            @escaping @Sendable (any TestClientProtocol, String, StudioFixture, FakeProgram, [String], String)
            async throws -> Void
    ) async throws {
        let program = FakeProgram(), fixture = try await StudioFixture(control: program, decoder: FakeDecoder())
        try await fixture.run { client in
            let admin = try await fixture.token(.admin, event: nil)
            _ = try await client.call(.post, "/v1/events", admin, #"{"id":"e","title":"T"}"#)
            func upload(_ data: Data, _ type: String) async throws -> String {
                let made = try await client.upload("/v1/events/e/assets", admin, data, type: type)
                #expect(made.status == .created)
                return try #require(made.object["id"] as? String)
            }
            let ids = [
                try await upload(FakeDecoder.audio, "audio/mpeg"), try await upload(FakeDecoder.audio, "audio/wav"),
            ]
            try await body(client, admin, fixture, program, ids, try await upload(FakeDecoder.video, "video/mp4"))
        }
    }

    private static func path(_ asset: String, _ verb: String) -> String { "/v1/events/e/media/\(asset)/\(verb)" }

    private static func music(_ answer: TestResponse) -> [String: Any]? { answer.object["music"] as? [String: Any] }

    private static func run(_ answer: TestResponse) -> Int64? {
        let music = music(answer) ?? (answer.object["audio"] as? [String: Any])?["music"] as? [String: Any]
        return (music?["run"] as? NSNumber)?.int64Value
    }

    private static func scene(_ asset: String, _ more: String = "", layout: String = "grid") -> String {
        #"{"layout":"\#(layout)","audio":{"music":{"asset":"\#(asset)","state":"playing"\#(more)}}}"#
    }

    @Test("music plays beside the scene, stands, goes on, moves and stops, and nothing else is changed")
    func course() async throws {
        try await withMusic { client, admin, _, program, ids, _ in
            let scene = ##"{"layout":"full","slots":{"main":"slides"},"background":"#102030"}"##
            _ = try await client.call(.put, Self.program, admin, scene)
            let before = try #require(program.changes.last?.scene)
            let played = try await client.call(.post, Self.path(ids[0], "play"), admin, #"{"audio":"mix"}"#)
            #expect(played.status == .ok && played.object["ready"] as? Bool == true)
            #expect(played.object["programTime"] as? Int64 == 1000 + (program.changes.last?.version ?? 0))
            #expect(played.object["media"] is NSNull)
            let first = try #require(program.changes.last?.scene.audio.music)
            #expect(first.state == .playing && first.loop && !first.duck && first.positionMs == 0 && first.run != 0)
            #expect(Self.music(played)?["asset"] as? String == ids[0] && Self.run(played) == first.run)
            var after = try #require(program.changes.last?.scene)
            after.audio.music = nil
            #expect(after == before)

            let paused = try await client.call(.post, Self.path(ids[0], "pause"), admin, #"{"loop":false}"#)
            #expect(Self.music(paused)?["state"] as? String == "paused" && Self.run(paused) == first.run)
            #expect(Self.music(paused)?["loop"] as? Bool == false && Self.music(paused)?["duck"] as? Bool == false)
            let resumed = try await client.call(.post, Self.path(ids[0], "play"), admin, #"{"audio":"duck"}"#)
            #expect(Self.run(resumed) == first.run && Self.music(resumed)?["duck"] as? Bool == true)
            #expect(Self.music(resumed)?["loop"] as? Bool == false)
            let moved = try await client.call(.post, Self.path(ids[0], "seek"), admin, #"{"positionMs":1500}"#)
            #expect(Self.music(moved)?["positionMs"] as? Int == 1500 && Self.run(moved) != first.run)
            #expect(Self.music(moved)?["loop"] as? Bool == false && Self.music(moved)?["state"] as? String == "playing")

            let other = try await client.call(.post, Self.path(ids[1], "play"), admin)
            #expect(Self.music(other)?["asset"] as? String == ids[1] && Self.music(other)?["loop"] as? Bool == true)
            for verb in ["stop", "seek"] {
                let answer = try await client.call(
                    .post, Self.path(ids[0], verb), admin, verb == "seek" ? #"{"positionMs":1}"# : nil)
                #expect(answer.status == .conflict)
            }
            #expect(try await client.call(.delete, "/v1/events/e/assets/\(ids[1])", admin).status == .conflict)
            #expect(try await client.call(.delete, "/v1/events/e/assets/\(ids[0])", admin).status == .noContent)
            let stopped = try await client.call(.post, Self.path(ids[1], "stop"), admin)
            #expect(stopped.status == .ok && stopped.object["music"] is NSNull)
            #expect(program.changes.last?.scene == before)
            #expect(try await client.call(.delete, "/v1/events/e/assets/\(ids[1])", admin).status == .noContent)
        }
    }

    @Test("a roll and music are played beside each other, and each is stopped alone")
    func besideARoll() async throws {
        try await withMusic { client, admin, fixture, program, ids, video in
            _ = try await client.call(.post, Self.path(ids[0], "play"), admin)
            let both = try await client.call(.post, Self.path(video, "play"), admin)
            #expect((both.object["media"] as? [String: Any])?["asset"] as? String == video)
            #expect(Self.music(both)?["asset"] as? String == ids[0])
            let run = try #require(program.changes.last?.scene.media?.run)
            _ = try await fixture.studio.programs.rollEnded(video, run: run, event: "e")
            let state = try await fixture.studio.programs.state(of: "e").scene
            #expect(state.media == nil && state.audio.music?.asset == ids[0])
            _ = try await client.call(.post, Self.path(video, "play"), admin)
            let stopped = try await client.call(.post, Self.path(ids[0], "stop"), admin)
            #expect((stopped.object["media"] as? [String: Any])?["asset"] as? String == video)
            #expect(stopped.object["music"] is NSNull)
        }
    }

    @Test("what music can't do is refused with its place, and so is what a video can't")
    func refused() async throws {
        try await withMusic { client, admin, _, program, ids, video in
            let before = program.changes.count
            func refuses(
                _ method: HTTPRequest.Method, _ path: String, _ body: String, _ pointer: String, _ reason: String
            ) async throws {
                let answer = try await client.call(method, path, admin, body)
                #expect(answer.status == .unprocessableContent, "\(path) \(body)")
                #expect(answer.object["pointer"] as? String == pointer, "\(path) \(body)")
                let detail = answer.object["detail"] as? String ?? ""
                #expect(detail.contains(reason), "\(path) \(body): \(detail)")
            }
            let play = Self.path(ids[0], "play")
            try await refuses(.post, play, #"{"audio":"exclusive"}"#, "/audio", "duck or mix")
            try await refuses(.post, play, #"{"audio":"loud"}"#, "/audio", "exclusive, duck, mix")
            try await refuses(.post, play, #"{"then":"hold"}"#, "/then", "videos")
            try await refuses(.post, play, #"{"next":["\#(video)"]}"#, "/next", "videos")
            try await refuses(.post, Self.path(ids[0], "pause"), #"{"role":"roll"}"#, "/role", "video")
            try await refuses(.post, play, #"{"positionMs":4000}"#, "/positionMs", "4000 ms")
            try await refuses(.post, play, #"{"positionMs":-1}"#, "/positionMs", "within")
            try await refuses(.post, Self.path(video, "play"), #"{"loop":true}"#, "/loop", "music does")
            try await refuses(.post, Self.path("bars", "play"), #"{"loop":false}"#, "/loop", "music does")
            let sound = "is sound; it goes into audio.music"
            try await refuses(.post, Self.path(video, "play"), #"{"next":["\#(ids[0])"]}"#, "/next/0", sound)
            for path in [Self.program, Self.preview, "/v1/events/e/presets/p"] {
                try await refuses(.put, path, Self.scene(video), "/audio/music/asset", "is a video; it goes into media")
                try await refuses(.put, path, Self.scene("bars"), "/audio/music/asset", "is a video")
                try await refuses(.put, path, Self.scene("none"), "/audio/music/asset", "There is no music \"none\"")
                try await refuses(
                    .put, path, Self.scene(ids[0]).replacing("playing", with: "stopped"), "/audio/music/state",
                    "playing or paused")
                try await refuses(
                    .put, path, #"{"layout":"full","slots":{"main":"media:\#(ids[0])"}}"#, "/slots/main", sound)
                try await refuses(
                    .put, path, #"{"layout":"full","media":{"asset":"\#(ids[0])","state":"playing"}}"#, "/media/asset",
                    sound)
                try await refuses(
                    .put, path,
                    #"{"layout":"full","media":{"asset":"\#(video)","state":"playing","next":["\#(ids[0])"]}}"#,
                    "/media/next/0", sound)
            }
            #expect(program.changes.count == before)
            #expect(try await client.call(.post, Self.path("none", "play"), admin).status == .notFound)
        }
    }

    @Test("what something else has replaced is not brought back by a pause; one that names a place loads it")
    func replaced() async throws {
        try await withMusic { client, admin, _, program, ids, video in
            _ = try await client.call(.post, Self.path(ids[0], "play"), admin)
            _ = try await client.call(.post, Self.path(ids[1], "play"), admin)
            _ = try await client.call(.post, Self.path("bars", "play"), admin)
            let before = program.changes
            for asset in [ids[0], video] {
                let refused = try await client.call(.post, Self.path(asset, "pause"), admin)
                #expect(refused.status == .conflict && refused.object["type"] as? String == "not-loaded")
            }
            #expect(program.changes == before)
            let cued = try await client.call(.post, Self.path(ids[0], "pause"), admin, #"{"positionMs":0}"#)
            #expect(
                Self.music(cued)?["asset"] as? String == ids[0] && Self.music(cued)?["state"] as? String == "paused")
            let clip = try await client.call(.post, Self.path(video, "pause"), admin, #"{"positionMs":100}"#)
            let media = clip.object["media"] as? [String: Any]
            #expect(media?["asset"] as? String == video && media?["state"] as? String == "paused")
            #expect(media?["positionMs"] as? Int == 100)
        }
    }

    @Test("a scene that comes on air goes on with its music, begins it, or ends it")
    func scenes() async throws {
        try await withMusic { client, admin, fixture, program, ids, _ in
            let first = try #require(Self.run(try await client.call(.post, Self.path(ids[0], "play"), admin)))
            _ = try await client.call(.post, Self.path(ids[0], "seek"), admin, #"{"positionMs":1500}"#)
            let run = try #require(program.changes.last?.scene.audio.music?.run)
            #expect(run != first)
            // Whatever the preview says of its start, it is on air already.
            for more in ["", #","positionMs":700"#, #","run":77,"duck":false"#] {
                _ = try await client.call(.put, Self.preview, admin, Self.scene(ids[0], more))
                let taken = try await client.call(.post, Self.take, admin, "{}")
                #expect(Self.run(taken) == run)
                #expect(program.changes.last?.scene.audio.music?.positionMs == 1500)
            }
            #expect(program.changes.last?.scene.audio.music?.duck == false)
            let put = try await client.call(.put, Self.program, admin, Self.scene(ids[0]))
            let quiet = #"{"audio":{"sources":{"media:\#(ids[0])":{"volume":0.5}}}}"#
            let quieter = try await client.call(.patch, Self.program, admin, quiet)
            #expect(Self.run(put) == run && Self.run(quieter) == run)

            let moved = try await client.call(
                .patch, Self.program, admin, #"{"audio":{"music":{"positionMs":200}}}"#)
            let second = try #require(Self.run(moved))
            #expect(second != run && program.changes.last?.scene.audio.music?.positionMs == 200)
            _ = try await client.call(.put, Self.preview, admin, Self.scene(ids[1]))
            let third = try #require(Self.run(try await client.call(.post, Self.take, admin, "{}")))
            #expect(![run, second].contains(third))
            #expect(try await client.call(.put, "/v1/events/e/presets/p", admin, Self.scene(ids[1])).status == .created)
            _ = try await client.call(.put, Self.program, admin, #"{"layout":"full"}"#)
            #expect(program.changes.last?.scene.audio.music == nil)
            #expect(try await client.call(.post, "/v1/events/e/presets/p/recall", admin, "").status == .ok)
            let fourth = try #require(Self.run(try await client.call(.post, Self.take, admin, "{}")))
            #expect(fourth != third)
            let ended = try await client.call(.patch, Self.program, admin, #"{"audio":{"music":null}}"#)
            #expect(ended.status == .ok && program.changes.last?.scene.audio.music == nil)

            // A take that keeps the music changes nothing of it.
            _ = try await client.call(.put, Self.program, admin, Self.scene(ids[0]))
            let kept = try #require(program.changes.last?.scene.audio.music)
            _ = try await client.call(.put, Self.preview, admin, Self.scene(ids[1], layout: "full"))
            let taken = try await client.call(.post, Self.take, admin, #"{"keeps":["music"]}"#)
            #expect(taken.status == .ok && program.changes.last?.scene.audio.music == kept)
            #expect(program.changes.last?.scene.layout == "full")
            _ = try await client.call(.put, Self.program, admin, #"{"layout":"full"}"#)

            // A take for later has its number ahead, and needs it only if the music does not play by then.
            let at = SystemClock.wallMilliseconds() + 3_600_000
            for isOnAir in [false, true] {
                _ = try await client.call(.put, Self.preview, admin, Self.scene(ids[0]))
                let asked = try await client.call(.post, Self.take, admin, #"{"at":\#(at)}"#)
                let planned = try #require(Self.run(asked)), programs = fixture.studio.programs
                let take = try #require(try await programs.setup(for: "e").take)
                if isOnAir { _ = try await client.call(.put, Self.program, admin, Self.scene(ids[0], layout: "full")) }
                let now = try await programs.state(of: "e").scene.audio.music?.run
                let shown = try await programs.finishTake(take.id, of: "e")?.scene
                #expect(shown?.layout == "grid" && shown?.audio.music?.run == (isOnAir ? now : planned))
                _ = try await client.call(.put, Self.program, admin, #"{"layout":"full"}"#)
            }
        }
    }

    @Test("its end, or its failure, takes it out of the scene; a late word changes nothing")
    func ends() async throws {
        try await withMusic { client, admin, fixture, program, ids, _ in
            let programs = fixture.studio.programs
            _ = try await client.call(.post, Self.path(ids[0], "play"), admin, #"{"loop":false}"#)
            let run = try #require(program.changes.last?.scene.audio.music?.run)
            #expect(try await programs.setup(for: "e").musicLengthMs == 4000)
            for (asset, number) in [(ids[0], run + 7), (ids[1], run)] {
                let same = try await programs.rollEnded(asset, run: number, event: "e")
                #expect(same.map { $0.scene == program.changes.last?.scene } ?? true)
            }
            // It may have come to its end while it faded into the pause.
            _ = try await client.call(.post, Self.path(ids[0], "pause"), admin)
            let ended = try #require(try await programs.rollEnded(ids[0], run: run, event: "e"))
            #expect(ended.scene == Scene(layout: "full"))
            #expect(try await programs.state(of: "e").scene.audio.music == nil)
        }
    }
}
