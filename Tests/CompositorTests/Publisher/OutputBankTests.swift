// Many outputs at once, some of them in trouble: the others get every picture.

import Control
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

@Suite("The program's outputs", .timeLimit(.minutes(5)))
struct OutputBankTests {
    private final class Reports: Sendable {
        let all = Mutex<[[OutputState]]>([])
        func phases(_ id: String) -> [OutputState.Phase] {
            all.withLock { all in
                all.compactMap { $0.first { $0.id == id }?.phase }.reduce(into: []) { phases, phase in
                    if phases.last != phase { phases.append(phase) }
                }
            }
        }
    }

    private let group = MultiThreadedEventLoopGroup.singleton
    private let clock = ProgramClock(wallMilliseconds: 1_767_225_600_000, monotonic: MonotonicTime(milliseconds: 0))
    private let log = PublishLog(), reports = Reports()
    private let entrance = PublishEntrance(names: ["key-of-one", "key-of-two"])

    private func bank(
        isPublicOnly: Bool = false, stallMilliseconds: Int64 = 30_000, warnMilliseconds: Int64 = 5000
    ) -> OutputBank {
        var policy = PublishPolicy.output(isPublicOnly: isPublicOnly)
        policy.stallMilliseconds = stallMilliseconds
        policy.warnMilliseconds = warnMilliseconds
        let bank = OutputBank(
            policy: policy, clock: clock, metadata: StreamMetadata(), group: group, logger: log.logger
        ) { [reports] states in reports.all.withLock { $0.append(states) } }
        bank.configure(video: PublishFrames.video, audio: PublishFrames.audio)
        return bank
    }

