// A connection of an HTTP face: TLS, HTTP/1.1, and WebSockets on the same port.

internal import Foundation
internal import HTTPTypes
import HummingbirdCore
import Logging
import NIOCore
internal import NIOHTTP1
import NIOHTTPTypes
internal import NIOHTTPTypesHTTP1
internal import NIOSSL
internal import NIOWebSocket
internal import Synchronization

/// Sets up the connections of one listener.
struct WebChannel: HTTPChannelHandler {
    enum Upgrade: Sendable {
        case http(NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>)
        case webSocket
    }

    struct Value: ServerChildChannelValue {
        let upgrade: EventLoopFuture<Upgrade>
        let channel: any Channel
    }

    struct Refused: Error {}

    let responder: HTTPChannelHandler.Responder
    let routes: [WebSocketRoute]
    let certificates: CertificateStore?
    let idleTimeout: TimeAmount
    let maxWebSocketMessageBytes: Int
    let proxies: TrustedProxies

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        channel.eventLoop.makeCompletedFuture {
            if let certificates {
                try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: certificates.context()))
            }
            return Value(upgrade: try configure(channel, logger), channel: channel)
        }
    }

    private func configure(_ channel: any Channel, _ logger: Logger) throws -> EventLoopFuture<Upgrade> {
        // The upgrader asks twice on one connection's loop: first whether, then to install.
        let accepted = NIOLoopBoundBox<(handler: any WebSocketHandler, limit: Int)?>(nil, eventLoop: channel.eventLoop)
        let upgrader = NIOTypedWebSocketServerUpgrader<Upgrade>(
            maxFrameSize: maxWebSocketMessageBytes,
            shouldUpgrade: { [routes, proxies] channel, head in
                let promise = channel.eventLoop.makePromise(of: HTTPHeaders?.self)
                promise.completeWithTask {
                    do {
                        let (route, request) = try Self.find(routes, head, channel, proxies)
                        let handler = try await route.open(request)
                        let limit = route.pendingLimitBytes
                        try await channel.eventLoop.submit { accepted.value = (handler, limit) }.get()
                        return HTTPHeaders()
                    } catch {
                        let problem =
                            error as? Problem
                            ?? Problem(.internalServerError, "internal", "Something went wrong here")
                        if !(error is Problem) {
                            logger.error("a WebSocket could not be opened", metadata: ["error": "\(error)"])
                        }
                        try? await Self.refuse(channel, problem)
                        throw Refused()
                    }
                }
                return promise.futureResult
            },
            upgradePipelineHandler: { [maxWebSocketMessageBytes] channel, _ in
                guard let (handler, limit) = accepted.value else {
                    return channel.eventLoop.makeFailedFuture(Refused())
                }
                return WebSocketPeer.install(
                    on: channel, handler: handler, masks: false, pendingLimitBytes: limit,
                    maxMessageBytes: maxWebSocketMessageBytes
                ).map { _ in .webSocket }
            })
        var configuration = NIOUpgradableHTTPServerPipelineConfiguration<Upgrade>(
            upgradeConfiguration: .init(upgraders: [upgrader]) { [idleTimeout] channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHandler(HTTP1ToHTTPServerCodec(secure: false))
                    try pipeline.addHandler(HTTPConnectionStateHandler(idleTimeout: .init(idleTimeout), logger: logger))
                    let wrapped = try NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>(
                        wrappingChannelSynchronously: channel, configuration: .init(isOutboundHalfClosureEnabled: true))
                    return .http(wrapped)
                }
            })
        configuration.enablePipelining = false
        configuration.enableErrorHandling = false
        configuration.enableResponseHeaderValidation = false
        configuration.decoderConfiguration.maxHeaderFieldSize = 16 * 1024
        configuration.decoderConfiguration.maxHeaderListSize = 32 * 1024
        configuration.decoderConfiguration.maxHeaderFieldCount = 100
        // Who says nothing within this time is cut; the HTTP path has its own, later timeout.
        let silence = channel.eventLoop.scheduleTask(in: .seconds(15)) { channel.close(promise: nil) }
        let future = try channel.pipeline.syncOperations.configureUpgradableHTTPServerPipeline(
            configuration: configuration)
        future.whenComplete { _ in silence.cancel() }
        return future
    }

    private static func find(
        _ routes: [WebSocketRoute], _ head: HTTPRequestHead, _ channel: any Channel, _ proxies: TrustedProxies
    ) throws -> (WebSocketRoute, WebSocketRequest) {
        let path = head.uri.prefix { $0 != "?" }
        for route in routes {
            if let parameters = route.match(path) {
                let address = proxies.caller(
                    peer: channel.remoteAddress?.ipAddress ?? "local", forwarded: head.headers["X-Forwarded-For"])
                return (route, WebSocketRequest(head, parameters: parameters, remoteAddress: address))
            }
        }
        throw Problem.notFound("There is no WebSocket here.")
    }

    /// Answers a refused upgrade; NIO itself would leave the request's end in the pipeline (swift-nio issue 2632).
    private static func refuse(_ channel: any Channel, _ problem: Problem) async throws {
        let body = ByteBuffer(bytes: problem.json)
        var headers: HTTPHeaders = [
            "Content-Type": "application/problem+json", "Content-Length": String(body.readableBytes),
            "Connection": "close", "Cache-Control": "no-store",
        ]
        if let retryAfterMs = problem.retryAfterMs {
            headers.add(name: "Retry-After", value: String(max(1, (retryAfterMs + 999) / 1000)))
        }
        let head = HTTPResponseHead(
            version: .http1_1, status: .init(statusCode: problem.status.code), headers: headers)
        channel.write(HTTPServerResponsePart.head(head), promise: nil)
        channel.write(HTTPServerResponsePart.body(.byteBuffer(body)), promise: nil)
        try await channel.writeAndFlush(HTTPServerResponsePart.end(nil)).get()
        try await channel.close()
    }

    @concurrent
    func handle(value: Value, logger: Logger) async {
        guard let upgrade = try? await value.upgrade.get() else {
            value.channel.close(promise: nil)
            return
        }
        switch upgrade {
        case .http(let asyncChannel): await handleHTTP(asyncChannel: asyncChannel, logger: logger)
        case .webSocket: try? await value.channel.closeFuture.get()
        }
    }
}
