import Crypto
import Foundation
import GRDB
import Interactivity
import Testing

@testable import Studio
@testable import Web

@Suite("Remembered creations")
struct IdempotencyTests {
    @Test("are bounded for each caller: the oldest are forgotten, and other callers keep theirs")
    func bounded() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "idempotency-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let database = try StudioDatabase.open(path: folder.appending(path: "studio.sqlite").path)
        var migrator = DatabaseMigrator()
        StudioSchema.register(in: &migrator)
        try migrator.migrate(database)
        let keys = try await TokenKeys(pem: P256.Signing.PrivateKey().pemRepresentation)
        let tables = CredentialTables(database: database, keys: keys, nowSeconds: { 1_000_000 })
        let answer = StoredAnswer(requestHash: "h", status: 201, headers: [:], body: Data("{}".utf8))
        // Callers whose ids start alike are apart.
        for other in ["o/an/v1/events", "o/anna2/v1/events", "o2/anna/v1/events"] {
            try await tables.store(answer, scope: other, key: "k")
        }
        let limit = CredentialTables.answersPerCaller
        for number in 0...limit {
            try await tables.store(answer, scope: "o/anna/v1/\(number % 2)", key: "\(number)")
        }
        let kept = try await database.read {
            try Int.fetchOne($0, sql: "SELECT COUNT(*) FROM idempotency WHERE scope LIKE 'o/anna/%'") ?? 0
        }
        #expect(kept <= limit && kept >= limit * 9 / 10)
        #expect(try await tables.answer(scope: "o/anna/v1/0", key: "0") == nil)
        #expect(try await tables.answer(scope: "o/anna/v1/\(limit % 2)", key: "\(limit)") == answer)
        for other in ["o/an/v1/events", "o/anna2/v1/events", "o2/anna/v1/events"] {
            #expect(try await tables.answer(scope: other, key: "k") == answer)
        }
        try FileManager.default.removeItem(at: folder)
    }
}
