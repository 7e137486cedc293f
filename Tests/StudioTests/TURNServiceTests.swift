import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Testing
import Web

@testable import Studio

@Suite("Credentials for TURN")
struct TURNServiceTests {
    private let service = TURNService(urls: ["turn:host:3478?transport=udp"], secret: "north")

    private func caller(exp: Int64, jti: String = "j-1") -> Principal {
        Principal(
            claims: TokenClaims(
                sub: "ada", name: "Ada", org: "o", event: "launch", role: .speaker, can: [], exp: exp, jti: jti),
            source: .bearer)
    }

    @Test("are good for an hour, for as long as the token at most, and name nobody")
    func lifetime() throws {
        let one = try #require(
            service.credentials(for: caller(exp: 10_000), .takingPart, nowSeconds: 1000).iceServers.first)
        #expect(one.username.hasPrefix("4600:") && !one.username.contains("ada") && !one.username.contains("j-1"))
        let short = service.credentials(for: caller(exp: 1200), .takingPart, nowSeconds: 1000)
        #expect(short.iceServers.first?.username.hasPrefix("1200:") == true)
        #expect(short.expiresAt == "1970-01-01T00:20:00.000Z")
        let other = try #require(
            service.credentials(for: caller(exp: 10_000, jti: "j-2"), .takingPart, nowSeconds: 1000).iceServers.first)
        #expect(other.username != one.username && other.credential != one.credential)
    }

    @Test("for viewers go by a few names, so that all of them together can't take the relays of speakers")
    func viewers() {
        func name(_ jti: String, _ use: TURNService.Use) -> String {
            let credentials = service.credentials(for: caller(exp: 10_000, jti: jti), use, nowSeconds: 1000)
            return credentials.iceServers[0].username
        }
        let callers = (0..<3000).map { "j-\($0)" }
        let watching = Set(callers.map { name($0, .watching) }), taking = Set(callers.map { name($0, .takingPart) })
        #expect(watching.count <= TURNService.viewerNames && watching.count > TURNService.viewerNames / 2)
        #expect(TURNService.viewerNames * TURNService.relaysPerName <= TURNService.relays / 3)
        #expect(taking.count == callers.count && taking.isDisjoint(with: watching))
        #expect(name("j-7", .watching) == name("j-7", .watching), "asking again gets nobody a further share")
    }

    @Test("allow a relay by every way for every connection of a participant, and for each that is to take its place")
    func enough() {
        // Three tabs with two connections each, which all change their keys at once; UDP, TCP and TLS, by IPv4 and by IPv6.
        #expect(TURNService.relaysPerName == 3 * 2 * 2 * 3 * 2)
        #expect(TURNService.relays < 65_535 - 49_152)
    }

    @Test("are the HMAC-SHA1 of the name")
    func code() throws {
        // RFC 2202 section 3, test case 2: the key "Jefe" and the text "what do ya want for nothing?".
        let service = TURNService(urls: [], secret: "Jefe")
        #expect(service.credential(for: "what do ya want for nothing?") == Self.known)
    }

    private static let known = Data([
        0xef, 0xfc, 0xdf, 0x6a, 0xe5, 0xeb, 0x2f, 0xa2, 0xd2, 0x74, 0x16, 0xd5, 0xf1, 0x84, 0xdf, 0x9c, 0x25, 0x9a,
        0x7c, 0x79,
    ]).base64EncodedString()

    @Test("go to who may publish or watch, and to nobody else")
    func route() async throws {
        let fixture = try await StudioFixture(turn: service)
        let speaker = try await fixture.token(.speaker, event: "launch")
        let guest = try await fixture.token(.attendee, event: "launch")
        // A link that says nothing of watching.
        let stranger = try await fixture.token(.viewer, event: "launch", can: [])
        let admin = try await fixture.token(.admin, event: nil)
        try await fixture.run { client in
            _ = try await client.call(.post, "/v1/events", admin, #"{"id": "launch", "title": "Launch"}"#)
            let answer = try await client.call(.get, "/v1/events/launch/ice-servers", speaker, nil)
            #expect(answer.status == .ok && answer.headers[.cacheControl] == "no-store")
            let servers = try #require(answer.object["iceServers"] as? [[String: Any]])
            #expect(servers.count == 1 && servers[0]["urls"] as? [String] == ["turn:host:3478?transport=udp"])
            let name = try #require(servers[0]["username"] as? String)
            let watching = try await client.call(.get, "/v1/events/launch/ice-servers", guest, nil)
            let viewers = try #require((watching.object["iceServers"] as? [[String: Any]])?.first)
            #expect(watching.status == .ok && (viewers["username"] as? String)?.contains(":viewers-") == true)
            #expect(!name.contains("viewers"))
            #expect(try await client.call(.get, "/v1/events/launch/ice-servers", stranger, nil).status == .forbidden)
            #expect(try await client.call(.get, "/v1/events/launch/ice-servers", nil, nil).status == .unauthorized)
        }
    }

    @Test("are none where nobody relays")
    func none() async throws {
        let fixture = try await StudioFixture()
        let admin = try await fixture.token(.admin, event: nil)
        try await fixture.run { client in
            _ = try await client.call(.post, "/v1/events", admin, #"{"id": "launch", "title": "Launch"}"#)
            let answer = try await client.call(.get, "/v1/events/launch/ice-servers", admin, nil)
            #expect(answer.status == .ok && (answer.object["iceServers"] as? [Any])?.isEmpty == true)
        }
    }

    @Test("stand in Link as RFC 9725 has it")
    func links() throws {
        let credentials = service.credentials(for: caller(exp: 10_000), .takingPart, nowSeconds: 1000)
        let server = try #require(credentials.iceServers.first)
        #expect(
            credentials.links == [
                "<turn:host:3478?transport=udp>; rel=\"ice-server\"; username=\"\(server.username)\"; "
                    + "credential=\"\(server.credential)\"; credential-type=\"password\""
            ])
    }
}
