import Crypto
import Foundation
import GRDB
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Interactivity
import Logging
import NIOCore
import Web

@testable import Studio

/// Studio over a database in a temporary folder, driven in memory.
///
/// Unchecked, because the routers are complete before a test reads them.
struct StudioFixture: @unchecked Sendable {
    let studio: StudioApplication
    let keys: TokenKeys
    let folder: URL

    /// The root of the repository.
    static let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    init(openAPI: URL? = nil) async throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "studio-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        keys = try await TokenKeys(pem: P256.Signing.PrivateKey().pemRepresentation)
        let pages = Self.repository.appending(path: "assets/web")
        let configuration = StudioConfiguration(
            dataDirectory: folder, bindAddress: "127.0.0.1", httpsPort: 8443, internalPort: 9443,
            hosts: ["localhost", "127.0.0.1"], certificateFile: folder, keyFile: folder, pages: pages,
            libraries: folder, openAPI: openAPI ?? Self.repository.appending(path: "docs/openapi.yaml"),
            trustedProxies: [])
        let database = try StudioDatabase.open(path: folder.appending(path: "studio.sqlite").path)
        studio = try await StudioApplication(
            configuration, database: database, keys: keys, logger: Logger(label: "test"))
    }

    func token(_ role: Role, event: String?, org: String = "o", can: [String] = ["watch"]) async throws -> String {
        try await keys.sign(
            TokenClaims(
                sub: "p-\(role)", name: nil, org: org, event: event, role: role, can: can, exp: 4_000_000_000,
                jti: RandomToken.id()))
    }

    /// Runs a body against the router.
    func run(_ body: @escaping @Sendable (any TestClientProtocol) async throws -> Void) async throws {
        let application = Application(router: studio.router)
        try await application.test(.router) { try await body($0) }
        try FileManager.default.removeItem(at: folder)
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
}

extension TestResponse {
    /// The body as an object.
    var object: [String: Any] {
        (try? JSONSerialization.jsonObject(with: Data(body.readableBytesView))) as? [String: Any] ?? [:]
    }
}
