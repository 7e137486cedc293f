import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle
import Synchronization
import Testing

@testable import Web

@Suite("The caller behind proxies")
struct TrustedProxyTests {
    @Test(
        "is the nearest hop that is no proxy of ours, and counts only from our proxies",
        arguments: [
            ("10.0.0.1", ["1.2.3.4"], "1.2.3.4"), ("10.0.0.1", ["9.9.9.9, 1.2.3.4", "10.0.0.2"], "1.2.3.4"),
            ("5.5.5.5", ["1.2.3.4"], "5.5.5.5"), ("10.0.0.1", [], "10.0.0.1"), ("10.0.0.1", ["10.0.0.2"], "10.0.0.1"),
            ("10.0.0.1", [String(repeating: "1", count: 65)], "10.0.0.1"),
        ])
    func rule(peer: String, forwarded: [String], caller: String) {
        let proxies = TrustedProxies(["10.0.0.1", "10.0.0.2"])
        #expect(proxies.caller(peer: peer, forwarded: forwarded) == caller)
    }

    @Test("is found on WebSocket upgrades too", arguments: [(["127.0.0.1"], "1.2.3.4"), ([], "127.0.0.1")])
    func upgrade(trusted: [String], caller: String) async throws {
        let (callers, seen) = AsyncStream<String>.makeStream()
        let route = WebSocketRoute("/socket") { request in
            seen.yield(request.remoteAddress)
            throw Problem.forbidden("Nobody is let in.")
        }
        let (ports, port) = AsyncStream<Int>.makeStream()
        let face = WebFace.service(
            WebFaceConfiguration(host: "127.0.0.1", port: 0, trustedProxies: trusted),
            router: Router(context: WebContext.self), webSockets: [route], certificates: nil,
            group: MultiThreadedEventLoopGroup.singleton, logger: Logger(label: "test"), onRunning: { port.yield($0) })
        let running = Task { try await face.run() }
        defer { running.cancel() }
        var bound = ports.makeAsyncIterator(), next = callers.makeAsyncIterator()
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: "127.0.0.1", port: try #require(await bound.next())).get()
        try await channel.writeAndFlush(
            ByteBuffer(
                string: "GET /socket HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 1.2.3.4\r\nUpgrade: websocket\r\n"
                    + "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                    + "Sec-WebSocket-Version: 13\r\n\r\n")
        ).get()
        #expect(await next.next() == caller)
        channel.close(promise: nil)
    }
}
