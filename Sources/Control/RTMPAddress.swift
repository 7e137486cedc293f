// Where a stream goes, taken from an address.

internal import Foundation
import Media

/// The address of an RTMP server's application, without the stream's name.
public struct RTMPAddress: Sendable, Hashable {
    /// Whether it is spoken to over TLS.
    public let isSecure: Bool
    /// A name or a literal address, without brackets.
    public let host: String
    /// The port: 1935 by default, 443 with TLS.
    public let port: Int
    /// The application, without slashes at its ends.
    public let app: String

    /// Why a text is no address.
    public struct Failure: Error, Sendable, Hashable, CustomStringConvertible {
        /// One sentence for the one who gave it.
        public let description: String
    }

    /// Reads `rtmp://HOST[:PORT]/APP` or `rtmps://HOST[:PORT]/APP`.
    ///
    /// - Throws: `Failure`, whose sentence never holds the text: it may have a key in it.
    public init(_ url: String) throws(Failure) {
        guard url.utf8.count <= 1024, let parts = URLComponents(string: url) else {
            throw Failure(description: "This is not an address.")
        }
        switch parts.scheme?.lowercased() {
        case "rtmps": isSecure = true
        case "rtmp": isSecure = false
        default: throw Failure(description: "The address begins with rtmps:// or rtmp://.")
        }
        guard parts.user == nil, parts.password == nil else {
            throw Failure(description: "The address names no user; what is secret belongs into the key.")
        }
        guard parts.query == nil, parts.fragment == nil else {
            throw Failure(description: "The address has no query; what is secret belongs into the key.")
        }
        guard let host = parts.host, !host.isEmpty, host.utf8.count <= 253 + 2,
            host.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
        else { throw Failure(description: "The address names a host.") }
        let port = parts.port ?? (isSecure ? 443 : 1935)
        guard (1...65_535).contains(port) else { throw Failure(description: "A port is a number from 1 to 65535.") }
        let app = parts.path.split(separator: "/").joined(separator: "/")
        guard !app.isEmpty else { throw Failure(description: "The address names an application: rtmps://HOST/APP.") }
        self.host = host.hasPrefix("[") && host.hasSuffix("]") ? String(host.dropFirst().dropLast()) : host
        self.port = port
        self.app = app
    }

    /// The address as the peer is told it.
    public var url: String {
        "\(isSecure ? "rtmps" : "rtmp")://\(host.contains(":") ? "[\(host)]" : host):\(port)/\(app)"
    }

    /// The name for SNI, which has none for addresses; those are checked against the certificate by themselves.
    public var serverName: String? {
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        let isIPv4 = parts.count == 4 && parts.allSatisfy { UInt8($0) != nil }
        return isIPv4 || host.contains(":") ? nil : host
    }

    /// The same server with another application.
    public func replacingApp(_ app: String) -> String {
        "\(isSecure ? "rtmps" : "rtmp")://\(host.contains(":") ? "[\(host)]" : host):\(port)/\(app)"
    }

    /// Whether RTMP is usually spoken on the port: 80, 443 and everything that needs no privilege.
    public var hasUsualPort: Bool { port == 80 || port == 443 || port >= 1024 }
}
