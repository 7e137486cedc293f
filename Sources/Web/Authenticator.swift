// From a request's headers to a caller: bearer token, session cookie, ticket.

import Foundation
public import HTTPTypes
internal import Synchronization

/// Where sessions and revocations are kept.
public protocol CredentialStore: Sendable {
    /// Returns whether a token was revoked.
    func isRevoked(jti: String) async throws -> Bool
    /// Returns the claims behind a session cookie, by the hash of its value; nil where it is unknown or over.
    func session(hash: String, nowSeconds: Int64) async throws -> TokenClaims?
}

/// Recognises callers.
public struct Authenticator: Sendable {
    /// The name of the session cookie.
    public static let cookieName = "__Host-proscenium"

    /// The keys of the installation.
    public let keys: TokenKeys
    private let store: any CredentialStore
    private let nowSeconds: @Sendable () -> Int64

    /// Creates an authenticator.
    ///
    /// - Parameters:
    ///   - keys: check bearer tokens.
    ///   - store: sessions and revocations.
    ///   - nowSeconds: the wall clock, in seconds since the Unix epoch.
    public init(keys: TokenKeys, store: any CredentialStore, nowSeconds: @escaping @Sendable () -> Int64) {
        self.keys = keys
        self.store = store
        self.nowSeconds = nowSeconds
    }

    /// Recognises the caller of a request.
    ///
    /// - Returns: nil when the request carries no credential.
    /// - Throws: `Problem` 401 when it carries one that is not valid.
    public func principal(of headers: HTTPFields) async throws -> Principal? {
        if let authorization = headers[.authorization] {
            guard authorization.lowercased().hasPrefix("bearer ") else {
                throw Problem.unauthorized("Only bearer tokens are known.")
            }
            let token = authorization.dropFirst(7).trimmingCharacters(in: .whitespaces)
            return Principal(claims: try await verify(token), source: .bearer)
        }
        guard let value = Self.cookie(Self.cookieName, in: headers) else { return nil }
        guard let claims = try await store.session(hash: RandomToken.hash(value), nowSeconds: nowSeconds()) else {
            throw Problem.unauthorized("The session is unknown or over.")
        }
        try await refuseRevoked(claims)
        return Principal(claims: claims, source: .cookie)
    }

    /// Checks a person's token.
    ///
    /// - Throws: `Problem` 401.
    public func verify(_ token: String) async throws -> TokenClaims {
        let claims = try await keys.verify(token, nowSeconds: nowSeconds())
        try await refuseRevoked(claims)
        return claims
    }

    /// Refuses a token that was revoked: for tickets, which were issued while it was good.
    ///
    /// - Throws: `Problem` 401.
    public func refuseRevoked(_ claims: TokenClaims) async throws {
        if try await store.isRevoked(jti: claims.jti) { throw Problem.unauthorized("The token was revoked.") }
    }

    /// Reads one cookie of a request.
    public static func cookie(_ name: String, in headers: HTTPFields) -> String? {
        for field in headers[values: .cookie] {
            for pair in field.split(separator: ";") {
                let trimmed = pair.drop { $0 == " " }
                if trimmed.hasPrefix(name + "=") { return String(trimmed.dropFirst(name.count + 1)) }
            }
        }
        return nil
    }
}

/// Single-use tickets, with which a page opens a WebSocket.
public final class TicketOffice: Sendable {
    private struct Ticket {
        let principal: Principal
        let expiresAt: Int64
    }

    /// For how long a ticket is good.
    public static let lifetimeSeconds: Int64 = 30
    private static let limit = 50_000
    private let tickets = Mutex<[String: Ticket]>([:])

    /// Creates an office.
    public init() {}

    /// Issues a ticket.
    ///
    /// - Throws: `Problem` 503 when too many are out.
    public func issue(to principal: Principal, nowSeconds: Int64) throws(Problem) -> (ticket: String, expiresAt: Int64)
    {
        let secret = RandomToken.secret()
        var principal = principal
        principal.source = .ticket
        let ticket = Ticket(principal: principal, expiresAt: nowSeconds + Self.lifetimeSeconds)
        let isStored = tickets.withLock { tickets in
            if tickets.count >= Self.limit { tickets = tickets.filter { $0.value.expiresAt > nowSeconds } }
            guard tickets.count < Self.limit else { return false }
            tickets[RandomToken.hash(secret)] = ticket
            return true
        }
        guard isStored else { throw .overloaded("Too many tickets are out.", retryAfterMs: 5000) }
        return (secret, ticket.expiresAt)
    }

    /// Takes a ticket back, once.
    ///
    /// - Throws: `Problem` 401 for one that is unknown, used or over.
    public func redeem(_ secret: String, nowSeconds: Int64) throws(Problem) -> Principal {
        let ticket = tickets.withLock { $0.removeValue(forKey: RandomToken.hash(secret)) }
        guard let ticket, ticket.expiresAt > nowSeconds else { throw .unauthorized("The ticket is not valid.") }
        return ticket.principal
    }
}
