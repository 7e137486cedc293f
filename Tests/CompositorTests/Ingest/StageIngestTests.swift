// An encoder's stream from the server's entrance to pictures and sound that are due, all of it real but the encoder's clock.

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

@Suite("Streams that come in", .timeLimit(.minutes(5)))
struct StageIngestTests {
    private let group = MultiThreadedEventLoopGroup.singleton
    private let log = PublishLog()
    private let entrance = PublishEntrance(names: ["camera-key"])

    /// A server that lets `camera-key` publish, and plays it to who knows `worker-token`.
    private struct Doors: IngestAuthorizer {
        let entrance: PublishEntrance
        func authorize(app: String, streamName: String, remoteAddress: String) async -> IngestGrant? {
            guard let grant = await entrance.authorize(app: app, streamName: streamName, remoteAddress: remoteAddress)
            else { return nil }
            return IngestGrant(ingestID: "camera", sink: grant.sink)
        }
        func authorizePlay(app: String, streamName: String, remoteAddress: String) async -> String? {
            app == "ingest/camera" && streamName == "worker-token" ? "camera" : nil
        }
    }

    /// Publishes pictures of one brightness, with a tone, in real time until it is told to end.
    private final class Encoder: Sendable {
        private let isEnding = Atomic(false)
        private let thread = Mutex<MediaThread?>(nil)
        private let publisher: ProgramPublisher

        init(port: Int, luma: UInt8, certificate: URL, log: PublishLog) {
            let clock = ProgramClock(wallMilliseconds: 1_767_225_600_000, monotonic: SystemClock.monotonic())
            let publisher = ProgramPublisher(
                url: "rtmps://localhost:\(port)/live", streamName: "camera-key", trustedCertificateFile: certificate,
                clock: clock, metadata: StreamMetadata(), group: MultiThreadedEventLoopGroup.singleton,
                logger: log.logger, onState: { _ in })
            self.publisher = publisher
            thread.withLock { thread in
                thread = MediaThread(name: "encoder") { [self] in
                    try? run(luma)
                }
            }
        }

        private func run(_ luma: UInt8) throws {
            var settings = X264Settings.rung(
                size: PictureSize(width: 320, height: 180), frameRate: FrameRate(30), bitrateKbps: 300,
                preset: .ultrafast)
            settings.lookaheadFrames = 0
            var video = try X264Encoder(settings: settings, timescale: 30)
            var audio = try AACEncoder(settings: AACSettings(bitrateKbps: 96))
            publisher.configure(video: video.configuration.record, audio: audio.configuration)
            let begin = SystemClock.monotonic()
            var samples: Int64 = 0
            for index in Int64(0)... {
                SystemClock.sleep(until: begin.advanced(byNanoseconds: index * 1_000_000_000 / 30))
                if isEnding.load(ordering: .acquiring) { break }
                let picture = VideoFrame(width: 320, height: 180)
                picture.fill(y: luma, u: 128, v: 128)
                if let frame = try video.encode(picture, pts: index, forcesIDR: index % 30 == 0) {
                    publisher.send(frame)
                }
                while samples < (index + 1) * 1600 {
                    let tone = (0..<1024).map { Float(0.4 * sin(2 * .pi * 1000 * Double(samples + $0) / 48_000)) }
                    try tone.withUnsafeBufferPointer { tone in
                        try audio.encode(left: tone, right: tone) { publisher.send($0) }
                    }
                    samples += 1024
                }
            }
        }

        func end() async throws {
            isEnding.store(true, ordering: .releasing)
            try await publisher.stop()?.get()
        }
    }

    @Test("are seen and heard while they are wanted, go to a card when they end, and come back")
    func whole() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "ingests-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let files = try CertificateStore.development(directory: folder, hosts: ["localhost", "127.0.0.1"])
        let store = try CertificateStore(certificateFile: files.certificate, keyFile: files.key, logger: log.logger)
        let server = RTMPServer(
            host: "127.0.0.1", port: 0, tlsContext: store.context(), eventLoopGroup: group,
            logger: Logger(label: "server"), authorizer: Doors(entrance: entrance))
        try await server.start()
        let port = try #require(server.boundPort)
        let ingests = StageIngests(
            token: "worker-token", trustedCertificateFile: files.certificate, group: group, logger: log.logger)
        let source = SceneSource.ingest("camera")
        ingests.put([IngestFeed(name: "camera", url: "rtmps://localhost:\(port)/ingest/camera")])
        let first = Encoder(port: port, luma: 60, certificate: files.certificate, log: log)