    private func server(port: Int = 0, tls: CertificateStore? = nil) async throws -> (server: RTMPServer, port: Int) {
        var limits = RTMPServerLimits()
        limits.refusalDelayMilliseconds = 20
        // Nobody sends while a test waits for something else.
        limits.connection.idleTimeoutMilliseconds = 300_000
        limits.connection.firstPacketTimeoutMilliseconds = 300_000
        let server = RTMPServer(
            host: "127.0.0.1", port: port, tlsContext: tls?.context(), limits: limits, eventLoopGroup: group,
            logger: Logger(label: "server"), authorizer: entrance)
        try await server.start()
        return (server, try #require(server.boundPort))
    }

    private func output(
        _ id: String, port: Int, scheme: String = "rtmp", host: String = "127.0.0.1", key: String? = nil,
        hasBeenLive: Bool = false
    ) -> OutputDestination {
        OutputDestination(
            id: id, url: "\(scheme)://\(host):\(port)/live", key: SecretText(key ?? "key-of-\(id)"),
            hasBeenLive: hasBeenLive)
    }

    private func state(_ bank: OutputBank, _ id: String) -> OutputState? { bank.states.first { $0.id == id } }

    private func times(_ name: String) -> [[Int64]] {
        entrance.connections(name).map { events in
            events.compactMap { if case .frame(let frame) = $0 { frame.pts } else { nil } }
        }
    }

    private func stamps(_ indices: ClosedRange<Int64>, from origin: Int64 = 0) -> [Int64] {
        indices.map { (index: Int64) -> Int64 in index * 1000 / 30 - origin }
    }

    private func stop(_ bank: OutputBank) async throws { for ending in bank.stop() { try await ending.get() } }

    @Test("each server gets every picture, one that goes away comes back at an IDR, and one more changes nothing")
    func two() async throws {
        let (first, one) = try await server(), (second, two) = try await server()
        let bank = bank()
        bank.put([output("one", port: one), output("two", port: two)])
        try await log.waitUntil("both") { bank.states.allSatisfy { $0.phase == .live } && bank.states.count == 2 }
        for index in Int64(0)...50 { bank.send(PublishFrames.picture(index)) }
        try await log.waitUntil("frames") { times("key-of-one") == [stamps(0...50)] }
        await second.shutdown()
        try await log.waitUntil("loss") { state(bank, "two")?.phase == .retrying }
        #expect(state(bank, "one")?.phase == .live)
        for index in Int64(51)...70 { bank.send(PublishFrames.picture(index)) }
        let (third, _) = try await server(port: two)
        try await log.waitUntil("return") { state(bank, "two")?.phase == .live }
        bank.put([
            output("one", port: one, hasBeenLive: true), output("two", port: two), output("x", port: one, key: "wrong"),
        ])
        // No faster than two takes them: its queue keeps two seconds.
        for last in [Int64(85), 100, 115, 130] {
            for index in (last - 14)...last { bank.send(PublishFrames.picture(index)) }
            try await log.waitUntil("picture \(last) at one") { times("key-of-one") == [stamps(0...last)] }
            try await log.waitUntil("picture \(last) at two") { times("key-of-two").last?.count == Int(last) - 59 }
        }
        // Stamps start anew with each connection, at an IDR; what the old one took is not sent again.
        #expect(times("key-of-two").last == stamps(60...130, from: 2000))
        #expect(entrance.connections.joined().allSatisfy { if case .programTime = $0 { false } else { true } })
        #expect(state(bank, "two")?.connections == 2 && state(bank, "one")?.connections == 1)
        #expect(state(bank, "two").map { $0.droppedFrames > 0 } == true && state(bank, "one")?.droppedFrames == 0)
        #expect(reports.phases("two") == [.connecting, .live, .retrying, .live])
        bank.put([output("one", port: one)])
        #expect(bank.states.map(\.id) == ["one"])
        try await log.waitUntil("unpublish") { third.counters.ended["closed-by-peer"] == 1 }
        try await stop(bank)
        for server in [first, third] { await server.shutdown() }
    }

    @Test("a refused key is final at first, is tried again once it was good, and stands nowhere")
    func refused() async throws {
        let (server, port) = try await server()
        let bank = bank()
        let lingering = output("lingering", port: port, key: "key-that-lingers", hasBeenLive: true)
        bank.put([output("wrong", port: port, key: "key-that-is-wrong"), lingering])
        try await log.waitUntil("failure") { state(bank, "wrong")?.phase == .failed }
        try await log.waitUntil("retry") { state(bank, "lingering")?.phase == .retrying }
        let sentence = try #require(state(bank, "wrong")?.reason)
        #expect(sentence.contains("NetStream.Publish.Unauthorized"))
        entrance.setNames(["key-that-lingers", "key-that-is-wrong"])
        try await log.waitUntil("the old session has ended") { state(bank, "lingering")?.phase == .live }
        #expect(reports.phases("wrong") == [.connecting, .failed])
        #expect(state(bank, "wrong")?.connections == 0)
        let told = reports.all.withLock { "\($0) " + $0.map { $0.map { "\($0)" }.joined() }.joined() }
        let described =
            "\(lingering) \(String(reflecting: lingering)) \(Command.compositor(.connect(.init(outputs: [lingering]))))"
        for text in log.lines.withLock({ $0 }) + [told, described] {
            #expect(!text.contains("key-that"), "\(text)")
        }
        try await stop(bank)
        await server.shutdown()
    }

    @Test("servers that stop reading, say nothing or reset cost the others nothing", .timeLimit(.minutes(5)))
    func trouble() async throws {
        let (server, port) = try await server()
        // One that accepts and never says a word, and one that hangs up with a reset.
        let silent = try await ServerBootstrap(group: group).childChannelOption(.autoRead, value: false)
            .bind(host: "127.0.0.1", port: 0).get()
        let resetting = try await ServerBootstrap(group: group).childChannelOption(.autoRead, value: false)
            .childChannelInitializer { channel in
                // Bytes that nobody has read turn a close into a reset.
                channel.eventLoop.scheduleTask(in: .milliseconds(200)) { channel.close(promise: nil) }
                return channel.eventLoop.makeSucceededVoidFuture()
            }.bind(host: "127.0.0.1", port: 0).get()
        let bank = bank(stallMilliseconds: 4000, warnMilliseconds: 300)
        bank.put([
            output("one", port: port), output("two", port: port),
            output("silent", port: try #require(silent.localAddress?.port)),
            output("resetting", port: try #require(resetting.localAddress?.port)), output("gone", port: 1),
        ])
        try await log.waitUntil("both") { ["one", "two"].allSatisfy { state(bank, $0)?.phase == .live } }
        entrance.setRoom(false, for: "key-of-two")
        var index: Int64 = 0
        func send() {
            bank.send(PublishFrames.picture(index, bytes: 20_000))
            index += 1
        }
        // As fast as the good one takes it: its queue never fills, the other one's does.
        try await log.waitUntil("warning") {
            if times("key-of-one").joined().count >= index - 30 { send() }
            return state(bank, "two")?.reason == "The server takes no bytes now."
        }
        #expect(state(bank, "two")?.phase == .live)
        try await log.waitUntil("reset") {
            if times("key-of-one").joined().count >= index - 30 { send() }
            return state(bank, "two")?.phase == .retrying && state(bank, "two")?.droppedFrames ?? 0 > 0
        }
        #expect(state(bank, "two")?.reason == "The server took nothing for too long.")
        try await log.waitUntil("all") { times("key-of-one").joined().count == Int(index) }
        #expect(times("key-of-one") == [stamps(0...(index - 1))])
        #expect(state(bank, "one")?.droppedFrames == 0)
        #expect(state(bank, "gone")?.reason?.contains("Connection refused") == true)
        #expect(state(bank, "silent")?.phase == .connecting || state(bank, "silent")?.phase == .retrying)
        try await log.waitUntil("resets") { state(bank, "resetting")?.phase == .retrying }
        entrance.setRoom(true, for: "key-of-two")
        try await stop(bank)
        await server.shutdown()
        try await silent.close()
        try await resetting.close()
    }

    @Test("a certificate that nobody vouches for is the end, and gets neither key nor picture")
    func certificate() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "outputs-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let files = try CertificateStore.development(directory: folder, hosts: ["localhost", "127.0.0.1"])
        let store = try CertificateStore(certificateFile: files.certificate, keyFile: files.key, logger: log.logger)
        let (server, port) = try await server(tls: store)
        let bank = bank()
        bank.put([output("one", port: port, scheme: "rtmps", host: "localhost")])
        try await log.waitUntil("failure") { state(bank, "one")?.phase == .failed }
        #expect(state(bank, "one")?.reason == "The server's certificate is not trusted, or not for this name.")
        try await stop(bank)
        await server.shutdown()
        #expect(server.counters.bytesReceived == 0 && entrance.connections.isEmpty)
    }

    @Test("a name with a private address is not connected to", arguments: ["localhost", "127.0.0.1", "127.1", "[::1]"])
    func privateAddress(host: String) async throws {
        let (server, port) = try await server()
        let bank = bank(isPublicOnly: true)
        bank.put([output("one", port: port, host: host)])
        try await log.waitUntil("failure") { state(bank, "one")?.phase == .failed }
        #expect(state(bank, "one")?.reason?.contains("private") == true)
        try await stop(bank)
        #expect(server.counters.accepted == 0)
        await server.shutdown()
    }
}
