// The installation's signing key: made on first start, kept on disk, used for tokens of people and workers.

public import Crypto
public import Foundation
public import JWTKit

/// Signs and checks the installation's tokens (ES256, RFC 7518 §3.4; the algorithm is pinned).
public struct TokenKeys: Sendable {
    private let keys: JWTKeyCollection
    private let kid: JWKIdentifier
    /// The private key, for other signatures of the installation.
    public let signingKey: P256.Signing.PrivateKey

    /// Reads the key of an installation, or makes it on first use (mode 0600).
    ///
    /// - Parameter directory: where the key lies; made if it is missing.
    /// - Throws: what the file system or the key's parser says.
    public init(directory: URL) async throws {
        try await self.init(
            pem: try InstallationFile.secret("signing.pem", in: directory) {
                P256.Signing.PrivateKey().pemRepresentation
            })
    }

    /// Creates the keys from a private key in PEM form.
    public init(pem: String) async throws {
        signingKey = try P256.Signing.PrivateKey(pemRepresentation: pem)
        let digest = SHA256.hash(data: signingKey.publicKey.rawRepresentation)
        kid = JWKIdentifier(string: digest.prefix(8).map { String(format: "%02x", $0) }.joined())
        keys = JWTKeyCollection()
        try await keys.add(ecdsa: ES256PrivateKey(pem: pem), kid: kid)
    }

    /// The key's id, as tokens and cookies name it.
    public var keyID: String { kid.string }

    /// Signs a payload.
    public func sign(_ payload: some JWTPayload) async throws -> String { try await keys.sign(payload, kid: kid) }

    /// Checks a person's token.
    ///
    /// - Parameters:
    ///   - token: a compact JWT.
    ///   - nowSeconds: seconds since the Unix epoch.
    /// - Throws: `Problem` 401 with a reason that names no part of the token.
    public func verify(_ token: String, nowSeconds: Int64) async throws(Problem) -> TokenClaims {
        let claims: TokenClaims = try await verify(token, as: TokenClaims.self)
        guard claims.aud == "studio" else { throw .unauthorized("The token is not meant for this.") }
        guard claims.exp > nowSeconds else { throw .unauthorized("The token has expired.") }
        return claims
    }

    /// Checks a token's signature and reads its payload.
    ///
    /// - Throws: `Problem` 401.
    public func verify<Payload: JWTPayload>(_ token: String, as type: Payload.Type) async throws(Problem) -> Payload {
        guard token.utf8.count <= 4096 else { throw .unauthorized("The token is too long.") }
        do {
            return try await keys.verify(token, as: type)
        } catch {
            throw .unauthorized("The token is not valid.")
        }
    }
}

/// Random names and secrets.
public enum RandomToken {
    /// Returns a secret of 160 random bits, in lower-case base 32.
    public static func secret() -> String { text(32) }

    /// Returns an id that is unique in practice (80 random bits), in lower-case base 32.
    public static func id() -> String { text(16) }

    /// Returns the SHA-256 of a secret in hexadecimal: what is stored instead of it.
    public static func hash(_ secret: String) -> String {
        SHA256.hash(data: Data(secret.utf8)).map { String(format: "%02x", $0) }.joined()
    }

    private static func text(_ length: Int) -> String {
        let alphabet = Array("abcdefghijklmnopqrstuvwxyz234567")
        var generator = SystemRandomNumberGenerator()
        return String((0..<length).map { _ in alphabet[Int(generator.next() & 31)] })
    }
}
