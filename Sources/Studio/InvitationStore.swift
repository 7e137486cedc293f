// Invitations: links that make somebody a participant, consumed by POST only.

import Foundation
public import GRDB
import HTTPTypes
public import Web

/// One invitation, without its token, which is stored only as its hash.
public struct Invitation: Sendable, Hashable {
    /// Its id.
    public var id: String
    /// The organisation.
    public var org: String
    /// The event.
    public var event: String
    /// What the bearer becomes.
    public var role: Role
    /// The name that the bearer gets; nil to let them choose.
    public var name: String?
    /// More that the bearer may do.
    public var can: [String]
    /// When the link ends, in seconds since the Unix epoch.
    public var expiresAt: Int64
    /// How many people may use it.
    public var maxUses: Int
}

/// Keeps invitations.
public struct InvitationStore: Sendable {
    private let database: DatabasePool

    /// Creates a store.
    public init(database: DatabasePool) { self.database = database }

    /// Stores an invitation.
    public func create(_ invitation: Invitation, token: String) async throws {
        let can = invitation.can.joined(separator: " ")
        try await database.write { database in
            try database.execute(
                sql: """
                    INSERT INTO invitation (id, org, event, tokenHash, role, name, can, expiresAt, maxUses)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                    """,
                arguments: [
                    invitation.id, invitation.org, invitation.event, RandomToken.hash(token),
                    invitation.role.rawValue, invitation.name, can, invitation.expiresAt, invitation.maxUses,
                ])
        }
    }

    /// Returns an invitation that is still good, without using it.
    public func peek(token: String, nowSeconds: Int64) async throws -> Invitation? {
        try await database.read { database in
            try Self.find(database, token, nowSeconds)?.invitation
        }
    }

    /// Uses an invitation, in one transaction; a device that has used it before uses nothing more.
    ///
    /// - Parameters:
    ///   - token: the link's secret.
    ///   - device: the device's cookie.
    ///   - name: what the person calls themselves, where the invitation names nobody.
    ///   - nowSeconds: seconds since the Unix epoch.
    /// - Returns: claims for the person, the same person for the same device.
    /// - Throws: `Problem` 404 for a link that is unknown, over or revoked, 410 for one that is used up.
    public func consume(
        token: String, device: String, name: String?, nowSeconds: Int64
    ) async throws -> TokenClaims {
        try await database.write { database in
            guard let (invitation, uses) = try Self.find(database, token, nowSeconds) else {
                throw Problem.notFound("The invitation is unknown, over or revoked.")
            }
            let deviceHash = RandomToken.hash(device)
            let earlier = try Row.fetchOne(
                database, sql: "SELECT person, jti FROM invitationUse WHERE invitation = ? AND deviceHash = ?",
                arguments: [invitation.id, deviceHash])
            let person: String, jti: String
            if let earlier {
                (person, jti) = (earlier["person"], earlier["jti"])
            } else {
                guard uses < invitation.maxUses else {
                    throw Problem(.gone, "used-up", "The invitation is used up", detail: "Ask for a new link.")
                }
                (person, jti) = (RandomToken.id(), RandomToken.id())
                try database.execute(
                    sql: "UPDATE invitation SET uses = uses + 1 WHERE id = ?", arguments: [invitation.id])
                try database.execute(
                    sql: """
                        INSERT INTO invitationUse (org, invitation, deviceHash, person, jti) VALUES (?, ?, ?, ?, ?)
                        """,
                    arguments: [invitation.org, invitation.id, deviceHash, person, jti])
            }
            return TokenClaims(
                sub: person, name: invitation.name ?? name, org: invitation.org, event: invitation.event,
                role: invitation.role, can: invitation.can, exp: invitation.expiresAt, jti: jti)
        }
    }

    /// Revokes an invitation.
    ///
    /// - Returns: the ids of the tokens that were given out for it.
    /// - Throws: `Problem` 404.
    public func revoke(_ id: String, event: String) async throws -> (jtis: [String], expiresAt: Int64) {
        try await database.write { database in
            try database.execute(
                sql: "UPDATE invitation SET isRevoked = 1 WHERE id = ? AND event = ?", arguments: [id, event])
            guard database.changesCount == 1,
                let end = try Int64.fetchOne(
                    database, sql: "SELECT expiresAt FROM invitation WHERE id = ?", arguments: [id])
            else { throw Problem.notFound("There is no such invitation.") }
            let jtis = try String.fetchAll(
                database, sql: "SELECT jti FROM invitationUse WHERE invitation = ?", arguments: [id])
            return (jtis, end)
        }
    }

    private static func find(
        _ database: Database, _ token: String, _ nowSeconds: Int64
    ) throws -> (invitation: Invitation, uses: Int)? {
        let row = try Row.fetchOne(
            database, sql: "SELECT * FROM invitation WHERE tokenHash = ? AND isRevoked = 0 AND expiresAt > ?",
            arguments: [RandomToken.hash(token), nowSeconds])
        guard let row, let role = Role(rawValue: row["role"]) else { return nil }
        let can: String = row["can"]
        let invitation = Invitation(
            id: row["id"], org: row["org"], event: row["event"], role: role, name: row["name"],
            can: can.split(separator: " ").map(String.init), expiresAt: row["expiresAt"], maxUses: row["maxUses"])
        return (invitation, row["uses"])
    }
}
