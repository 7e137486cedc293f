// The token by which a worker may dial in: for one role, and one event where the role has one.

internal import Foundation
internal import Glibc
public import JWTKit
public import Web

/// What a worker's token says.
public struct WorkerClaims: JWTPayload, Sendable, Hashable {
    /// The worker's id.
    public var sub: String
    /// Its kind.
    public var workerRole: WorkerRole
    /// The event, for a compositor.
    public var event: String?
    /// When the token ends, in seconds since the Unix epoch.
    public var exp: Int64
    /// For whom it is meant: `control`, so that it never passes as a person's.
    public var aud: String

    /// Creates claims.
    public init(id: String, role: WorkerRole, event: String?, exp: Int64) {
        sub = id
        workerRole = role
        self.event = event
        self.exp = exp
        aud = "control"
    }

    /// Checks nothing: times are checked against an injected clock by the one who asks.
    public func verify(using algorithm: some JWTAlgorithm) async throws {}
}

extension TokenKeys {
    /// Checks a worker's token.
    ///
    /// - Throws: `Problem` 401.
    public func verifyWorker(_ token: String, nowSeconds: Int64) async throws(Problem) -> WorkerClaims {
        let claims: WorkerClaims = try await verify(token, as: WorkerClaims.self)
        return try claims.checked(nowSeconds: nowSeconds)
    }
}

extension WorkerClaims {
    /// Checks a worker's token by public keys alone, where the signing key is not.
    ///
    /// - Parameters:
    ///   - token: a compact JWT (ES256).
    ///   - publicKeys: the trusted P-256 keys, id → PEM; one that can't be read is passed over.
    ///   - nowSeconds: seconds since the Unix epoch.
    /// - Throws: `Problem` 401 with a reason that names no part of the token.
    public static func verified(
        _ token: String, publicKeys: [String: String], nowSeconds: Int64
    ) async throws(Problem) -> WorkerClaims {
        guard token.utf8.count <= 4096 else { throw .unauthorized("The token is too long.") }
        let keys = JWTKeyCollection()
        let claims: WorkerClaims
        do {
            for (id, pem) in publicKeys {
                guard let key = try? ES256PublicKey(pem: pem) else { continue }
                await keys.add(ecdsa: key, kid: JWKIdentifier(string: id))
            }
            claims = try await keys.verify(token, as: WorkerClaims.self)
        } catch {
            throw .unauthorized("The token is not valid.")
        }
        return try claims.checked(nowSeconds: nowSeconds)
    }

    fileprivate func checked(nowSeconds: Int64) throws(Problem) -> WorkerClaims {
        guard aud == "control" else { throw .unauthorized("The token is not meant for this.") }
        guard exp > nowSeconds else { throw .unauthorized("The token has expired.") }
        return self
    }
}

/// The token as it was handed over: by the standard input, never by an argument or the environment.
public enum HandedOverToken {
    /// Reads the token from a descriptor (the standard input), one line of at most 4096 bytes, and returns nil where there is none.
    public static func read(descriptor: Int32 = 0) -> String? {
        var bytes: [UInt8] = []
        var byte: UInt8 = 0
        while bytes.count < 4096, Glibc.read(descriptor, &byte, 1) == 1, byte != 10 { bytes.append(byte) }
        let token = String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        return token.isEmpty ? nil : token
    }
}

extension HandedOverToken {
    /// The worker's id that a token names; it is only read here, and checked by Studio.
    public static func subject(of token: String) -> String? {
        struct Body: Decodable {
            let sub: String
        }
        let parts = token.split(separator: ".")
        guard parts.count == 3 else { return nil }
        var text = String(parts[1]).replacing("-", with: "+").replacing("_", with: "/")
        while text.utf8.count % 4 != 0 { text += "=" }
        return Data(base64Encoded: text).flatMap { try? JSONDecoder().decode(Body.self, from: $0) }?.sub
    }
}