        /// What is due now.
        @Sendable func picture() -> VideoFrame? { ingests.pictures(at: SystemClock.monotonic())[source] }
        try await log.waitUntil("frames that nobody sees") {
            ingests.counters["proscenium_compositor_ingest_frames_received_total"] ?? 0 > 40
        }
        #expect(picture() == nil)
        #expect(ingests.counters["proscenium_compositor_ingest_frames_decoded_total"] == 0)
        ingests.setVisible([source])
        try await log.waitUntil("the picture") { picture() != nil }
        #expect(picture().map { $0.width == 320 && $0.height == 180 && abs(Int($0.y[5000]) - 60) < 4 } == true)

        // The sound's thread asks for each 10 ms; a second of it is the tone, unbroken.
        var moment = SystemClock.monotonic(), unbroken = 0, blocks = 0
        while unbroken < 100, blocks < 3000 {
            moment = moment.advanced(byMilliseconds: 10)
            SystemClock.sleep(until: moment)
            _ = picture()
            var level: Float = 0
            ingests.sound(at: moment) { from, samples in
                #expect(from == .ingest("camera"))
                level = sqrt(samples.reduce(0) { $0 + $1 * $1 } / Float(samples.count))
            }
            unbroken = abs(level - 0.283) < 0.03 ? unbroken + 1 : 0
            blocks += 1
        }
        #expect(unbroken == 100, "\(ingests.counters)")

        try await first.end()
        try await log.waitUntil("the card") { picture() == nil }
        let second = Encoder(port: port, luma: 200, certificate: files.certificate, log: log)
        try await log.waitUntil("the other picture") { picture().map { $0.y[5000] > 190 } == true }
        ingests.put([])
        #expect(picture() == nil)
        try await second.end()
        ingests.close()
        await server.shutdown()
        #expect(log.lines.withLock { $0.allSatisfy { !$0.contains("worker-token") } })
    }

    @Test("that are garbage cost pictures, and nothing else", arguments: [UInt64(1), 2, 3])
    func garbage(seed: UInt64) throws {
        let counters = IngestCounters(), pool = DecodePool(count: 1, capacity: 8)
        let stream = IngestStream(pool: pool, counters: counters)
        stream.pictures.setVisible(true)
        var random = SeededRandom(seed)
        stream.take(.videoConfiguration(PublishFrames.video), arrival: MonotonicTime(milliseconds: 0))
        stream.take(.audioConfiguration(PublishFrames.audio), arrival: MonotonicTime(milliseconds: 0))
        for index in Int64(0)..<300 {
            let arrival = MonotonicTime(milliseconds: index * 10)
            let isSound = Bool.random(using: &random)
            let pts = Int64.random(in: -1_000_000...1_000_000, using: &random)
            stream.take(
                .frame(
                    EncodedFrame(
                        codec: isSound ? .aac : .h264, pts: pts,
                        dts: Int64.random(in: 0...9, using: &random) == 0 ? .max : pts,
                        timescale: 1000, isKeyframe: index % 20 == 0,
                        payload: ByteBlock(random.bytes(Int.random(in: 0...300, using: &random))))), arrival: arrival)
            _ = stream.pictures.picture(at: arrival)
            var block = [Float](repeating: 0, count: 960)
            _ = block.withUnsafeMutableBufferPointer { stream.sound.read(at: arrival, into: $0) }
            #expect(block.allSatisfy { $0.isFinite })
        }
        stream.take(.ended(reason: "test"), arrival: MonotonicTime(milliseconds: 3000))
        pool.stop()
        #expect(counters[.framesReceived] > 0 && counters[.framesDecoded] == 0)
    }
}
