import Crypto
import Foundation
import GRDB
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Interactivity
import Logging
import NIOCore
import Testing
import Web

@testable import Studio

/// Studio over a database in a temporary folder, driven in memory.
///
/// Unchecked, because the routers are complete before a test reads them.
struct StudioFixture: @unchecked Sendable {
    let studio: StudioApplication
    let keys: TokenKeys
    let folder: URL
    let control: FakeProgram
    let database: DatabasePool

    /// The root of the repository.
    static let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    init(
        openAPI: URL? = nil, layouts: URL? = nil, control: FakeProgram = FakeProgram(),
        decoder: any MediaDecoding = FakeDecoder(), allowsPrivateOutputs: Bool = true, turn: TURNService? = nil
    ) async throws {
        self.control = control
        folder = FileManager.default.temporaryDirectory.appending(path: "studio-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        keys = try await TokenKeys(pem: P256.Signing.PrivateKey().pemRepresentation)
        let pages = Self.repository.appending(path: "assets/web")
        let configuration = StudioConfiguration(
            dataDirectory: folder, bindAddress: "127.0.0.1", httpsPort: 8443, internalPort: 9443,
            hosts: ["localhost", "127.0.0.1"], certificateFile: folder, keyFile: folder, pages: pages,
            libraries: folder, openAPI: openAPI ?? Self.repository.appending(path: "docs/openapi.yaml"),
            layouts: layouts ?? Self.repository.appending(path: "layouts"),
            themes: Self.repository.appending(path: "themes"), trustedProxies: [],
            allowsPrivateOutputs: allowsPrivateOutputs, turn: turn)
        database = try StudioDatabase.open(path: folder.appending(path: "studio.sqlite").path)
        studio = try await StudioApplication(
            configuration, database: database, keys: keys, logger: Logger(label: "test"), control: control,
            decoder: decoder)
    }

    func token(_ role: Role, event: String?, org: String = "o", can: [String] = ["watch"]) async throws -> String {
        try await keys.sign(
            TokenClaims(
                sub: "p-\(role)", name: nil, org: org, event: event, role: role, can: can, exp: 4_000_000_000,
                jti: RandomToken.id()))
    }

    /// Says that an event's program runs.
    func startProgram(_ event: String) async throws {
        try await EventStore(database: database).update(event) { $0.state = .live }
    }

    /// Says that an event's program has ended.
    func endProgram(_ event: String) async throws {
        try await EventStore(database: database).update(event) { $0.state = .ended }
    }

    /// Lets somebody into the room without a media server.
    func join(_ event: String, _ id: String, name: String?, role: Role = .speaker) async {
        let claims = TokenClaims(
            sub: id, name: name, org: "o", event: event, role: role, can: [], exp: 4_000_000_000, jti: "j-\(id)")
        await studio.speakers.seat(Principal(claims: claims, source: .bearer), in: event, org: "o")
    }

    /// Runs a body against the internal router.
    func runInternal(_ body: @escaping @Sendable (any TestClientProtocol) async throws -> Void) async throws {
        try await Application(router: studio.internalRouter).test(.router) { try await body($0) }
    }

    /// Runs a body against the router.
    func run(_ body: @escaping @Sendable (any TestClientProtocol) async throws -> Void) async throws {
        let application = Application(router: studio.router)
        try await application.test(.router) { try await body($0) }
        try FileManager.default.removeItem(at: folder)
    }
}

/// Runs a body against a Studio with two events, `e` and `f`, and an admin's token.
func withEvent(
    control: FakeProgram = FakeProgram(), decoder: any MediaDecoding = FakeDecoder(),
    _ body: @escaping @Sendable (any TestClientProtocol, String, StudioFixture) async throws -> Void
) async throws {
    let fixture = try await StudioFixture(control: control, decoder: decoder)
    try await fixture.run { client in
        let admin = try await fixture.token(.admin, event: nil)
        for id in ["e", "f"] {
            let made = try await client.call(.post, "/v1/events", admin, #"{"id":"\#(id)","title":"T"}"#)
            #expect(made.status == .created)
        }
        try await body(client, admin, fixture)
    }
}

extension TestClientProtocol {
    /// Sends JSON with a bearer token.
    func call(
        _ method: HTTPRequest.Method, _ path: String, _ token: String? = nil, _ body: String? = nil,
        headers: HTTPFields = [:]
    ) async throws -> TestResponse {
        var headers = headers
        if let token { headers[.authorization] = "Bearer \(token)" }
        if body != nil { headers[.contentType] = "application/json" }
        return try await execute(uri: path, method: method, headers: headers, body: body.map { ByteBuffer(string: $0) })
    }

    /// Sends a file with a bearer token.
    func upload(
        _ path: String, _ token: String, _ file: Data, type: String, headers: HTTPFields = [:]
    ) async throws -> TestResponse {
        var headers = headers
        headers[.authorization] = "Bearer \(token)"
        headers[.contentType] = type
        return try await execute(uri: path, method: .post, headers: headers, body: ByteBuffer(bytes: file))
    }
}

extension TestResponse {
    /// The body as an object.
    var object: [String: Any] {
        (try? JSONSerialization.jsonObject(with: Data(body.readableBytesView))) as? [String: Any] ?? [:]
    }
}
