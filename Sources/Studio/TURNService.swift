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

    /// What relays are for: who takes part has a name of their own at the server, those who watch share a few.
    ///
    /// The server bounds the relays of each name, so viewers together never have more than `viewerNames` times that, and what is left
    /// is for speakers, however many watch.
    enum Use { case takingPart, watching }

    /// So many relays one name may have, so many all together, and so many names viewers share; the first two are for the server's
    /// configuration.
    ///
    /// A browser asks for a relay for every connection, by each address that it was told (UDP, TCP and TLS) and from each address of
    /// its machine (IPv4 and IPv6), and keeps them all, needed or not. Who takes part has `SpeakerRooms.sessionLimit` connections,
    /// and twice as many relays while each has one more that is to take its place, or begins ICE anew. With fewer, somebody behind
    /// a closed network would find no path for the last of them. All together are three quarters of the ports that coturn has for
    /// them (49152 to 65535), and viewers get at most a third of that.
    public static let relaysPerName = SpeakerRooms.sessionLimit * 2 * waysPerConnection, relays = 12_000
    static let waysPerConnection = 3 * 2
    static let viewerNames = 50

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
    ///   - use: what the relays are for.
    ///   - nowSeconds: seconds since the Unix epoch.
    func credentials(for caller: Principal, _ use: Use, nowSeconds: Int64) -> Credentials {
        // What lets somebody in here ends no later than what let them in at us.
        let end = min(nowSeconds + Self.lifetimeSeconds, caller.claims.exp)
        let username = "\(end):\(Self.name(of: caller, use))"
        let server = Credentials.Server(urls: urls, username: username, credential: credential(for: username))
        return Credentials(iceServers: [server], expiresAt: JSON.timestamp(milliseconds: end * 1000))
    }

    private static func name(of caller: Principal, _ use: Use) -> String {
        let hash = RandomToken.hash(caller.claims.jti).prefix(16)
        guard use == .watching else { return String(hash) }
        // The same caller always has the same name: who asks again and again does not get at the others' share.
        let number = hash.utf8.reduce(UInt64(0)) { $0 &* 31 &+ UInt64($1) }
        return "viewers-\(number % UInt64(viewerNames))"
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
