import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import NIOCore
import Testing
import Web

@testable import Studio

@Suite("Events by REST")
struct EventRouteTests {
    @Test("are created once, listed by page, changed under If-Match, and deleted")
    func life() async throws {
        let fixture = try await StudioFixture()
        try await fixture.run { client in
            let admin = try await fixture.token(.admin, event: nil)
            for id in ["a", "b", "c"] {
                #expect(
                    try await client.call(.post, "/v1/events", admin, #"{"id":"\#(id)","title":"T"}"#).status
                        == .created)
            }
            #expect(try await client.call(.post, "/v1/events", admin, #"{"id":"a","title":"T"}"#).status == .conflict)
            let page = try await client.call(.get, "/v1/events?limit=2", admin)
            #expect((page.object["items"] as? [[String: Any]])?.map { $0["id"] as? String } == ["a", "b"])
            #expect(page.object["next"] as? String == "b")
            let rest = try await client.call(.get, "/v1/events?limit=2&after=b", admin)
            #expect((rest.object["items"] as? [[String: Any]])?.count == 1)
            #expect(rest.object["next"] == nil)
            let etag = try #require(try await client.call(.get, "/v1/events/a", admin).headers[.eTag])
            let changed = try await client.call(
                .patch, "/v1/events/a", admin, #"{"title":"New"}"#, headers: [.ifMatch: etag])
            #expect(changed.object["title"] as? String == "New")
            let stale = try await client.call(
                .patch, "/v1/events/a", admin, #"{"title":"X"}"#, headers: [.ifMatch: etag])
            #expect(stale.status == .preconditionFailed)
            #expect(try await client.call(.delete, "/v1/events/a", admin).status == .noContent)
            #expect(try await client.call(.get, "/v1/events/a", admin).status == .notFound)
        }
    }

    @Test(
        "refuse what does not fit, and say where",
        arguments: [
            (#"{"id":"Not A Slug","title":"T"}"#, "/id"), (#"{"id":"x","title":""}"#, "/title"),
            (#"{"id":"x"}"#, "/title"), (#"{"id":"x","title":"T","titel":"T"}"#, "/titel"),
            (#"{"id":"x","title":"T","settings":{"policy":{"guestsVoted":true}}}"#, "/settings/policy/guestsVoted"),
        ])
    func refuse(body: String, pointer: String) async throws {
        let fixture = try await StudioFixture()
        try await fixture.run { client in
            let response = try await client.call(.post, "/v1/events", try await fixture.token(.admin, event: nil), body)
            #expect(response.status == .unprocessableContent)
            #expect(response.object["pointer"] as? String == pointer)
        }
    }

    @Test("are created once for an Idempotency-Key, and another body with it is a conflict")
    func idempotency() async throws {
        let fixture = try await StudioFixture()
        try await fixture.run { client in
            let admin = try await fixture.token(.admin, event: nil)
            let key: HTTPFields = [.idempotencyKey: "k1"]
            let first = try await client.call(.post, "/v1/events", admin, #"{"title":"T"}"#, headers: key)
            let second = try await client.call(.post, "/v1/events", admin, #"{"title":"T"}"#, headers: key)
            #expect(first.status == .created)
            #expect(second.status == .created)
            #expect(first.object["id"] as? String == second.object["id"] as? String)
            let third = try await client.call(.post, "/v1/events", admin, #"{"title":"U"}"#, headers: key)
            #expect(third.status == .conflict)
        }
    }

    @Test("a stream key is given again for the same Idempotency-Key, and is nowhere in the database")
    func secrets() async throws {
        try await withEvent { client, admin, fixture in
            let once: HTTPFields = [.idempotencyKey: "k"], body = #"{"name":"obs","kind":"primary"}"#
            let first = try await client.call(.post, "/v1/events/e/ingests", admin, body, headers: once)
            let again = try await client.call(.post, "/v1/events/e/ingests", admin, body, headers: once)
            let key = try #require(first.object["key"] as? String)
            #expect(again.object["key"] as? String == key)
            let files = try FileManager.default.contentsOfDirectory(at: fixture.folder, includingPropertiesForKeys: nil)
            #expect(files.contains { $0.lastPathComponent == "studio.sqlite-wal" })
            for file in files {
                #expect(try Data(contentsOf: file).range(of: Data(key.utf8)) == nil, "\(file.lastPathComponent)")
            }
        }
    }

    @Test("can't start where no output has dialled in")
    func startWithoutOutput() async throws {
        try await withEvent { client, admin, _ in
            let response = try await client.call(.post, "/v1/events/e/start", admin)
            #expect(response.status == .serviceUnavailable)
            #expect(response.headers[.retryAfter] != nil)
            #expect(try await client.call(.get, "/v1/events/e", admin).object["state"] as? String == "idle")
            #expect(try await client.call(.post, "/v1/events/e/stop", admin).status == .conflict)
            #expect(try await client.call(.post, "/v1/events/e/playback", admin).status == .conflict)
        }
    }
}

@Suite("Invitations and sessions")
struct InvitationTests {
    @Test("a single-use link lets one device in, again after a reload, and nobody else")
    func singleUse() async throws {
        try await withEvent { client, admin, _ in
            let made = try await client.call(
                .post, "/v1/events/e/invitations", admin, #"{"role":"speaker","name":"Ada"}"#)
            #expect(made.status == .created)
            let token = try #require(made.object["token"] as? String)
            #expect((made.object["url"] as? String)?.hasSuffix("/join/\(token)") == true)
            let body = #"{"invitation":"\#(token)"}"#
            let first = try await client.call(.post, "/v1/sessions", nil, body)
            #expect(first.status == .created)
            let cookies = first.headers[values: .setCookie].map { String($0.prefix { $0 != ";" }) }
            let device = try #require(cookies.first { $0.hasPrefix("__Host-proscenium-device=") })
            let again = try await client.call(.post, "/v1/sessions", nil, body, headers: [.cookie: device])
            #expect(again.status == .created)
            #expect(again.object["id"] as? String == first.object["id"] as? String)
            #expect(try await client.call(.post, "/v1/sessions", nil, body).status == .gone)
        }
    }

    @Test("a revoked link ends the sessions that came by it")
    func revoke() async throws {
        try await withEvent { client, admin, _ in
            let made = try await client.call(.post, "/v1/events/e/invitations", admin, #"{"role":"producer"}"#)
            let id = try #require(made.object["id"] as? String), link = try #require(made.object["token"] as? String)
            let accepted = try await client.call(.post, "/v1/invitations/\(link)/accept", nil, "{}")
            let token = try #require(accepted.object["token"] as? String)
            #expect(try await client.call(.get, "/v1/events/e", token).status == .ok)
            #expect(try await client.call(.delete, "/v1/events/e/invitations/\(id)", admin).status == .noContent)
            #expect(try await client.call(.get, "/v1/events/e", token).status == .unauthorized)
            #expect(try await client.call(.post, "/v1/invitations/\(link)/accept", nil, "{}").status == .notFound)
        }
    }

    @Test("a change by cookie needs the Origin and the content type")
    func crossSite() async throws {
        let fixture = try await StudioFixture()
        try await fixture.run { client in
            let admin = try await fixture.token(.admin, event: nil)
            let opened = try await client.call(.post, "/v1/sessions", nil, #"{"token":"\#(admin)"}"#)
            let cookie = try #require(
                opened.headers[values: .setCookie].first { $0.hasPrefix("__Host-proscenium=") }.map {
                    String($0.prefix { $0 != ";" })
                })
            let body = #"{"title":"T"}"#
            func create(_ headers: HTTPFields) async throws -> Int {
                var headers = headers
                headers[.cookie] = cookie
                return try await client.execute(
                    uri: "/v1/events", method: .post, headers: headers, body: ByteBuffer(string: body)
                ).status.code
            }
            let json = "application/json", own = "https://localhost:8443"
            #expect(try await create([.contentType: json]) == 403)
            #expect(try await create([.contentType: json, .origin: "https://evil.example"]) == 403)
            #expect(try await create([.contentType: "text/plain", .origin: own]) == 403)
            #expect(try await create([.contentType: json, .origin: own]) == 201)
        }
    }

    @Test("nobody gives more than they have")
    func escalation() async throws {
        try await withEvent { client, admin, fixture in
            let producer = try await fixture.token(.producer, event: "e")
            for role in ["admin", "producer"] {
                let made = try await client.call(.post, "/v1/events/e/invitations", producer, #"{"role":"\#(role)"}"#)
                #expect(made.status == .forbidden)
            }
        }
    }
}
