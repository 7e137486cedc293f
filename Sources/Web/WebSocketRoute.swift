// WebSocket entrances: matched and authorised before the upgrade is granted.

import Foundation
public import HTTPTypes
internal import Hummingbird
internal import HummingbirdCore
internal import NIOHTTP1

/// A request for a WebSocket.
public struct WebSocketRequest: Sendable {
    /// The parts of the path that the route names, for example `event`.
    public var parameters: [String: String]
    /// The query's items.
    public var query: [String: String]
    /// The request's headers.
    public var headers: HTTPFields
    /// The caller's network address.
    public var remoteAddress: String
}

/// One WebSocket entrance.
public struct WebSocketRoute: Sendable {
    /// The path, with `{name}` for parameters.
    public let path: String
    /// Decides whether the connection is let in, and who handles it; throws a `Problem` to refuse.
    public let open: @Sendable (WebSocketRequest) async throws -> any WebSocketHandler
    /// How many unsent bytes a connection may have.
    public let pendingLimitBytes: Int
    private let parts: [Substring]

    /// Creates an entrance.
    public init(
        _ path: String, pendingLimitBytes: Int = 256 * 1024,
        open: @escaping @Sendable (WebSocketRequest) async throws -> any WebSocketHandler
    ) {
        self.path = path
        self.open = open
        self.pendingLimitBytes = pendingLimitBytes
        parts = path.split(separator: "/")
    }

    /// Returns the parameters when a path matches.
    func match(_ path: Substring) -> [String: String]? {
        let given = path.split(separator: "/")
        guard given.count == parts.count else { return nil }
        var parameters: [String: String] = [:]
        for (part, value) in zip(parts, given) {
            if part.hasPrefix("{") {
                guard let decoded = String(value).removingPercentEncoding else { return nil }
                parameters[String(part.dropFirst().dropLast())] = decoded
            } else if part != value {
                return nil
            }
        }
        return parameters
    }
}

extension WebSocketRequest {
    /// Makes the request that a route sees of an HTTP/1.1 request head.
    init(_ head: HTTPRequestHead, parameters: [String: String], remoteAddress: String) {
        self.parameters = parameters
        self.remoteAddress = remoteAddress
        var fields = HTTPFields()
        for (name, value) in head.headers {
            if let name = HTTPField.Name(name) { fields.append(HTTPField(name: name, value: value)) }
        }
        headers = fields
        query = [:]
        let uri = URI(head.uri)
        for (key, value) in uri.queryParameters { query[String(key)] = String(value) }
    }
}
