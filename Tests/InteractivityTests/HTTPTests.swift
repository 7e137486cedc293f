import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import JWTKit
import NIOCore
import Synchronization
import Testing
import Web

@testable import Interactivity

private struct NoCredentials: CredentialStore {
    func isRevoked(jti: String) async throws -> Bool { jti == "revoked" }
    func session(hash: String, nowSeconds: Int64) async throws -> TokenClaims? { nil }
}

private actor OneShot: IdempotencyStore {
    private var answers: [String: StoredAnswer] = [:]
    func answer(scope: String, key: String) async throws -> StoredAnswer? { answers[scope + key] }
    func store(_ answer: StoredAnswer, scope: String, key: String) async throws { answers[scope + key] = answer }
}

/// The routes on a router in memory, with tokens for every role.
struct HTTPStage: @unchecked Sendable {
    // The book is only read once the routes stand in it.
    let stage: Stage
    let router = Router(context: WebContext.self)
    let book: RouteBook
    private let keys: TokenKeys

    init(queueLimit: Int = 8192) async throws {
        stage = try Stage(queueLimit: queueLimit)
        keys = try await TokenKeys(pem: ES256PrivateKey().pemRepresentation)
        router.add(middleware: ProblemMiddleware(metrics: Metrics()))
        let time = stage.time
        book = RouteBook(
            router: router,
            guard: .init(
                authenticator: Authenticator(keys: keys, store: NoCredentials(), nowSeconds: { time.wall / 1000 }),
                directory: OneEvent(), idempotency: OneShot(), origins: []))
        stage.service.addRoutes(to: book)
    }

    func headers(_ role: Role, sub: String = "ada", org: String = "acme") async throws -> HTTPFields {
        let claims = TokenClaims(
            sub: sub, name: nil, org: org, event: "gala", role: role, can: role == .viewer ? ["watch"] : [],
            exp: stage.time.wall / 1000 + 3600, jti: "j")
        return [.authorization: "Bearer \(try await keys.sign(claims))", .contentType: "application/json"]
    }
}

private let polls = "/v1/events/gala/polls"

private func object(_ response: TestResponse) -> [String: Any] {
    (try? JSONSerialization.jsonObject(with: Data(response.body.readableBytesView)) as? [String: Any]) ?? [:]
}

