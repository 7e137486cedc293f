// Where speakers behind closed networks find the TURN server, and what lets them in there for a while.

internal import Crypto
internal import Foundation
internal import HTTPTypes
internal import Media
internal import Web

/// A TURN server that shares a secret with us (draft-uberti-behave-turn-rest-00): whoever shows a name with its end, and the
/// secret's HMAC of that name, may relay until then.
public struct TURNService: Sendable {
    /// The addresses that browsers are told (RFC 7065), the best first.
    public var urls: [String]
    private let secret: SymmetricKey

    /// How long credentials are good for, in seconds.
    ///
    /// The server looks at them when a relay is made, not while it is used.
    static let lifetimeSeconds: Int64 = 3600

    /// Creates a service.
    ///
    /// - Parameters:
    ///   - urls: `turn:` and `turns:` addresses.
    ///   - secret: what the server was told, as text.
    public init(urls: [String], secret: String) {
        self.urls = urls
        self.secret = SymmetricKey(data: Data(secret.utf8))
    }

    /// What one caller is told.
    struct Credentials: Encodable, Sendable {
        struct Server: Encodable, Sendable {
            var urls: [String]
            var username: String, credential: String
        }

        var iceServers: [Server]
        var expiresAt: String
    }

    /// Makes credentials.
    ///
    /// - Parameters:
    ///   - caller: who asks; a name of their own, for the server's quota, which tells nobody who they are.
    ///   - nowSeconds: seconds since the Unix epoch.
    func credentials(for caller: Principal, nowSeconds: Int64) -> Credentials {
        // What lets somebody in here ends no later than what let them in at us.
        let end = min(nowSeconds + Self.lifetimeSeconds, caller.claims.exp)
        let username = "\(end):\(RandomToken.hash(caller.claims.jti).prefix(16))"
        let server = Credentials.Server(urls: urls, username: username, credential: credential(for: username))
        return Credentials(iceServers: [server], expiresAt: JSON.timestamp(milliseconds: end * 1000))
    }

    /// The password of a name.
    func credential(for username: String) -> String {
        let code = HMAC<Insecure.SHA1>.authenticationCode(for: Data(username.utf8), using: secret)
        return Data(code).base64EncodedString()
    }
}

extension TURNService.Credentials {
    /// The same for publishers by WHIP, as values of `Link` (RFC 9725 section 4.6).
    var links: [String] {
        iceServers.flatMap { server in
            server.urls.map { url in
                "<\(url)>; rel=\"ice-server\"; username=\"\(server.username)\"; credential=\"\(server.credential)\"; "
                    + "credential-type=\"password\""
            }
        }
    }
}
