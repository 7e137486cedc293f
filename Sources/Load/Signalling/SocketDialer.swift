// WebSocket connections of the load: to servers by ws and wss.

import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import NIOWebSocket
import Synchronization
import Web

/// Texts of a WebSocket in their order; the stream ends with the connection.
final class TextStream: WebSocketHandler {
    let texts: AsyncStream<String>
    private let continuation: AsyncStream<String>.Continuation

    init() { (texts, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(10_000)) }

    func opened(_ peer: WebSocketPeer) {}
    func received(_ text: String, from peer: WebSocketPeer) { continuation.yield(text) }
    func closed(_ peer: WebSocketPeer) { continuation.finish() }
}

/// Dials WebSockets.
enum SocketDialer {
    /// Dials an address.
    ///
    /// - Parameters:
    ///   - address: `ws://` or `wss://`.
    ///   - headers: beside Host.
    ///   - certificate: a PEM file that is trusted beside the system's certificates.
    ///   - handler: is told of texts.
    /// - Throws: `LoadError` when the server does not open a WebSocket there, or what the network says.
    static func dial(
        _ address: String, headers: [(String, String)] = [], certificate: String? = nil, handler: any WebSocketHandler
    ) async throws -> WebSocketPeer {
        guard let url = URL(string: address), let host = url.host() else {
            throw LoadError("\(address) is not an address.")
        }
        let isTLS = url.scheme == "wss", port = url.port ?? (isTLS ? 443 : 80)
        let query = url.query(percentEncoded: true).map { "?\($0)" } ?? ""
        let path = (url.path().isEmpty ? "/" : url.path()) + query
        let context = isTLS ? try NIOSSLContext(configuration: trust(certificate)) : nil
        let upgrade = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connectTimeout(.seconds(5))
            .connect(host: host, port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let context {
                        // A name goes into the handshake; an address has no place in it (RFC 6066 section 3).
                        let isLiteral = (try? SocketAddress(ipAddress: host, port: 0)) != nil
                        try channel.pipeline.syncOperations.addHandler(
                            NIOSSLClientHandler(context: context, serverHostname: isLiteral ? nil : host))
                    }
                    let upgrader = NIOTypedWebSocketClientUpgrader<WebSocketPeer>(maxFrameSize: 1 << 20) { channel, _ in
                        WebSocketPeer.install(
                            on: channel, handler: handler, masks: true, pendingLimitBytes: 4 << 20,
                            maxMessageBytes: 4 << 20)
                    }
                    var fields = HTTPHeaders()
                    fields.add(name: "Host", value: "\(host):\(port)")
                    fields.add(name: "Content-Length", value: "0")
                    for (name, value) in headers { fields.add(name: name, value: value) }
                    let head = HTTPRequestHead(version: .http1_1, method: .GET, uri: path, headers: fields)
                    return try channel.pipeline.syncOperations.configureUpgradableHTTPClientPipeline(
                        configuration: .init(
                            upgradeConfiguration: NIOTypedHTTPClientUpgradeConfiguration(
                                upgradeRequestHead: head, upgraders: [upgrader]
                            ) { channel in
                                channel.close(promise: nil)
                                return channel.eventLoop.makeFailedFuture(
                                    LoadError("The server opens no WebSocket at \(host):\(port)\(url.path())."))
                            }))
                }
            }
        return try await upgrade.get()
    }

    /// The system's certificates, and one more.
    static func trust(_ certificate: String?) -> TLSConfiguration {
        var configuration = TLSConfiguration.makeClientConfiguration()
        if let certificate { configuration.additionalTrustRoots = [.file(certificate)] }
        configuration.applicationProtocols = ["http/1.1"]
        return configuration
    }
}
