// A client of Studio's REST API: HTTPS on one lasting connection, one request after the other.

public import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Web

/// Where Studio is reached, and whom to trust there.
public struct StudioAddress: Sendable, Hashable {
    /// The name that the certificate has.
    public var host: String
    /// The address that is dialled.
    public var address: String
    /// The port of the public listener.
    public var port: Int
    /// PEM file of a certificate that is trusted beside the system's.
    public var certificateFile: URL

    /// Creates an address.
    public init(host: String, address: String, port: Int, certificateFile: URL) {
        self.host = host
        self.address = address
        self.port = port
        self.certificateFile = certificateFile
    }

    /// How pages are addressed.
    var origin: String { "https://\(host):\(port)" }
}

/// Why a request did not succeed.
enum StudioError: Error, CustomStringConvertible {
    /// Studio answered with another status than 2xx.
    case refused(status: Int, type: String)
    /// The connection ended before the answer.
    case disconnected
    /// The answer is not what the API describes.
    case unexpected(String)

    /// What is logged: never a body, which may hold secrets.
    var description: String {
        switch self {
        case .refused(let status, let type): "Studio answered \(status) \(type)"
        case .disconnected: "the connection to Studio ended"
        case .unexpected(let what): "Studio's answer lacks \(what)"
        }
    }
}

/// An answer of Studio.
struct StudioAnswer: Sendable {
    var status: Int
    var headers: HTTPHeaders
    var body: Data

    /// Reads the body.
    func json<Value: Decodable>(_ type: Value.Type) throws -> Value {
        do { return try JSONDecoder().decode(type, from: body) } catch {
            throw StudioError.unexpected("\(type)")
        }
    }
}

/// One caller of the API.
actor StudioClient {
    static let timeout = TimeAmount.seconds(15)
    static let answerLimitBytes = 4 << 20

    private let address: StudioAddress
    private let token: String?
    private let context: NIOSSLContext
    private var connection: (any Channel)?

    /// Creates a client; the first request dials.
    ///
    /// - Parameters:
    ///   - address: where Studio is.
    ///   - token: shown with every request; nil for none.
    /// - Throws: what the certificate's parser says.
    init(_ address: StudioAddress, token: String?) throws {
        self.address = address
        self.token = token
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.additionalTrustRoots = [.file(address.certificateFile.path)]
        configuration.applicationProtocols = ["http/1.1"]
        context = try NIOSSLContext(configuration: configuration)
    }

    /// Sends JSON and returns the answer, when it is 2xx.
    ///
    /// - Throws: `StudioError`, or what the network says.
    @discardableResult
    func send(
        _ method: HTTPMethod, _ path: String, json: some Encodable & Sendable, headers: HTTPHeaders = [:]
    ) async throws -> StudioAnswer {
        try await send(
            method, path, body: try JSON.encoder.encode(json), contentType: "application/json", headers: headers)
    }

    /// Sends a body, or none, and returns the answer, when it is 2xx.
    ///
    /// - Throws: `StudioError`, or what the network says.
    @discardableResult
    func send(
        _ method: HTTPMethod, _ path: String, body: Data = Data(), contentType: String = "application/json",
        headers: HTTPHeaders = [:]
    ) async throws -> StudioAnswer {
        var headers = headers
        headers.add(name: "Host", value: "\(address.host):\(address.port)")
        headers.add(name: "Content-Length", value: "\(body.count)")
        if method != .GET { headers.add(name: "Content-Type", value: contentType) }
        if let token { headers.add(name: "Authorization", value: "Bearer \(token)") }
        let request = PendingRequest(
            head: HTTPRequestHead(version: .http1_1, method: method, uri: path, headers: headers),
            body: ByteBuffer(bytes: body))
        let answer: StudioAnswer
        if let connection, connection.isActive {
            // Studio ends connections that were idle for long: then the request is sent again on a new one. Every request
            // of the demo may be sent twice.
            do { answer = try await exchange(request, on: connection) } catch StudioError.disconnected {
                answer = try await exchange(request, on: try await dial())
            }
        } else {
            answer = try await exchange(request, on: try await dial())
        }
        guard (200..<300).contains(answer.status) else {
            struct Problem: Decodable { let type: String }
            let type = (try? answer.json(Problem.self))?.type ?? ""
            throw StudioError.refused(status: answer.status, type: type)
        }
        return answer
    }

    /// Ends the connection.
    func close() {
        connection?.close(promise: nil)
        connection = nil
    }

    private func exchange(_ request: PendingRequest, on channel: any Channel) async throws -> StudioAnswer {
        let promise = channel.eventLoop.makePromise(of: StudioAnswer.self)
        var request = request
        request.promise = promise
        // The handler fails the promise when it can't write, or never reads an answer.
        channel.writeAndFlush(request).cascadeFailure(to: promise)
        return try await promise.futureResult.get()
    }

    private func dial() async throws -> any Channel {
        let context = context, host = address.host
        // A name goes into the handshake and is checked there; an address has no place in it (RFC 6066 §3).
        let isLiteral = (try? SocketAddress(ipAddress: host, port: 0)) != nil
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connectTimeout(.seconds(3))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHandler(
                        NIOSSLClientHandler(context: context, serverHostname: isLiteral ? nil : host))
                    try pipeline.addHTTPClientHandlers()
                    try pipeline.addHandler(ExchangeHandler())
                }
            }
            .connect(host: address.address, port: address.port).get()
        connection?.close(promise: nil)
        connection = channel
        return channel
    }
}

/// A request on its way through the pipeline.
private struct PendingRequest: Sendable {
    var head: HTTPRequestHead
    var body: ByteBuffer
    var promise: EventLoopPromise<StudioAnswer>?
}

/// Writes requests, and keeps their promises in the order of the answers.
private final class ExchangeHandler: ChannelDuplexHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundIn = PendingRequest
    typealias OutboundOut = HTTPClientRequestPart

    private var waiting: [(promise: EventLoopPromise<StudioAnswer>, timeout: Scheduled<Void>)] = []
    private var answer: StudioAnswer?

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let request = unwrapOutboundIn(data)
        if let answer = request.promise {
            let channel = context.channel
            let timeout = context.eventLoop.scheduleTask(in: StudioClient.timeout) { channel.close(promise: nil) }
            waiting.append((answer, timeout))
        }
        context.write(wrapOutboundOut(.head(request.head)), promise: nil)
        if request.body.readableBytes > 0 {
            context.write(wrapOutboundOut(.body(.byteBuffer(request.body))), promise: nil)
        }
        context.write(wrapOutboundOut(.end(nil)), promise: promise)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): answer = StudioAnswer(status: Int(head.status.code), headers: head.headers, body: Data())
        case .body(let bytes):
            guard let size = answer?.body.count, size + bytes.readableBytes <= StudioClient.answerLimitBytes else {
                return context.close(promise: nil)
            }
            answer?.body.append(contentsOf: bytes.readableBytesView)
        case .end:
            guard let done = answer, (200..<600).contains(done.status), !waiting.isEmpty else { return }
            answer = nil
            let (promise, timeout) = waiting.removeFirst()
            timeout.cancel()
            promise.succeed(done)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        fail()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        fail()
        context.close(promise: nil)
    }

    private func fail() {
        for (promise, timeout) in waiting {
            timeout.cancel()
            promise.fail(StudioError.disconnected)
        }
        waiting = []
    }
}
