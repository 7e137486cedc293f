import Control
import Foundation
import HTTPTypes
import HummingbirdTesting
import Media
import Testing
import Web

@testable import Studio

@Suite("The stage by REST")
struct StageRouteTests {
    private func withRoom(
        _ body: @escaping @Sendable (any TestClientProtocol, String, StudioFixture) async throws -> Void
    ) async throws {
        try await withEvent { client, admin, fixture in
            await fixture.join("e", "ada", name: "Ada")
            await fixture.join("e", "bob", name: "Bob")
            await fixture.join("e", "cleo", name: nil)
            try await body(client, admin, fixture)
        }
    }

    private func participants(_ client: any TestClientProtocol, _ admin: String) async throws -> [String: [String: Any]]
    {
        let list = try await client.call(.get, "/v1/events/e/participants", admin).object["items"] as? [[String: Any]]
        return Dictionary(uniqueKeysWithValues: (list ?? []).map { ($0["id"] as? String ?? "", $0) })
    }

    @Test("people go on stage in order, keep their place when they change, and leave it")
    func order() async throws {
        try await withRoom { client, admin, fixture in
            let store = fixture.studio.programs
            for id in ["bob", "ada"] {
                let put = try await client.call(.put, "/v1/events/e/stage/\(id)", admin, "{}")
                #expect(put.status == .ok)
                #expect(put.object["onStage"] as? Bool == true)
                #expect(put.object["programTime"] as? Int == 500)
            }
            let changed = try await client.call(
                .put, "/v1/events/e/stage/bob", admin, #"{"fit":"fit","zoom":2,"mirror":true}"#)
            #expect(changed.object["zoom"] as? Double == 2)
            let stage = try await store.state(of: "e").stage
            #expect(stage.map(\.participant) == ["bob", "ada"])
            #expect(stage[0] == StagePlace(participant: "bob", fit: .fit, zoom: 2, mirror: true))
            #expect(fixture.control.casts == 3)
            #expect(fixture.control.changes.isEmpty)

            let cast = try await store.cast(of: "e", present: await fixture.studio.speakers.participants("e"))
            #expect(cast.map(\.id) == ["bob", "ada", "cleo"])
            #expect(cast.map(\.isOnStage) == [true, true, false])
            #expect(cast[0].isMirrored && cast[0].zoom == 2 && cast[0].fit == .fit)
            #expect(cast.map(\.name) == ["Bob", "Ada", ""])

            let people = try await participants(client, admin)
            #expect(people["ada"]?["onStage"] as? Bool == true)
            #expect(people["cleo"]?["onStage"] as? Bool == false)
            let left = try await client.call(.delete, "/v1/events/e/stage/bob", admin)
            #expect(left.object["onStage"] as? Bool == false)
            #expect(try await store.state(of: "e").stage.map(\.participant) == ["ada"])
        }
    }

    @Test("a slot of the program takes who is put there, and loses who leaves the stage")
    func slots() async throws {
        try await withRoom { client, admin, fixture in
            let main = try await client.call(.put, "/v1/events/e/stage/ada", admin, #"{"slot":"main"}"#)
            #expect(main.object["programTime"] as? Int == 1002)
            #expect(fixture.control.changes.last?.scene.slots["main"]?.sources == [.participant("ada")])
            _ = try await client.call(.delete, "/v1/events/e/stage/ada", admin)
            #expect(fixture.control.changes.last?.scene.slots.isEmpty == true)
            #expect(fixture.control.changes.last?.version == 3)

            // A slot for several goes on with everybody else.
            _ = try await client.call(.put, "/v1/events/e/program", admin, #"{"layout":"grid"}"#)
            for id in ["bob", "ada"] {
                _ = try await client.call(.put, "/v1/events/e/stage/\(id)", admin, #"{"slot":"speakers"}"#)
            }
            #expect(
                fixture.control.changes.last?.scene.slots["speakers"]?.sources
                    == [.participant("bob"), .participant("ada"), .auto])
        }
    }

    @Test("who is unknown is 404, and what does not fit is 422 with its place")
    func refuse() async throws {
        try await withRoom { client, admin, fixture in
            for (method, body) in [(HTTPRequest.Method.put, "{}"), (.delete, nil)] as [(HTTPRequest.Method, String?)] {
                #expect(try await client.call(method, "/v1/events/e/stage/zoe", admin, body).status == .notFound)
            }
            #expect(
                try await client.call(.patch, "/v1/events/e/participants/zoe", admin, #"{"muted":true}"#).status
                    == .notFound)
            for (path, body, pointer) in [
                ("stage/ada", #"{"slot":"left"}"#, "/slot"), ("stage/ada", #"{"zoom":0.5}"#, "/zoom"),
                ("stage/ada", #"{"fit":"stretch"}"#, "/fit"), ("stage/ada", #"{"mirrored":true}"#, "/mirrored"),
                ("participants/ada", #"{"volume":5}"#, "/volume"), ("participants/ada", #"{"name":""}"#, "/name"),
                ("participants/ada", #"{"role":"admin"}"#, "/role"),
            ] {
                let method: HTTPRequest.Method = path.hasPrefix("stage") ? .put : .patch
                let response = try await client.call(method, "/v1/events/e/\(path)", admin, body)
                #expect(response.status == .unprocessableContent, "\(path) \(body)")
                #expect(response.object["pointer"] as? String == pointer)
            }
            // Somebody whose slot was refused is not on stage either.
            #expect(try await fixture.studio.programs.state(of: "e").stage.isEmpty)
            #expect(fixture.control.casts == 0)
        }
    }

    @Test("name, title, volume and mute of a participant are shown and told")
    func participants() async throws {
        try await withRoom { client, admin, fixture in
            let plain = try #require(try await participants(client, admin)["ada"])
            #expect(plain["volume"] as? Double == 1 && plain["muted"] as? Bool == false && plain["title"] == nil)
            let changed = try await client.call(
                .patch, "/v1/events/e/participants/ada", admin, #"{"title":"Host","volume":0.5}"#)
            #expect(changed.status == .ok)
            #expect(changed.object["programTime"] as? Int == 500)
            _ = try await client.call(
                .patch, "/v1/events/e/participants/ada", admin, #"{"name":"Ada L.","muted":true}"#)
            let now = try #require(try await participants(client, admin)["ada"])
            #expect(now["name"] as? String == "Ada L." && now["title"] as? String == "Host")
            #expect(now["volume"] as? Double == 0.5 && now["muted"] as? Bool == true)
            let cast = try await fixture.studio.programs.cast(
                of: "e", present: await fixture.studio.speakers.participants("e"))
            let ada = try #require(cast.first { $0.id == "ada" })
            #expect(ada.name == "Ada L." && ada.title == "Host" && ada.level == .init(volume: 0.5, muted: true))
            _ = try await client.call(.patch, "/v1/events/e/participants/ada", admin, #"{"title":""}"#)
            #expect(try await participants(client, admin)["ada"]?["title"] == nil)
        }
    }

    @Test("the clock and the set-up of a program are kept, and go with the event")
    func store() async throws {
        try await withRoom { client, admin, fixture in
            let store = fixture.studio.programs
            #expect(try await store.clock(of: "e") == nil)
            let anchor = ClockAnchor(
                clock: ProgramClock(wallMilliseconds: 1_000_000, monotonic: MonotonicTime(nanoseconds: 7)), machine: "m"
            )
            try await store.setClock(anchor, of: "e")
            #expect(try await store.clock(of: "e") == anchor)
            _ = try await client.call(.put, "/v1/events/e/program", admin, #"{"layout":"grid"}"#)
            let parts = try await store.setup(for: "e")
            #expect(parts.clock == anchor && parts.version == 2 && parts.scene.layout == "grid")
            #expect(Set(parts.layouts.map(\.name)).isSuperset(of: ["full", "grid", "share-with-speakers"]))
            await #expect(throws: Problem.self) { try await store.setClock(anchor, of: "nowhere") }
            #expect(try await client.call(.delete, "/v1/events/e", admin).status == .noContent)
            #expect(try await store.clock(of: "e") == nil)
        }
    }
}
