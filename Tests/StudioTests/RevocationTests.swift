import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Testing

@testable import Studio
@testable import Web

@Suite("Revocation reaches everything")
struct RevocationTests {
    private func open(_ path: String, _ fixture: StudioFixture, ticket: String) async -> Int? {
        guard let route = fixture.studio.webSockets.first(where: { $0.path == path }) else { return nil }
        let request = WebSocketRequest(
            parameters: ["event": "e"], query: ["ticket": ticket], headers: [:], remoteAddress: "test")
        do {
            _ = try await route.open(request)
            return 101
        } catch { return (error as? Problem)?.status.code }
    }

    @Test("a ticket in reserve is worth nothing once its token is revoked")
    func reserve() async throws {
        try await withEvent { client, admin, fixture in
            let made = try await client.call(.post, "/v1/events/e/invitations", admin, #"{"role":"speaker"}"#)
            let id = try #require(made.object["id"] as? String), link = try #require(made.object["token"] as? String)
            let accepted = try await client.call(.post, "/v1/invitations/\(link)/accept", nil, "{}")
            let token = try #require(accepted.object["token"] as? String)
            var tickets: [String] = []
            for _ in 0..<3 {
                let issued = try await client.call(.post, "/v1/tickets", token, #"{"event":"e"}"#)
                tickets.append(try #require(issued.object["ticket"] as? String))
            }
            #expect(await open("/v1/events/{event}/rtc", fixture, ticket: tickets[0]) == 101)
            #expect(try await client.call(.delete, "/v1/events/e/invitations/\(id)", admin).status == .noContent)
            #expect(await open("/v1/events/{event}/rtc", fixture, ticket: tickets[1]) == 401)
            #expect(await open("/v1/events/{event}/live", fixture, ticket: tickets[2]) == 401)
        }
    }

    @Test("a deleted event's tokens are not good for the next event of its name")
    func deletion() async throws {
        try await withEvent { client, admin, _ in
            let made = try await client.call(.post, "/v1/events/e/invitations", admin, #"{"role":"producer"}"#)
            let link = try #require(made.object["token"] as? String)
            let accepted = try await client.call(.post, "/v1/invitations/\(link)/accept", nil, "{}")
            let token = try #require(accepted.object["token"] as? String)
            let poll = try await client.call(
                .post, "/v1/events/e/polls", token, #"{"kind":"single","question":"Q","options":["A","B"]}"#)
            #expect(poll.status == .created)
            #expect(try await client.call(.delete, "/v1/events/e", admin).status == .noContent)
            #expect(try await client.call(.post, "/v1/events", admin, #"{"id":"e","title":"T"}"#).status == .created)
            #expect(try await client.call(.get, "/v1/events/e", token).status == .unauthorized)
            let polls = try await client.call(.get, "/v1/events/e/polls", admin)
            #expect((polls.object["items"] as? [Any])?.isEmpty == true)
        }
    }
}