@Suite("Taking part over HTTP")
struct HTTPTests {
    @Test("creates, opens, takes votes, closes and tells the results")
    func whole() async throws {
        let http = try await HTTPStage()
        let host = try await http.headers(.moderator), ada = try await http.headers(.attendee)
        try await Application(router: http.router).test(.router) { client in
            let made = try await client.execute(
                uri: polls, method: .post, headers: host,
                body: ByteBuffer(string: #"{"question":"Which?","options":["A","B"]}"#))
            #expect(made.status == .created)
            let id = try #require(object(made)["id"] as? String)
            #expect(made.headers[.location] == "\(polls)/\(id)")
            #expect(made.headers[.eTag] != nil)
            let hidden = try await client.execute(uri: "\(polls)/\(id)", method: .get, headers: ada)
            #expect(hidden.status == .notFound)
            let opened = try await client.execute(
                uri: "\(polls)/\(id)/open", method: .post, headers: host, body: ByteBuffer(string: "{}"))
            #expect(opened.status == .ok)
            #expect((object(opened)["openedAt"] as? Int64) == http.stage.time.wall)
            let ballot = ByteBuffer(string: #"{"choices":["o2"],"playhead":1}"#)
            let vote = try await client.execute(
                uri: "\(polls)/\(id)/ballots/me", method: .put, headers: ada, body: ballot)
            #expect(vote.status == .ok)
            let again = try await client.execute(
                uri: "\(polls)/\(id)/ballots/me", method: .put, headers: ada, body: ballot)
            #expect(again.status == .ok)
            #expect(again.body == vote.body)
            let other = try await client.execute(
                uri: "\(polls)/\(id)/ballots/me", method: .put, headers: ada,
                body: ByteBuffer(string: #"{"choices":["o1"]}"#))
            #expect(other.status == .conflict)
            #expect(object(other)["type"] as? String == "already-voted")
            let unknown = try await client.execute(
                uri: "\(polls)/\(id)/ballots/me", method: .put, headers: ada,
                body: ByteBuffer(string: #"{"choices":["o9"]}"#))
            #expect(unknown.status == .unprocessableContent)
            #expect(object(unknown)["type"] as? String == "unknown-option")
            let closed = try await client.execute(uri: "\(polls)/\(id)/close", method: .post, headers: host)
            #expect(object(closed)["state"] as? String == "closed")
            let late = try await client.execute(
                uri: "\(polls)/\(id)/ballots/me", method: .put, headers: try await http.headers(.attendee, sub: "bob"),
                body: ballot)
            #expect(object(late)["type"] as? String == "poll-closed")
            let results = try await client.execute(uri: "\(polls)/\(id)/results", method: .get, headers: ada)
            #expect(object(results)["tally"] as? [String: Int] == ["o1": 0, "o2": 1])
            #expect(object(results)["provisional"] as? Bool == false)
        }
    }

    @Test("enforces the table of roles on every route", arguments: Role.allCases)
    func roles(_ role: Role) async throws {
        let http = try await HTTPStage(), headers = try await http.headers(role)
        #expect(http.book.entries.count == 13)
        try await Application(router: http.router).test(.router) { client in
            for entry in http.book.entries where !entry.path.hasSuffix("/live") {
                guard case .permission(let permission) = entry.access else {
                    Issue.record("\(entry.path) names no permission")
                    continue
                }
                let path = entry.path.replacing("{event}", with: "gala").replacing("{poll}", with: "p")
                let allowed =
                    switch RoleTable.grant(permission, role) {
                    case .no: false
                    default: true
                    }
                let response = try await client.execute(
                    uri: path, method: entry.method, headers: headers, body: ByteBuffer(string: "{}"))
                #expect((response.status == .forbidden) == !allowed, "\(entry.method) \(path) \(role)")
                let nobody = try await client.execute(uri: path, method: entry.method)
                #expect(nobody.status == .unauthorized)
                let stranger = try await client.execute(
                    uri: path, method: entry.method, headers: try await http.headers(role, org: "other"))
                #expect(stranger.status == .notFound)
            }
        }
    }

    @Test("names what is wrong with a request")
    func wrong() async throws {
        let http = try await HTTPStage(), host = try await http.headers(.producer)
        try await Application(router: http.router).test(.router) { client in
            for (body, status, pointer) in [
                ("{", 400, nil), (#"{"question":"Q"}"#, 422, "/options"),
                (#"{"question":"Q","options":["A","B"],"x":1}"#, 422, "/x"),
                (#"{"question":"Q","options":["A","B"],"kind":"many"}"#, 422, "/kind"),
                (#"{"question":"Q","options":["A"]}"#, 422, "/options"),
            ] {
                let response = try await client.execute(
                    uri: polls, method: .post, headers: host, body: ByteBuffer(string: body))
                #expect(response.status.code == status)
                #expect(response.headers[.contentType] == "application/problem+json")
                #expect(object(response)["pointer"] as? String == pointer)
            }
        }
    }

    @Test("changes a draft only, and only the version that was read")
    func patch() async throws {
        let http = try await HTTPStage()
        let plain = try await http.headers(.producer)
        try await Application(router: http.router).test(.router) { client in
            var host = plain
            let made = try await client.execute(
                uri: polls, method: .post, headers: host,
                body: ByteBuffer(string: #"{"question":"Which?","options":["A","B"]}"#))
            let uri = "\(polls)/\(object(made)["id"] as? String ?? "")"
            host[.ifMatch] = made.headers[.eTag]
            let body = ByteBuffer(string: #"{"options":["A","B","C"]}"#)
            let changed = try await client.execute(uri: uri, method: .patch, headers: host, body: body)
            #expect((object(changed)["options"] as? [Any])?.count == 3)
            let stale = try await client.execute(uri: uri, method: .patch, headers: host, body: body)
            #expect(stale.status == .preconditionFailed)
            host[.ifMatch] = nil
            _ = try await client.execute(uri: uri + "/open", method: .post, headers: host)
            let open = try await client.execute(uri: uri, method: .patch, headers: host, body: body)
            #expect(open.status == .conflict)
        }
    }

    @Test("says 503 with Retry-After when votes can not be written fast enough")
    func overload() async throws {
        let http = try await HTTPStage(queueLimit: 1)
        _ = try await http.stage.poll()
        var headers: [HTTPFields] = []
        for index in 0..<60 { headers.append(try await http.headers(.attendee, sub: "v\(index)")) }
        let all = headers
        try await Application(router: http.router).test(.router) { client in
            let (taken, refused) = try await withThrowingTaskGroup(of: TestResponse.self, returning: (Int, Int).self) {
                group in
                for index in 0..<60 {
                    group.addTask {
                        try await client.execute(
                            uri: "\(polls)/p/ballots/me", method: .put, headers: all[index],
                            body: ByteBuffer(string: #"{"choices":["o1"]}"#))
                    }
                }
                var taken = 0, refused = 0
                for try await response in group {
                    switch response.status {
                    case .ok: taken += 1
                    case .serviceUnavailable where response.headers[.retryAfter] != nil: refused += 1
                    default: Issue.record("\(response.status)")
                    }
                }
                return (taken, refused)
            }
            #expect(taken + refused == 60)
            #expect(try await http.stage.recount().voters == taken)
        }
    }

    @Test("sums reactions, and limits a person")
    func reactions() async throws {
        let http = try await HTTPStage(), ada = try await http.headers(.attendee), reader = FakeReader()
        try await http.stage.join(reader, .published)
        try await Application(router: http.router).test(.router) { client in
            let body = ByteBuffer(string: #"{"kind":"applause","count":5}"#)
            let uri = "/v1/events/gala/reactions"
            #expect(try await client.execute(uri: uri, method: .post, headers: ada, body: body).status == .accepted)
            let second = try await client.execute(uri: uri, method: .post, headers: ada, body: body)
            #expect(second.status == .tooManyRequests)
            #expect(second.headers[.retryAfter] != nil)
            let unknown = try await client.execute(
                uri: uri, method: .post, headers: ada, body: ByteBuffer(string: #"{"kind":"boo"}"#))
            #expect(unknown.status == .unprocessableContent)
        }
        await http.stage.pass(1000)
        #expect(reader.data("reactions").first?["counts"] as? [String: Int] == ["applause": 5])
    }
}
