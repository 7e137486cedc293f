// The RTMPS server on loopback: our client, takeover, refusals, back-pressure, and the real ffmpeg.

import Foundation
import Logging
import Media
import NIOCore
import NIOPosix
import NIOSSL
import Output
import RTMP
import Testing

@Suite("RTMP ingest", .timeLimit(.minutes(5)))
struct IngestServerTests {
    private let group = MultiThreadedEventLoopGroup.singleton

    private func makeServer(
        keys: [String: RecordingSink], tls: NIOSSLContext?, limits: RTMPServerLimits? = nil
    ) async throws -> (server: RTMPServer, port: Int) {
        var usual = RTMPServerLimits()
        usual.refusalDelayMilliseconds = 50
        let server = RTMPServer(
            host: "127.0.0.1", port: 0, tlsContext: tls, limits: limits ?? usual, eventLoopGroup: group,
            logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }),
            authorizer: TestAuthorizer(keys: keys))
        try await server.start()
        return (server, try #require(server.boundPort))
    }

    @Test("our client publishes over TLS and its events arrive in order")
    func publishes() async throws {
        let certificate = try await TestCertificate.make()
        let sink = RecordingSink()
        let (server, port) = try await makeServer(keys: ["key": sink], tls: certificate.server)
        let client = try await TestClient.connect(port: port, key: "key", trusting: certificate.pem, group: group)
        try await waitUntil("start") { client.isStarted }
        client.send(.videoConfiguration(IngestSample.video))
        client.send(.audioConfiguration(IngestSample.audio))
        client.send(.programTime(ProgramTime(milliseconds: 1_790_000_000_000), pts: 5000))
        for index in 0..<50 { client.send(IngestSample.picture(5000 + Int64(index) * 40, isIDR: index == 0)) }
        try await waitUntil("frames") { sink.frames.count == 50 }
        #expect(server.counters.publishing == 1)
        client.finish()
        try await waitUntil("end") { !sink.endings.isEmpty }
        #expect(sink.frames.map(\.dts) == (0..<50).map { Int64($0) * 40 })
        guard case .videoConfiguration = sink.events.first else {
            Issue.record("the first event is \(String(describing: sink.events.first))")
            return
        }
        let times = sink.events.compactMap { event -> [Int64]? in
            if case .programTime(let time, let pts) = event { [time.milliseconds, pts] } else { nil }
        }
        #expect(times == [[1_790_000_000_000, 0]])
        #expect(sink.endings == ["unpublished"])
        try await waitUntil("close") { server.counters.open == 0 }
        #expect(server.counters.publishing == 0)
        #expect(server.counters.bytesReceived > 100_000)
        await server.shutdown()
    }

    @Test("a wrong key is told so, after a delay, and never reaches a sink")
    func wrongKey() async throws {
        let certificate = try await TestCertificate.make()
        let sink = RecordingSink()
        var limits = RTMPServerLimits()
        limits.refusalDelayMilliseconds = 300
        let (server, port) = try await makeServer(keys: ["key": sink], tls: certificate.server, limits: limits)
        let start = SystemClock.monotonic()
        let client = try await TestClient.connect(port: port, key: "wrong", trusting: certificate.pem, group: group)
        try await waitUntil("refusal") { client.failure != nil }
        #expect(client.failure == .refused(code: "NetStream.Publish.Unauthorized"))
        #expect(SystemClock.monotonic().milliseconds(since: start) >= 300)
        #expect(sink.events.isEmpty)
        #expect(server.counters.rejected["unauthorized"] == 1)
        await server.shutdown()
    }

    @Test("a second publisher of a key replaces the first at once, and its events come after the first one's end")
    func takeover() async throws {
        let sink = RecordingSink()
        let (server, port) = try await makeServer(keys: ["key": sink], tls: nil)
        let first = try await TestClient.connect(port: port, key: "key", group: group)
        try await waitUntil("first") { first.isStarted }
        first.send(.videoConfiguration(IngestSample.video))
        first.send(IngestSample.picture(0))
        try await waitUntil("first frame") { sink.frames.count == 1 }
        let second = try await TestClient.connect(port: port, key: "key", group: group)
        try await waitUntil("second") { second.isStarted }
        #expect(sink.endings == ["replaced"])
        second.send(.videoConfiguration(IngestSample.video))
        second.send(IngestSample.picture(0))
        try await waitUntil("second frame") { sink.frames.count == 2 }
        try await waitUntil("first told") { first.failure != nil }
        #expect(first.failure == .ended(code: "NetStream.Unpublish.Success"))
        #expect(server.counters.publishing == 1)
        #expect(server.counters.ended == ["replaced": 1])
        second.disconnect()
        try await waitUntil("second end") { sink.endings == ["replaced", "closed-by-peer"] }
        try await waitUntil("none") { server.counters.publishing == 0 }
        await server.shutdown()
    }

    @Test("a sink without room stops the reading, and loses nothing")
    func backPressure() async throws {
        let sink = RecordingSink()
        sink.setRoom(10)
        let (server, port) = try await makeServer(keys: ["key": sink], tls: nil)
        let client = try await TestClient.connect(port: port, key: "key", group: group)
        try await waitUntil("start") { client.isStarted }
        client.send(.videoConfiguration(IngestSample.video))
        // Far more than all buffers between the two hold.
        for index in 0..<600 { client.send(IngestSample.picture(Int64(index), size: 60_000)) }
        try await waitUntil("refusal") { sink.refusals > 0 }
        try await waitUntil("full buffers") { !client.isWritable }
        #expect(sink.events.count == 10)
        #expect(server.counters.bytesReceived < 20 << 20)
        sink.setRoom(.max)
        try await waitUntil("all frames") { sink.frames.count == 600 }
        #expect(sink.frames.map(\.dts) == (0..<600).map { Int64($0) })
        #expect(server.counters.sinkStalls >= 1)
        #expect(server.counters.droppedAtEnd == 0)
        await server.shutdown()
        #expect(sink.endings == ["shutdown"])
    }

    @Test("a player gets the stream from a key frame on, with the configurations first")
    func plays() async throws {
        let sink = RecordingSink()
        let (server, port) = try await makeServer(keys: ["key": sink], tls: nil)
        let publisher = try await TestClient.connect(port: port, key: "key", group: group)
        try await waitUntil("start") { publisher.isStarted }
        publisher.send(.videoConfiguration(IngestSample.video))
        publisher.send(IngestSample.picture(0))
        try await waitUntil("frame") { sink.frames.count == 1 }
        let player = try await TestClient.connect(port: port, key: "watch", purpose: .play, group: group)
        try await waitUntil("player") { player.isStarted }
        publisher.send(IngestSample.picture(40, isIDR: false))
        publisher.send(IngestSample.picture(80))
        publisher.send(IngestSample.picture(120, isIDR: false))
        publisher.finish()
        try await waitUntil("played") { player.failure != nil }
        var kinds: [String] = []
        for event in player.events {
            switch event {
            case .videoConfiguration: kinds.append("video")
            case .frame(let frame): kinds.append("\(frame.dts)")
            case .ended: kinds.append("ended")
            default: kinds.append("other")
            }
        }
        #expect(kinds == ["video", "80", "120", "ended"])
        try await waitUntil("left") { server.counters.playing == 0 }
        await server.shutdown()
    }

    @Test("floods of one address are turned away, and silent connections are closed")
    func floods() async throws {
        var limits = RTMPServerLimits()
        limits.maximumConnectionsPerAddress = 2
        // Long enough that all three are there before the first has run out.
        limits.connection.commandDeadlineMilliseconds = 2000
        let (server, port) = try await makeServer(keys: [:], tls: nil, limits: limits)
        var silent: [any Channel] = []
        for _ in 0..<3 {
            silent.append(try await ClientBootstrap(group: group).connect(host: "127.0.0.1", port: port).get())
        }
        try await waitUntil("turned away") { server.counters.rejected["too-many-of-address"] == 1 }
        try await waitUntil("deadline") { server.counters.rejected["command-deadline"] == 2 }
        for channel in silent { try await channel.closeFuture.get() }
        try await waitUntil("none") { server.counters.open == 0 }
        await server.shutdown()
    }

    @Test("a new certificate serves the connections that come after it")
    func reload() async throws {
        let (old, new) = (try await TestCertificate.make(), try await TestCertificate.make())
        let (server, port) = try await makeServer(keys: ["key": RecordingSink()], tls: old.server)
        let first = try await TestClient.connect(port: port, key: "key", trusting: old.pem, group: group)
        try await waitUntil("first") { first.isStarted }
        server.updateTLS(new.server)
        let second = try await TestClient.connect(port: port, key: "key", trusting: new.pem, group: group)
        try await waitUntil("second") { second.isStarted }
        let distrustful = try await TestClient.connect(port: port, key: "key", trusting: old.pem, group: group)
        try await waitUntil("closed") { distrustful.failure == .connectionClosed }
        try await waitUntil("counted") { server.counters.rejected["tls"] == 1 }
        await server.shutdown()
    }

    @Test("ffmpeg publishes H.264 and AAC over rtmps")
    func ffmpeg() async throws {
        let certificate = try await TestCertificate.make()
        let sink = RecordingSink()
        let (server, port) = try await makeServer(keys: ["key": sink], tls: certificate.server)
        let run = try await runProgram([
            "ffmpeg", "-hide_banner", "-nostdin", "-loglevel", "error", "-f", "lavfi", "-i",
            "testsrc=size=320x180:rate=25", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000", "-t", "2",
            "-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "25", "-pix_fmt", "yuv420p", "-c:a", "aac",
            "-b:a", "64k", "-f", "flv", "rtmps://127.0.0.1:\(port)/live/key",
        ])
        #expect(run.status == 0, "\(run.log)")
        try await waitUntil("end") { !sink.endings.isEmpty }
        let video = sink.frames.filter { $0.codec == .h264 }
        let audio = sink.frames.filter { $0.codec == .aac }
        #expect(video.count == 50)
        #expect((90...100).contains(audio.count))
        #expect(video.first?.isKeyframe == true)
        #expect(video.count { $0.isKeyframe } == 2)
        for frames in [video, audio] {
            #expect(zip(frames, frames.dropFirst()).allSatisfy { $0.dts < $1.dts })
            #expect(frames.allSatisfy { $0.pts >= $0.dts && $0.timescale == 1000 })
        }
        #expect((video.last?.dts ?? 0) - (video.first?.dts ?? 0) == 1960)
        var configured: Set<Codec> = []
        for event in sink.events {
            switch event {
            case .videoConfiguration(let record):
                #expect(configured.insert(.h264).inserted)
                #expect(record.array.first == 1)
            case .audioConfiguration(let record):
                #expect(configured.insert(.aac).inserted)
                #expect(record.count >= 2)
            case .frame(let frame): #expect(configured.contains(frame.codec))
            default: break
            }
        }
        #expect(sink.endings == ["unpublished"])
        await server.shutdown()
    }

    @Test("ffmpeg with a wrong key fails and says why")
    func ffmpegWrongKey() async throws {
        let certificate = try await TestCertificate.make()
        let (server, port) = try await makeServer(keys: [:], tls: certificate.server)
        let run = try await runProgram([
            "ffmpeg", "-hide_banner", "-nostdin", "-loglevel", "error", "-f", "lavfi", "-i",
            "testsrc=size=320x180:rate=25", "-t", "1", "-c:v", "libx264", "-preset", "ultrafast", "-f", "flv",
            "rtmps://127.0.0.1:\(port)/live/wrong",
        ])
        #expect(run.status != 0)
        #expect(run.log.contains("key is not accepted"), "\(run.log)")
        #expect(server.counters.rejected["unauthorized"] == 1)
        await server.shutdown()
    }
}
