import Foundation
import HTTPTypes
import Hummingbird
import Logging
import Media
import NIOCore
import NIOPosix
import ServiceLifecycle
import Synchronization
import Testing
import Web

@testable import Interactivity

/// A plain TCP client that keeps everything it reads.
private final class RawClient: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer
    private let bytes = Mutex<[UInt8]>([])

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = unwrapInboundIn(data)
        bytes.withLock { $0 += Array(buffer.readableBytesView) }
    }

    var text: String { String(decoding: bytes.withLock(\.self), as: UTF8.self) }

    static func open(port: Int, _ request: String) async throws -> (RawClient, any Channel) {
        let client = RawClient()
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { $0.pipeline.addHandler(client) }
            .connect(host: "127.0.0.1", port: port).get()
        try await channel.writeAndFlush(ByteBuffer(string: request)).get()
        return (client, channel)
    }
}

/// Waits until something is so, for half a minute at most.
private func eventually(_ what: String, _ holds: () async throws -> Bool) async throws {
    let deadline = ContinuousClock.now + .seconds(30)
    while ContinuousClock.now < deadline {
        if try await holds() { return }
        try await Task.sleep(for: .milliseconds(10))
    }
    Issue.record("never so: \(what)")
}

@Suite("The live channel on a real listener")
struct LiveChannelTests {
    @Test("carries the same entries by WebSocket and by server-sent events, and lets go of readers that leave")
    func both() async throws {
        let http = try await HTTPStage(), stage = http.stage
        let token = try await http.headers(.attendee)[.authorization] ?? ""
        let claims = TokenClaims(
            sub: "bob", name: nil, org: "acme", event: "gala", role: .attendee, can: [],
            exp: stage.time.wall / 1000 + 60, jti: "socket")
        let route = stage.service.liveSocket { request in
            guard request.query["ticket"] == "good", let event = try await OneEvent().event("gala") else {
                throw Problem.unauthorized("The ticket is not valid.")
            }
            return (Principal(claims: claims, source: .ticket), event)
        }
        let (ports, port) = AsyncStream<Int>.makeStream()
        let face = WebFace.service(
            WebFaceConfiguration(host: "127.0.0.1", port: 0), router: http.router, webSockets: [route],
            certificates: nil, group: MultiThreadedEventLoopGroup.singleton, logger: Logger(label: "test"),
            onRunning: { port.yield($0) })
        let running = Task { try await face.run() }
        defer { running.cancel() }
        var iterator = ports.makeAsyncIterator()
        let bound = try #require(await iterator.next())
        let room = try await stage.service.room(gala)

        let upgrade =
            " HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        let (refused, refusedChannel) = try await RawClient.open(
            port: bound, "GET /v1/events/gala/live?ticket=bad" + upgrade)
        try await eventually("a bad ticket is refused") { refused.text.hasPrefix("HTTP/1.1 401") }
        let (socket, socketChannel) = try await RawClient.open(
            port: bound, "GET /v1/events/gala/live?ticket=good" + upgrade)
        let (events, eventsChannel) = try await RawClient.open(
            port: bound,
            "GET /v1/events/gala/live HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n"
                + "Authorization: \(token)\r\n\r\n")
        try await eventually("hello by WebSocket") { socket.text.contains("\"kind\":\"hello\"") }
        try await eventually("hello by events") { events.text.contains("event: hello\ndata: {") }
        #expect(room.subscriberCount == 2)

        _ = try await stage.poll()
        try await eventually("the poll by WebSocket") { socket.text.contains("\"kind\":\"poll.opened\"") }
        try await eventually("the poll by events") { events.text.contains("\"kind\":\"poll.opened\"") }
        #expect(events.text.contains("id: live:"))

        stage.service.connections.close(jti: "socket")
        try await eventually("a revoked token ends its socket") { !socketChannel.isActive || room.subscriberCount == 1 }
        for channel in [eventsChannel, refusedChannel, socketChannel] { channel.close(promise: nil) }
        try await eventually("an entry finds the reader gone") {
            try await stage.service.publish((0, ["heart": 1]), room)
            return room.subscriberCount == 0
        }
    }
}
