import Control
import Foundation
import HTTPTypes
import HummingbirdTesting
import Media
import Testing
import Web

@testable import Studio

@Suite("Rolls that come on air with a scene")
struct TakenRollTests {
    private static let home = ##"{"layout":"full","slots":{"main":"slides"},"background":"#102030"}"##
    private static let program = "/v1/events/e/program", preview = "/v1/events/e/preview", take = "/v1/events/e/take"
    private static let cut = ProgramChange.Transition(kind: .cut, milliseconds: 0)

    private func withClip(
        _ body:
            @escaping @Sendable (any TestClientProtocol, String, StudioFixture, FakeProgram, String) async throws ->
            Void
    ) async throws {
        let program = FakeProgram(), fixture = try await StudioFixture(control: program, decoder: FakeDecoder())
        try await fixture.run { client in
            let admin = try await fixture.token(.admin, event: nil)
            _ = try await client.call(.post, "/v1/events", admin, #"{"id":"e","title":"T"}"#)
            let made = try await client.upload("/v1/events/e/assets", admin, FakeDecoder.video, type: "video/mp4")
            let clip = try #require(made.object["id"] as? String)
            #expect(try await client.call(.put, Self.program, admin, Self.home).status == .ok)
            try await body(client, admin, fixture, program, clip)
        }
    }

    /// A scene that shows a clip in the whole picture.
    private static func scene(_ clip: String, _ more: String = "") -> String {
        let media = #"{"asset":"\#(clip)","state":"playing"\#(more)}"#
        return #"{"layout":"media-full","slots":{"main":"media:\#(clip)"},"media":\#(media)}"#
    }

    private static func run(_ answer: TestResponse) -> Int64? {
        ((answer.object["media"] as? [String: Any])?["run"] as? NSNumber)?.int64Value
    }

    @Test("a preview is taken: its roll ends, the scene of before comes back, and taken again the roll begins again")
    func takenAgain() async throws {
        try await withClip { client, admin, fixture, program, clip in
            #expect(try await client.call(.put, Self.preview, admin, Self.scene(clip)).status == .ok)
            let before = try #require(program.changes.last?.scene)
            var runs: Set<Int64> = []
            for _ in 1...3 {
                let taken = try await client.call(.post, Self.take, admin, "{}")
                #expect(taken.status == .ok)
                let run = try #require(Self.run(taken))
                #expect(run != 0 && runs.insert(run).inserted)
                #expect(program.changes.last?.scene.media?.run == run)
                let back = try #require(try await fixture.studio.programs.rollEnded(clip, run: run, event: "e"))
                #expect(back.scene == before)
            }
        }
    }

    @Test("a roll that was taken is stopped, and the scene of before comes back")
    func stopped() async throws {
        try await withClip { client, admin, _, program, clip in
            let before = try #require(program.changes.last?.scene)
            _ = try await client.call(.put, Self.preview, admin, Self.scene(clip))
            _ = try await client.call(.post, Self.take, admin, "{}")
            #expect(try await client.call(.post, "/v1/events/e/media/\(clip)/stop", admin).status == .ok)
            #expect(program.changes.last?.scene == before)
        }
    }

    @Test(
        "a take for later begins its roll under the number that the compositor was told, and goes back to what was on air"
    )
    func later() async throws {
        try await withClip { client, admin, fixture, _, clip in
            let programs = fixture.studio.programs
            _ = try await client.call(.put, Self.preview, admin, Self.scene(clip))
            var runs: Set<Int64> = []
            for (index, layout) in ["grid", "split-2"].enumerated() {
                let at = SystemClock.wallMilliseconds() + 3_600_000 + Int64(index)
                let asked = try await client.call(.post, Self.take, admin, #"{"at":\#(at)}"#)
                #expect(asked.status == .accepted)
                let take = try #require(try await programs.setup(for: "e").take)
                let run = try #require(take.scene.media?.run)
                // A browser keeps it as it is.
                #expect(run != 0 && run < 1 << 53 && runs.insert(run).inserted && Self.run(asked) == run)
                // What is on air at its moment is what comes back, not what was when it was asked for.
                _ = try await client.call(.put, Self.program, admin, #"{"layout":"\#(layout)"}"#)
                let before = try await programs.state(of: "e").scene
                let shown = try #require(try await programs.finishTake(take.id, of: "e")?.scene)
                #expect(shown.media?.run == run && shown.media?.after?.layout == layout)
                #expect(shown == take.scene(after: before, layout: fixture.studio.programs.builtIn[take.scene.layout]))
                let back = try #require(try await programs.rollEnded(clip, run: run, event: "e"))
                #expect(back.scene == before)
            }
        }
    }

    @Test("a take goes on with the roll that is on air, at once and later, and still goes back to the scene before it")
    func goesOn() async throws {
        try await withClip { client, admin, fixture, program, clip in
            let programs = fixture.studio.programs, before = try #require(program.changes.last?.scene)
            let played = try await client.call(.post, "/v1/events/e/media/\(clip)/play", admin)
            let run = try #require(Self.run(played))
            // Whatever number an earlier start has left in the preview.
            _ = try await client.call(.put, Self.preview, admin, Self.scene(clip, #","run":77,"audio":"mix""#))
            let taken = try await client.call(.post, Self.take, admin, "{}")
            #expect(Self.run(taken) == run && program.changes.last?.scene.media?.audio == .mix)
            let take = try await programs.schedule("e", at: ProgramTime(milliseconds: 5000)) { _, _ in Self.cut }
            #expect(take.scene.media?.run != run)
            #expect(try await programs.finishTake(take.id, of: "e")?.scene.media?.run == run)
            #expect(try await programs.rollEnded(clip, run: run, event: "e")?.scene == before)
            // Its moment is what counts: the same take would begin it now.
            let next = try await programs.schedule("e", at: ProgramTime(milliseconds: 6000)) { _, _ in Self.cut }
            #expect(try await programs.finishTake(next.id, of: "e")?.scene.media?.run == next.scene.media?.run)
        }
    }

    @Test("a take begins a roll that stands at its end, one from another place, and one that was stopped")
    func beginsAnew() async throws {
        try await withClip { client, admin, fixture, program, clip in
            let programs = fixture.studio.programs
            _ = try await client.call(.put, Self.preview, admin, Self.scene(clip, #","then":"hold""#))
            let first = try #require(Self.run(try await client.call(.post, Self.take, admin, "{}")))
            let held = try #require(try await programs.rollEnded(clip, run: first, event: "e"))
            #expect(held.scene.media?.state == .paused)
            let second = try #require(Self.run(try await client.call(.post, Self.take, admin, "{}")))
            #expect(second != first && program.changes.last?.scene.media?.positionMs == 0)
            #expect(program.changes.last?.scene.media?.after?.layout == "full")
            _ = try await client.call(.put, Self.preview, admin, Self.scene(clip, #","positionMs":1500"#))
            let third = try #require(Self.run(try await client.call(.post, Self.take, admin, "{}")))
            #expect(third != second && program.changes.last?.scene.media?.positionMs == 1500)
            let again = try await client.call(.post, Self.take, admin, "{}")
            #expect(Self.run(again) == third)
            let stop = #"{"media":{"state":"stopped"}}"#
            #expect(try await client.call(.patch, Self.program, admin, stop).status == .ok)
            let fourth = try #require(Self.run(try await client.call(.post, Self.take, admin, "{}")))
            #expect(fourth != third)
        }
    }

    @Test("a scene put on the program begins its roll, says so again without harm, and another number begins it anew")
    func put() async throws {
        try await withClip { client, admin, fixture, program, clip in
            let programs = fixture.studio.programs, before = try #require(program.changes.last?.scene)
            let first = try #require(Self.run(try await client.call(.put, Self.program, admin, Self.scene(clip))))
            #expect(first != 0)
            let same = try await client.call(.put, Self.program, admin, Self.scene(clip))
            #expect(Self.run(same) == first)
            let paused = try await client.call(.patch, Self.program, admin, #"{"media":{"state":"paused"}}"#)
            #expect(Self.run(paused) == first)
            let other = try await client.call(.put, Self.program, admin, Self.scene(clip, #","run":\#(first + 7)"#))
            let second = try #require(Self.run(other))
            #expect(second != first)
            #expect(try await programs.rollEnded(clip, run: second, event: "e")?.scene == before)
            let third = try #require(Self.run(try await client.call(.put, Self.program, admin, Self.scene(clip))))
            #expect(![first, second].contains(third))
            let next = try await client.call(
                .patch, Self.program, admin, #"{"slots":{"main":"media:countdown"},"media":{"asset":"countdown"}}"#)
            let fourth = try #require(Self.run(next))
            #expect(fourth != third)
            #expect(try await programs.rollEnded("countdown", run: fourth, event: "e")?.scene == before)
        }
    }

    @Test("a roll that no slot shows is heard, and the scene stays when it has ended")
    func heard() async throws {
        try await withClip { client, admin, fixture, _, clip in
            let scene = #"{"layout":"grid","media":{"asset":"\#(clip)","state":"playing"}}"#
            _ = try await client.call(.put, Self.preview, admin, scene)
            let run = try #require(Self.run(try await client.call(.post, Self.take, admin, "{}")))
            let back = try #require(try await fixture.studio.programs.rollEnded(clip, run: run, event: "e"))
            #expect(back.scene.layout == "grid" && back.scene.media == nil)
        }
    }

    @Test("a preset with a roll is recalled and taken, twice")
    func recalled() async throws {
        try await withClip { client, admin, fixture, program, clip in
            let preset = "/v1/events/e/presets/opening", before = try #require(program.changes.last?.scene)
            #expect(
                try await client.call(.put, preset, admin, Self.scene(clip, #","run":3"#)).status == .created)
            var runs: Set<Int64> = []
            for _ in 1...2 {
                #expect(try await client.call(.post, "\(preset)/recall", admin, "").status == .ok)
                let run = try #require(Self.run(try await client.call(.post, Self.take, admin, "{}")))
                #expect(runs.insert(run).inserted)
                let back = try await fixture.studio.programs.rollEnded(clip, run: run, event: "e")
                #expect(back?.scene == before)
            }
        }
    }
}
