// Sessions, revocations and remembered creations in the database.

import Crypto
import Foundation
public import GRDB
public import Web

/// Keeps sessions and revocations; a cookie's value is stored only as its hash.
public struct CredentialTables: CredentialStore, IdempotencyStore {
    private let database: DatabasePool
    private let nowSeconds: @Sendable () -> Int64
    /// Seals remembered answers: they may hold stream keys and invitations, which the database must not.
    private let seal: SymmetricKey

    /// Creates the store.
    ///
    /// - Parameters:
    ///   - database: the tables.
    ///   - keys: the installation's keys, from which the one for remembered answers is derived.
    ///   - nowSeconds: the wall clock, in seconds since the Unix epoch.
    public init(database: DatabasePool, keys: TokenKeys, nowSeconds: @escaping @Sendable () -> Int64) {
        self.database = database
        seal = HKDF<SHA256>.deriveKey(
            inputKeyMaterial: SymmetricKey(data: keys.signingKey.rawRepresentation),
            info: Data("remembered answers".utf8), outputByteCount: 32)
        self.nowSeconds = nowSeconds
    }

    /// Returns whether a token was revoked.
    public func isRevoked(jti: String) async throws -> Bool {
        try await database.read { database in
            try Row.fetchOne(database, sql: "SELECT 1 FROM revocation WHERE jti = ?", arguments: [jti]) != nil
        }
    }

    /// Revokes a token until it would have ended anyway.
    public func revoke(jti: String, org: String, expiresAt: Int64) async throws {
        try await database.write { database in
            try database.execute(
                sql: "INSERT OR REPLACE INTO revocation (jti, org, expiresAt) VALUES (?, ?, ?)",
                arguments: [jti, org, expiresAt])
        }
    }

    /// Returns the claims behind a session cookie.
    public func session(hash: String, nowSeconds: Int64) async throws -> TokenClaims? {
        try await database.read { database in
            guard
                let text = try String.fetchOne(
                    database, sql: "SELECT claims FROM session WHERE hash = ? AND expiresAt > ?",
                    arguments: [hash, nowSeconds])
            else { return nil }
            return try JSONDecoder().decode(TokenClaims.self, from: Data(text.utf8))
        }
    }

    /// Opens a session.
    ///
    /// - Returns: the cookie's value.
    public func open(_ claims: TokenClaims) async throws -> String {
        let secret = RandomToken.secret()
        let text = String(decoding: try JSON.encoder.encode(claims), as: UTF8.self)
        let now = nowSeconds()
        try await database.write { database in
            try database.execute(sql: "DELETE FROM session WHERE expiresAt <= ?", arguments: [now])
            try database.execute(sql: "DELETE FROM revocation WHERE expiresAt <= ?", arguments: [now])
            try database.execute(
                sql: "INSERT INTO session (hash, org, claims, expiresAt) VALUES (?, ?, ?, ?)",
                arguments: [RandomToken.hash(secret), claims.org, text, claims.exp])
        }
        return secret
    }

    /// Ends a session.
    public func close(cookie: String) async throws {
        try await database.write { database in
            try database.execute(sql: "DELETE FROM session WHERE hash = ?", arguments: [RandomToken.hash(cookie)])
        }
    }

    /// Returns the stored answer to an Idempotency-Key of the last day.
    public func answer(scope: String, key: String) async throws -> StoredAnswer? {
        let since = nowSeconds() - 86_400
        return try await database.read { [seal] database in
            guard
                let sealed = try Data.fetchOne(
                    database, sql: "SELECT answer FROM idempotency WHERE scope = ? AND key = ? AND createdAt > ?",
                    arguments: [scope, key, since])
            else { return nil }
            let answer = try AES.GCM.open(AES.GCM.SealedBox(combined: sealed), using: seal)
            return try JSONDecoder().decode(StoredAnswer.self, from: answer)
        }
    }

    /// How many answers are remembered for one caller, and for all callers of an organisation.
    static let answersPerCaller = 200, answersPerOrg = 20_000

    /// Stores an answer for a day; the first one stays.
    ///
    /// Where there are too many, the oldest are forgotten.
    public func store(_ answer: StoredAnswer, scope: String, key: String) async throws {
        let sealed = try AES.GCM.seal(JSON.encoder.encode(answer), using: seal).combined
        let now = nowSeconds()
        try await database.write { database in
            try database.execute(sql: "DELETE FROM idempotency WHERE createdAt <= ?", arguments: [now - 86_400])
            try database.execute(
                sql: "INSERT OR IGNORE INTO idempotency (scope, key, answer, createdAt) VALUES (?, ?, ?, ?)",
                arguments: [scope, key, sealed, now])
            // A scope is ORG/CALLER/PATH. Some are forgotten at once, so that not each insertion has to look for the oldest.
            let parts = scope.split(separator: "/", maxSplits: 2, omittingEmptySubsequences: false)
            try Self.forgetOldest(database, under: parts.prefix(2).joined(separator: "/"), limit: Self.answersPerCaller)
            try Self.forgetOldest(database, under: String(parts[0]), limit: Self.answersPerOrg)
        }
    }

    private static func forgetOldest(_ database: Database, under owner: String, limit: Int) throws {
        // The character after the slash ends the range of what starts with the owner and a slash.
        let range: StatementArguments = [owner + "/", owner + "0"]
        let count = try Int.fetchOne(
            database, sql: "SELECT COUNT(*) FROM idempotency WHERE scope >= ? AND scope < ?", arguments: range)
        guard let count, count > limit else { return }
        try database.execute(
            sql: """
                DELETE FROM idempotency WHERE rowid IN (
                    SELECT rowid FROM idempotency WHERE scope >= ? AND scope < ? ORDER BY createdAt, rowid LIMIT ?)
                """, arguments: range + [count - limit + limit / 20])
    }
}
