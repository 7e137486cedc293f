// The real publisher against the real RTMPS server, in one process.

import Foundation
import Logging
import Media
import NIOCore
import NIOPosix
import Output
import RTMP
import Synchronization
import Testing
import Web

@testable import Compositor

@Suite("The program's publisher", .timeLimit(.minutes(5)))
struct ProgramPublisherTests {
    private let group = MultiThreadedEventLoopGroup.singleton
    private let clock = ProgramClock(wallMilliseconds: 1_767_225_600_000, monotonic: MonotonicTime(milliseconds: 0))
    private let certificates: (certificate: URL, key: URL)
    private let entrance = PublishEntrance(), log = PublishLog()
    private let states = States()

    private final class States: Sendable {
        let all = Mutex<[Bool]>([])
    }

    init() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "publisher-\(UUID().uuidString)")
        certificates = try CertificateStore.development(directory: folder, hosts: ["localhost", "127.0.0.1"])
    }

    private func removeFolder() {
        try? FileManager.default.removeItem(at: certificates.key.deletingLastPathComponent())
    }

    private func server(port: Int = 0) async throws -> (server: RTMPServer, port: Int) {
        let store = try CertificateStore(
            certificateFile: certificates.certificate, keyFile: certificates.key, logger: log.logger)
        var limits = RTMPServerLimits()
        limits.refusalDelayMilliseconds = 20
        // Nobody sends while a test waits for something else.
        limits.connection.idleTimeoutMilliseconds = 300_000
        limits.connection.firstPacketTimeoutMilliseconds = 300_000
        let server = RTMPServer(
            host: "127.0.0.1", port: port, tlsContext: store.context(), limits: limits, eventLoopGroup: group,
            logger: log.logger, authorizer: entrance)
        try await server.start()
        return (server, try #require(server.boundPort))
    }

    private func publisher(
        port: Int, host: String = "localhost", trusts: Bool = true, stallMilliseconds: Int64 = 5000
    ) -> ProgramPublisher {
        let publisher = ProgramPublisher(
            url: "rtmps://\(host):\(port)/live", streamName: "secret-name",
            trustedCertificateFile: trusts ? certificates.certificate : nil, clock: clock, metadata: StreamMetadata(),
            group: group, logger: log.logger, stallMilliseconds: stallMilliseconds,
            onState: { [states] isConnected in states.all.withLock { $0.append(isConnected) } })
        publisher.configure(
            video: PublishFrames.video, audio: PublishFrames.audio)
        return publisher
    }

    private func picture(_ index: Int64, bytes size: Int = 1000) -> EncodedFrame {
        PublishFrames.picture(index, bytes: size)
    }

    private func waitUntil(_ what: String, _ condition: () -> Bool) async throws {
        try await log.waitUntil(what, condition)
    }

    /// Checks what one connection brought: configurations, time and IDR first, and no picture without the one before
    /// it; returns the program times of its pictures.
    private func check(_ events: [StreamEvent]) -> [Int64] {
        var offset: Int64?
        var times: [Int64] = []
        for (index, event) in events.enumerated() {
            switch (index, event) {
            case (0, .videoConfiguration), (1, .audioConfiguration): break
            case (_, .programTime(let time, let pts)):
                let told = time.milliseconds - pts
                #expect(offset == nil || abs(told - (offset ?? 0)) <= 1)
                offset = told
            case (3..., .frame(let frame)):
                let time = frame.pts + (offset ?? 0) - clock.anchor.milliseconds
                #expect(!frame.isKeyframe || time % 2000 == 0)
                if !frame.isKeyframe { #expect((32...35).contains(time - (times.last ?? 0))) }
                times.append(time)
            default: Issue.record("\(index): \(event)")
            }
        }
        #expect(times.first.map { $0 % 2000 == 0 } == true)
        return times
    }

    @Test("the server goes away and comes back: the program goes on at an IDR, its configurations and clock first")
    func serverIsKilled() async throws {
        defer { removeFolder() }
        let (first, port) = try await server()
        let publisher = publisher(port: port)
        try await waitUntil("start") { states.all.withLock { $0 } == [true] }
        var index: Int64 = 0
        func send(through last: Int64) {
            while index <= last {
                publisher.send(picture(index))
                index += 1
            }
        }
        send(through: 50)
        try await waitUntil("frames") { entrance.frames == 51 }
        await first.shutdown()
        try await waitUntil("loss") { states.all.withLock { $0 } == [true, false] }
        // Frames 51…59 follow pictures that the old connection took; from 60 on all waits.
        send(through: 70)
        let (second, _) = try await server(port: port)
        try await waitUntil("return") { states.all.withLock { $0 } == [true, false, true] }
        // With these still waiting, what follows would be more than the two seconds that are kept.
        try await waitUntil("what waited") { entrance.frames == 51 + 11 }
        send(through: 119)
        try await waitUntil("a run") { entrance.frames == 51 + 60 }
        send(through: 130)
        try await waitUntil("more frames") { entrance.frames == 51 + 71 }
        let connections = entrance.connections
        #expect(connections.count == 2)
        #expect(check(connections[0]) == (0...50).map { $0 * 1000 / 30 })
        #expect(check(connections[1]) == (60...130).map { $0 * 1000 / 30 })
        let counters = publisher.counters
        #expect(counters["proscenium_compositor_publisher_connections_total"] == 2)
        #expect(counters["proscenium_compositor_publisher_frames_sent_total"] == 122)
        #expect(counters["proscenium_compositor_publisher_connected"] == 1)
        #expect(
            (counters["proscenium_compositor_publisher_dropped_reconnect_total"] ?? 0)
                + (counters["proscenium_compositor_publisher_dropped_undecodable_total"] ?? 0) == 9)
        publisher.stop()
        try await waitUntil("stop") { states.all.withLock { $0 } == [true, false, true, false] }
        try await waitUntil("unpublish") { second.counters.ended == ["closed-by-peer": 1] }
        publisher.send(picture(180))
        #expect(publisher.counters["proscenium_compositor_publisher_queue_milliseconds"] == 0)
        await second.shutdown()
        #expect(log.lines.withLock { $0.allSatisfy { !$0.contains("secret-name") } })
    }

    @Test("a peer that takes no bytes costs whole runs of pictures and then its connection, never the encoder's time")
    func stall() async throws {
        defer { removeFolder() }
        let (server, port) = try await server()
        let publisher = publisher(port: port, host: "127.0.0.1", stallMilliseconds: 1500)
        try await waitUntil("start") { states.all.withLock { $0 } == [true] }
        entrance.setRoom(false)
        var index: Int64 = 0
        func send() {
            publisher.send(picture(index, bytes: 60_000))
            index += 1
        }
        // More than the network and the queue hold together: nothing waits for the peer, or this would never end.
        while index < 300 { send() }
        try await waitUntil("stall") {
            send()
            return publisher.counters["proscenium_compositor_publisher_stalls_total"] == 1
        }
        #expect((publisher.counters["proscenium_compositor_publisher_dropped_overflow_total"] ?? 0) > 0)
        #expect((publisher.counters["proscenium_compositor_publisher_queue_milliseconds"] ?? 0) <= 10_000)
        entrance.setRoom(true)
        // A machine that stands still for a moment looks like a peer that does.
        try await waitUntil("return") { states.all.withLock { $0.count > 2 && $0.last == true } }
        let end = (index / 60 + 3) * 60
        for next in index...end { publisher.send(picture(next)) }
        try await waitUntil("the last") {
            guard let connection = entrance.connections.last, case .frame(let frame) = connection.last, frame.isKeyframe
            else { return false }
            return check(connection).last == end * 1000 / 30
        }
        for connection in entrance.connections where !connection.isEmpty { _ = check(connection) }
        publisher.stop()
        await server.shutdown()
    }

    @Test("a certificate that nobody vouches for gets no byte of the program")
    func untrusted() async throws {
        defer { removeFolder() }
        let (server, port) = try await server()
        let publisher = publisher(port: port, trusts: false)
        publisher.send(picture(0))
        try await waitUntil("failures") {
            (publisher.counters["proscenium_compositor_publisher_failures_total"] ?? 0) >= 2
        }
        publisher.stop()
        #expect(states.all.withLock { $0 }.isEmpty)
        #expect(publisher.counters["proscenium_compositor_publisher_connections_total"] == 0)
        #expect(entrance.connections.isEmpty)
        await server.shutdown()
        #expect(server.counters.bytesReceived == 0)
    }

    @Test("a name that is not known yet is tried again until it is")
    func refused() async throws {
        defer { removeFolder() }
        entrance.setNames([])
        let (server, port) = try await server()
        let publisher = publisher(port: port)
        try await waitUntil("refusal") { publisher.counters["proscenium_compositor_publisher_refused_total"] ?? 0 >= 1 }
        #expect(states.all.withLock { $0 }.isEmpty)
        entrance.setNames(["secret-name"])
        try await waitUntil("start") { states.all.withLock { $0 } == [true] }
        publisher.send(picture(0))
        try await waitUntil("frame") { entrance.frames == 1 }
        publisher.stop()
        await server.shutdown()
        #expect(log.lines.withLock { $0.contains { $0.contains("Unauthorized") } })
        #expect(log.lines.withLock { $0.allSatisfy { !$0.contains("secret-name") } })
    }

    @Test("what waits when it is stopped is still sent, and stopping ends when the connection has")
    func flush() async throws {
        defer { removeFolder() }
        let (server, port) = try await server()
        let publisher = publisher(port: port)
        try await waitUntil("start") { states.all.withLock { $0 } == [true] }
        for index in Int64(0)..<60 { publisher.send(picture(index, bytes: 60_000)) }
        try await publisher.stop()?.get()
        try await waitUntil("the end") { server.counters.ended == ["closed-by-peer": 1] }
        #expect(entrance.frames == 60)
        await server.shutdown()
    }

    @Test("a peer that takes nothing does not hold up the end")
    func stopWhileStuck() async throws {
        defer { removeFolder() }
        let (server, port) = try await server()
        let publisher = publisher(port: port)
        try await waitUntil("start") { states.all.withLock { $0 } == [true] }
        entrance.setRoom(false)
        for index in Int64(0)..<300 { publisher.send(picture(index, bytes: 60_000)) }
        try await publisher.stop()?.get()
        #expect(states.all.withLock { $0 } == [true, false])
        entrance.setRoom(true)
        await server.shutdown()
    }
}
