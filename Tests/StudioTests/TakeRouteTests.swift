import Control
import Foundation
import HTTPTypes
import HummingbirdTesting
import Media
import Testing
import Web

@testable import Studio

@Suite("A take that waits")
struct TakeRouteTests {
    @Test("is kept with the preview as it was, read, replaced and taken back; the program does not change")
    func waits() async throws {
        try await withEvent { client, admin, fixture in
            let path = "/v1/events/e/take", at = SystemClock.wallMilliseconds() + 3_600_000
            #expect(try await client.call(.get, path, admin).status == .notFound)
            _ = try await client.call(.put, "/v1/events/e/preview", admin, #"{"layout":"grid"}"#)
            let made = try await client.call(
                .post, path, admin, #"{"transition":"wipe","durationMs":700,"at":\#(at)}"#)
            #expect(made.status == .accepted)
            #expect(made.object["layout"] as? String == "grid" && made.object["programTime"] as? Int64 == at)
            #expect(made.object["ready"] as? Bool == true)
            #expect(fixture.control.changes.isEmpty && fixture.control.takes == ["e"])
            _ = try await client.call(.put, "/v1/events/e/preview", admin, #"{"layout":"split-2"}"#)
            let read = try await client.call(.get, path, admin)
            #expect(read.object["transition"] as? String == "wipe" && read.object["durationMs"] as? Int == 700)
            #expect(read.object["at"] as? Int64 == at && read.headers[.eTag] == made.headers[.eTag])
            #expect((read.object["scene"] as? [String: Any])?["layout"] as? String == "grid")
            let next = try await client.call(.post, path, admin, #"{"at":\#(at + 1000)}"#)
            #expect(next.status == .accepted && next.headers[.eTag] != made.headers[.eTag])
            let tag = made.headers[.eTag] ?? ""
            #expect(
                try await client.call(.delete, path, admin, nil, headers: [.ifMatch: tag]).status == .preconditionFailed
            )
            #expect(try await client.call(.delete, path, admin).status == .noContent)
            #expect(try await client.call(.delete, path, admin).status == .notFound)
            #expect(try await client.call(.get, path, admin).status == .notFound)
            let program = try await client.call(.get, "/v1/events/e/program", admin)
            #expect(program.object["layout"] as? String == "full")
            #expect(fixture.control.takes.count == 3)
        }
    }

    @Test("comes within a day, and keeps what its scene names")
    func bounds() async throws {
        try await withEvent(control: FakeProgram(isThere: false)) { client, admin, _ in
            let path = "/v1/events/e/take", now = SystemClock.wallMilliseconds()
            let far = try await client.call(.post, path, admin, #"{"at":\#(now + 86_500_000)}"#)
            #expect(far.status == .unprocessableContent && far.object["pointer"] as? String == "/at")
            let layout = #"{"name":"duo","slots":[{"id":"left","rect":[0,0,9,9]}]}"#
            _ = try await client.call(.put, "/v1/events/e/layouts/duo", admin, layout)
            _ = try await client.call(.put, "/v1/events/e/preview", admin, #"{"layout":"duo"}"#)
            let made = try await client.call(.post, path, admin, #"{"at":\#(now + 86_000_000)}"#)
            #expect(made.status == .accepted && made.object["ready"] as? Bool == false)
            _ = try await client.call(.put, "/v1/events/e/preview", admin, #"{"layout":"full"}"#)
            #expect(try await client.call(.delete, "/v1/events/e/layouts/duo", admin).status == .conflict)
            _ = try await client.call(.delete, path, admin)
            #expect(try await client.call(.delete, "/v1/events/e/layouts/duo", admin).status == .noContent)
        }
    }

    @Test("is named to the compositor with every change of the program while it waits")
    func named() async throws {
        try await withEvent { client, admin, fixture in
            let programs = fixture.studio.programs, path = "/v1/events/e/program"
            try await programs.update("e") { state, _ in state.preview = Scene(layout: "grid") }
            let take = try await programs.schedule("e", at: ProgramTime(milliseconds: 5000)) { _, _ in
                .init(kind: .cut, milliseconds: 0)
            }
            _ = try await client.call(.patch, path, admin, #"{"layout":"split-2"}"#)
            #expect(fixture.control.changes.last?.take == take.id)
            _ = try await programs.finishTake(take.id, of: "e")
            _ = try await client.call(.patch, path, admin, #"{"layout":"full"}"#)
            #expect(fixture.control.changes.last?.take == nil && fixture.control.changes.last?.scene.layout == "full")
        }
    }

    @Test("becomes the program's scene once, when it was shown, and not when another one waits by then")
    func finished() async throws {
        try await withEvent { client, admin, fixture in
            let programs = fixture.studio.programs, at = ProgramTime(milliseconds: 5000)
            try await programs.update("e") { state, _ in state.preview = Scene(layout: "grid") }
            let cut = ProgramChange.Transition(kind: .cut, milliseconds: 0)
            let first = try await programs.schedule("e", at: at) { _, _ in cut }
            let second = try await programs.schedule("e", at: at) { _, _ in cut }
            #expect(try await programs.finishTake(first.id, of: "e") == nil)
            #expect(try await programs.setup(for: "e").take == second)
            #expect(try await programs.takes(before: at).isEmpty)
            #expect(try await programs.takes(before: at.advanced(byMilliseconds: 1)) == ["e": second])
            let state = try await programs.finishTake(second.id, of: "e")
            #expect(state?.scene.layout == "grid" && state?.version == 2)
            #expect(try await programs.finishTake(second.id, of: "e") == nil)
            let program = try await client.call(.get, "/v1/events/e/program", admin)
            #expect(program.object["layout"] as? String == "grid")
        }
    }
}
