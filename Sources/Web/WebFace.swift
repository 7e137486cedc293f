// One HTTP listener: router, WebSocket routes and TLS put together.

public import Hummingbird
import HummingbirdCore
public import Logging
public import NIOCore
public import ServiceLifecycle

/// How a listener listens.
public struct WebFaceConfiguration: Sendable {
    /// The address to bind.
    public var host: String
    /// The TCP port; 0 lets the system choose.
    public var port: Int
    /// After how long an idle HTTP connection is closed.
    public var idleTimeout: TimeAmount = .seconds(75)
    /// The largest WebSocket message that is read, in bytes.
    public var maxWebSocketMessageBytes: Int
    /// Addresses of proxies whose X-Forwarded-For counts when a WebSocket is opened; routers have `TrustedProxies`.
    public var trustedProxies: [String]

    /// Creates a configuration.
    public init(
        host: String, port: Int, maxWebSocketMessageBytes: Int = 64 * 1024, trustedProxies: [String] = []
    ) {
        self.trustedProxies = trustedProxies
        self.host = host
        self.port = port
        self.maxWebSocketMessageBytes = maxWebSocketMessageBytes
    }
}

/// Builds listeners.
public enum WebFace {
    /// Builds the service of one listener.
    ///
    /// - Parameters:
    ///   - configuration: where it listens.
    ///   - router: answers HTTP requests.
    ///   - webSockets: the WebSocket entrances.
    ///   - certificates: TLS; nil for plain HTTP, which only the internal listener uses.
    ///   - group: the event loops.
    ///   - logger: for connections.
    ///   - onRunning: told the bound port.
    public static func service(
        _ configuration: WebFaceConfiguration, router: Router<WebContext>, webSockets: [WebSocketRoute],
        certificates: CertificateStore?, group: any EventLoopGroup, logger: Logger,
        onRunning: @escaping @Sendable (Int) async -> Void = { _ in }
    ) -> some Service {
        let builder = HTTPServerBuilder { responder in
            WebChannel(
                responder: responder, routes: webSockets, certificates: certificates,
                idleTimeout: configuration.idleTimeout,
                maxWebSocketMessageBytes: configuration.maxWebSocketMessageBytes,
                proxies: TrustedProxies(configuration.trustedProxies))
        }
        return Application(
            router: router, server: builder,
            configuration: .init(
                address: .hostname(configuration.host, port: configuration.port), serverName: nil, backlog: 1024),
            onServerRunning: { await onRunning($0.localAddress?.port ?? 0) },
            eventLoopGroupProvider: .shared(group), logger: logger)
    }
}
