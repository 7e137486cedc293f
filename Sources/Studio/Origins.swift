// Under which names this installation is reached, and which of them a request used.

internal import Foundation
internal import HTTPTypes
public import Hummingbird
internal import HummingbirdCore

/// The installation's public names.
public struct Origins: Sendable {
    private let hosts: [String]
    private let port: Int

    /// Creates the names.
    ///
    /// - Parameters:
    ///   - hosts: DNS names or addresses, the main one first.
    ///   - port: the public HTTPS port.
    public init(hosts: [String], port: Int) {
        self.hosts = hosts.isEmpty ? ["localhost"] : hosts
        self.port = port
    }

    /// Every Origin from which changes are taken.
    public var all: Set<String> { Set(hosts.map { origin($0) }) }

    /// The base URL by which a request came in; the main one where its Host is none of ours.
    public func base(of request: Request) -> String { origin(host(of: request)) }

    /// Rewrites another listener's URL to the host by which a request came in, so that cookies reach it.
    public func onSameHost(_ url: String, as request: Request) -> String {
        Self.replacingHost(of: url, with: host(of: request))
    }

    /// Returns a URL with another host and the same port.
    static func replacingHost(of url: String, with host: String) -> String {
        guard var components = URLComponents(string: url) else { return url }
        components.host = host
        return components.string ?? url
    }

    private func host(of request: Request) -> String {
        let given = request.head.authority.map { $0.prefix { $0 != ":" } } ?? ""
        return hosts.first { $0 == given } ?? hosts[0]
    }

    private func origin(_ host: String) -> String { port == 443 ? "https://\(host)" : "https://\(host):\(port)" }
}
