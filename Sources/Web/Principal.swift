// Who calls: the claims of a token, and by what it came in.

public import JWTKit

/// What a token says of its bearer.
public struct TokenClaims: JWTPayload, Hashable, Sendable {
    /// Who it is: stable in the organisation, without personal data.
    public var sub: String
    /// The name that others see.
    public var name: String?
    /// The organisation.
    public var org: String
    /// The event that the token is for; nil for an admin of the whole organisation.
    public var event: String?
    /// The role.
    public var role: Role
    /// More that the bearer may do, for example `slides`.
    public var can: [String]
    /// When the token ends, in seconds since the Unix epoch.
    public var exp: Int64
    /// The token's own id, by which it is revoked.
    public var jti: String
    /// For whom the token is meant; `studio` for people.
    public var aud: String

    /// Creates claims for a person.
    public init(
        sub: String, name: String?, org: String, event: String?, role: Role, can: [String], exp: Int64, jti: String
    ) {
        self.sub = sub
        self.name = name
        self.org = org
        self.event = event
        self.role = role
        self.can = can
        self.exp = exp
        self.jti = jti
        aud = "studio"
    }

    /// Checks nothing: times are checked against an injected clock by `TokenKeys`.
    public func verify(using algorithm: some JWTAlgorithm) async throws {}
}

/// An authenticated caller.
public struct Principal: Sendable, Hashable {
    /// By what the caller was recognised.
    public enum Source: Sendable, Hashable { case bearer, cookie, ticket }

    /// The claims.
    public var claims: TokenClaims
    /// By what the caller was recognised.
    public var source: Source

    /// Creates a caller.
    public init(claims: TokenClaims, source: Source) {
        self.claims = claims
        self.source = source
    }

    /// Who it is.
    public var id: String { claims.sub }
    /// The name that others see.
    public var name: String? { claims.name }
    /// The organisation.
    public var org: String { claims.org }
    /// The event that the token is for.
    public var event: String? { claims.event }
    /// The role.
    public var role: Role { claims.role }
    /// More that the caller may do.
    public var can: [String] { claims.can }
}
