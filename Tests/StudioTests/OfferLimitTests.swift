// How many offers an address may make, and how many connections the people of one event have.

import Control
import Foundation
import HTTPTypes
import HummingbirdTesting
import Logging
import NIOCore
import NIOEmbedded
import NIOWebSocket
import Testing

@testable import Studio
@testable import Web

@Suite("Offers and connections are limited")
struct OfferLimitTests {
    /// A page's socket without a network.
    private struct Socket {
        private struct Answer: Decodable {
            struct Failure: Decodable { let status: Int, retryAfterMs: Int64? }
            let id: Int?, error: Failure?
        }
        let channel = NIOAsyncTestingChannel()
        let handler: any WebSocketHandler, peer: WebSocketPeer

        init(_ fixture: StudioFixture, _ client: any TestClientProtocol, _ token: String, from address: String)
            async throws
        {
            let issued = try await client.call(.post, "/v1/tickets", token, #"{"event":"e"}"#)
            let ticket = try #require(issued.object["ticket"] as? String)
            let route = try #require(fixture.studio.webSockets.first { $0.path == "/v1/events/{event}/rtc" })
            handler = try await route.open(
                WebSocketRequest(
                    parameters: ["event": "e"], query: ["ticket": ticket], headers: [:], remoteAddress: address))
            peer = WebSocketPeer(channel: channel, masks: false)
            handler.opened(peer)
        }

        /// How a request to publish is refused, and for how long.
        func publish(_ id: Int) async throws -> (status: Int?, retryAfterMs: Int64?) {
            handler.received(#"{"id":\#(id),"publish":{"offer":"v=0"}}"#, from: peer)
            while true {
                let frame = try await channel.waitForOutboundWrite(as: WebSocketFrame.self)
                let said = try JSONDecoder().decode(Answer.self, from: Data(frame.unmaskedData.readableBytesView))
                if said.id == id { return (said.error?.status, said.error?.retryAfterMs) }
            }
        }

        func close() { handler.closed(peer) }
    }

    @Test("offers to send are counted by address, by WHIP and by the pages' sockets together")
    func offers() async throws {
        try await withEvent { client, admin, fixture in
            var headers: HTTPFields = [.contentType: "application/sdp"]
            headers[.authorization] = "Bearer \(admin)"
            var taken = 0, refused: TestResponse?
            while refused == nil, taken < 400 {
                let answer = try await client.execute(
                    uri: "/v1/events/e/whip", method: .post, headers: headers, body: ByteBuffer(string: "v=0"))
                // No media server is there.
                if answer.status == .serviceUnavailable { taken += 1 } else { refused = answer }
            }
            let answer = try #require(refused)
            #expect(answer.status == .tooManyRequests && taken >= 200, "\(taken) were taken")
            #expect(answer.headers[.retryAfter] != nil && answer.object["retryAfterMs"] != nil)
            #expect((answer.object["type"] as? String)?.isEmpty == false)
            // The pages' sockets of this address share it; meanwhile one or two more may have their turn.
            let same = try await Socket(fixture, client, admin, from: "local")
            var last: (status: Int?, retryAfterMs: Int64?) = (nil, nil)
            for id in 1...50 where last.status != 429 { last = try await same.publish(id) }
            #expect(last.status == 429 && last.retryAfterMs ?? 0 > 0)
            let other = try await Socket(fixture, client, admin, from: "192.0.2.7")
            #expect(try await other.publish(1).status == 503, "somebody else's")
            same.close()
            other.close()
        }
    }

    @Test("the people of an event have so many connections, and who changes keys has two for a moment")
    func connections() async throws {
        let fixture = try await ConductorFixture(), scope = ConductorFixture.scope
        let others = try await fixture.started(), sfu = try await fixture.sfu(offers: false)
        let speakers = SpeakerRooms(registry: fixture.registry, logger: Logger(label: "test"), connectionLimit: 2)
        func publish(_ id: String, replacing: String? = nil) async throws -> String {
            try await speakers.publish(
                scope, ConductorFixture.principal(id), session: nil, offer: "v=0", sources: [:], replacing: replacing
            ).session
        }
        func refusal(_ id: String) async -> Problem? {
            do {
                _ = try await publish(id)
                return nil
            } catch {
                return error as? Problem
            }
        }
        let ada = try await publish("ada"), ben = try await publish("ben")
        let full = await refusal("cleo")
        #expect(full?.status == .serviceUnavailable && full?.retryAfterMs == 5000)
        #expect(full?.detail?.contains("2 connections") == true, "\(full?.detail ?? "")")
        #expect(await speakers.participants("e").map(\.id) == ["ada", "ben"], "who is refused leaves nothing")
        let next = try await publish("ada", replacing: ada)
        await speakers.follow(.replaced(room: "e", session: ada, by: next))
        await speakers.follow(.left(room: "e", participant: "ada", session: ada, reason: "replaced"))
        #expect(await refusal("cleo")?.status == .serviceUnavailable, "her second is her first now")
        // Somebody else's event is not touched by it.
        try await fixture.add("f")
        _ = try await speakers.publish(
            EventScope(id: "f", org: "o", policy: ParticipationPolicy()), ConductorFixture.principal("dan"),
            session: nil, offer: "v=0", sources: [:])
        try await speakers.leave(ben, ConductorFixture.principal("ben"))
        #expect(await refusal("cleo") == nil)
        for worker in others + [sfu] { worker.leave() }
        try fixture.end()
    }
}
