// WHIP over HTTP, as RFC 9725 has it: methods, types, entity tags, and programs of other origins.

import Control
import Foundation
import HTTPTypes
import HummingbirdTesting
import NIOCore
import Testing
import Web

@testable import Studio

@Suite("WHIP by HTTP")
struct WHIPTests {
    private static let fragment = "a=end-of-candidates\r\n"

    private func name(_ name: String) throws -> HTTPField.Name { try #require(HTTPField.Name(name)) }

    private func send(
        _ client: any TestClientProtocol, _ method: HTTPRequest.Method, _ path: String, _ token: String?,
        type: String? = nil, ifMatch: String? = nil, body: String? = nil
    ) async throws -> TestResponse {
        var headers = HTTPFields()
        if let token { headers[.authorization] = "Bearer \(token)" }
        if let type { headers[.contentType] = type }
        if let ifMatch { headers[.ifMatch] = ifMatch }
        return try await client.execute(
            uri: path, method: method, headers: headers, body: body.map { ByteBuffer(string: $0) })
    }

    @Test("a browser of another origin is told, without a token, what it may send")
    func preflight() async throws {
        try await withEvent { client, _, _ in
            for (path, methods, accepts) in [
                ("whip", "GET, HEAD, POST, OPTIONS", ("Accept-Post", "application/sdp")),
                ("whip/s", "GET, HEAD, PATCH, DELETE, OPTIONS", ("Accept-Patch", "application/trickle-ice-sdpfrag")),
            ] {
                let answer = try await send(client, .options, "/v1/events/e/\(path)", nil)
                #expect(answer.status == .ok)
                #expect(answer.headers[try name(accepts.0)] == accepts.1)
                #expect(answer.headers[.accessControlAllowOrigin] == "*")
                #expect(answer.headers[.accessControlAllowMethods] == methods)
                #expect(answer.headers[.accessControlAllowHeaders]?.contains("If-Match") == true)
                #expect(answer.headers[.accessControlAllowCredentials] == nil, "cookies stay at home")
            }
        }
    }

    @Test(
        "what is there to be read is nothing, by WHIP and by WHEP (RFC 9725 section 4.1)", arguments: ["whip", "whep"])
    func nothing(name: String) async throws {
        try await withEvent { client, _, _ in
            for path in ["/v1/events/e/\(name)", "/v1/events/e/\(name)/s"] {
                for method in [HTTPRequest.Method.get, .head] {
                    let answer = try await send(client, method, path, nil)
                    #expect(answer.status == .noContent && answer.body.readableBytes == 0, "\(method) \(path)")
                    #expect(answer.headers[.accessControlAllowOrigin] == "*")
                }
            }
        }
    }

    @Test("methods that are not taken are refused with those that are")
    func methods() async throws {
        try await withEvent { client, admin, _ in
            for (path, taken, allow) in [
                ("whip", [HTTPRequest.Method.post], "GET, HEAD, POST, OPTIONS"),
                ("whip/s", [.patch, .delete], "GET, HEAD, PATCH, DELETE, OPTIONS"),
            ] {
                for method in [HTTPRequest.Method.put, .post, .patch, .delete]
                where !taken.contains(method) {
                    let answer = try await send(client, method, "/v1/events/e/\(path)", admin)
                    #expect(answer.status == .methodNotAllowed, "\(method) \(path)")
                    #expect(answer.headers[.allow] == allow)
                }
            }
        }
    }

    @Test("refusals say what is wrong, and pages of other origins may read them")
    func refusals() async throws {
        try await withEvent { client, admin, _ in
            let wrong = try await send(client, .post, "/v1/events/e/whip", admin, type: "text/plain", body: "v=0")
            #expect(wrong.status == .unsupportedMediaType)
            #expect(wrong.headers[try name("Accept-Post")] == "application/sdp")
            #expect(wrong.headers[.accessControlAllowOrigin] == "*")
            let nobody = try await send(client, .post, "/v1/events/e/whip", nil, type: "application/sdp", body: "v=0")
            #expect(nobody.status == .unauthorized && nobody.headers[.accessControlAllowOrigin] == "*")
            // No media server is there: later may be better.
            let busy = try await send(client, .post, "/v1/events/e/whip", admin, type: "application/sdp", body: "v=0")
            #expect(busy.status == .serviceUnavailable && busy.headers[.retryAfter] == "1")
            let large = String(repeating: "a", count: 70_000)
            let full = try await send(client, .post, "/v1/events/e/whip", admin, type: "application/sdp", body: large)
            #expect(full.status == .contentTooLarge)

            let session = "/v1/events/e/whip/none", type = SDPSessions.fragment
            let bare = try await send(client, .patch, session, admin, type: type, body: Self.fragment)
            #expect(bare.status == .preconditionRequired)
            for tag in ["*", "\"x\""] {
                let lost = try await send(
                    client, .patch, session, admin, type: type, ifMatch: tag, body: Self.fragment)
                #expect(lost.status == .notFound)
            }
            let other = try await send(client, .patch, session, admin, type: "application/sdp", body: "v=0")
            #expect(try other.status == .unsupportedMediaType && other.headers[name("Accept-Patch")] == type)
            #expect(try await send(client, .delete, session, admin).status == .notFound)
        }
    }

    @Test("candidates are for the generation that there is, and each restart makes another")
    func generations() async throws {
        let fixture = try await ConductorFixture(), scope = ConductorFixture.scope
        let sfu = try await fixture.worker(.sfu, "sfu-1") { command in
            switch command {
            case .sfu(.publish): .sfu(.answer("v=0"))
            case .sfu(.fragment(_, let text, let restarts)):
                text == "bad"
                    ? .refused(SFUError(.malformed, "Line 1 is damaged."))
                    : .sfu(.fragment(restarts || text == "other" ? "ours" : nil))
            default: .sfu(.done)
            }
        }
        try await eventually("the media server is there") { fixture.registry.registration("sfu-1") != nil }
        let ada = ConductorFixture.principal("ada"), bob = ConductorFixture.principal("bob")
        let session = try await fixture.speakers.publish(scope, ada, session: nil, offer: "v=0", sources: [:]).session
        let first = try await fixture.speakers.entityTag(of: session, ada)
        #expect(first.hasPrefix("\"") && first.hasSuffix("\"") && first.count > 8, "a strong tag: \(first)")
        func take(
            _ generation: ICEGeneration, _ text: String = Self.fragment, as caller: Principal? = nil,
            in event: EventScope? = nil
        ) async throws -> (entityTag: String, answer: String?) {
            try await fixture.speakers.take(
                fragment: text, for: generation, event ?? scope, session, caller ?? ada)
        }
        func status(_ work: () async throws -> (entityTag: String, answer: String?)) async -> HTTPResponse.Status? {
            do {
                _ = try await work()
                return nil
            } catch {
                return (error as? Problem)?.status
            }
        }
        let taken = try await take(.tagged(["\"old\"", first]))
        #expect(taken.entityTag == first && taken.answer == nil)
        let second = try await take(.next)
        #expect(second.answer == "ours" && second.entityTag != first)
        #expect(await status { try await take(.tagged([first])) } == .preconditionFailed)
        #expect(await status { try await take(.tagged(["W/" + second.entityTag])) } == .preconditionFailed)
        let later = try await take(.tagged([second.entityTag]))
        #expect(later.entityTag == second.entityTag && later.answer == nil)
        #expect(await status { try await take(.next, "bad") } == .badRequest)
        #expect(try await fixture.speakers.entityTag(of: session, ada) == second.entityTag, "nothing was restarted")
        // Other credentials are a restart, whatever the request says of itself.
        let third = try await take(.tagged([second.entityTag]), "other")
        #expect(third.answer == "ours" && third.entityTag != second.entityTag)
        #expect(await status { try await take(.tagged([second.entityTag])) } == .preconditionFailed)
        #expect(await status { try await take(.next, as: bob) } == .notFound)
        var other = scope
        other.id = "f"
        #expect(await status { try await take(.next, in: other) } == .notFound)
        try await fixture.speakers.leave(session, ada)
        #expect(await status { try await take(.next) } == .notFound)
        sfu.leave()
        try fixture.end()
    }
}
