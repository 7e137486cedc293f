// What a compositor has counted stays counted when its program is published elsewhere, or its room is joined anew.

import Control
import Foundation
import Logging
import Media
import NIOPosix
import RTCClient
import Testing

@testable import Compositor

@Suite("Counters of a compositor", .serialized, .timeLimit(.minutes(2)))
struct ProgramCountersTests {
    @Test("they do not fall when another program takes the place of the one before")
    func otherAddress() async throws {
        let silence = try LoopbackListener()
        var configuration = CompositorConfiguration(
            event: "e", studio: URL(filePath: "/"), token: "t", place: "", bindAddress: "127.0.0.1",
            trustedCertificateFile: nil,
            format: ProgramFormat(canvas: PixelSize(width: 320, height: 180), videoKbps: 200, preset: .ultrafast))
        configuration.studio = URL(string: "http://127.0.0.1:\(silence.port)") ?? configuration.studio
        let worker = CompositorWorker(
            configuration, group: MultiThreadedEventLoopGroup.singleton, logger: Logger(label: "test"),
            report: { _ in }, onFailure: {})
        var setup = try ProgramBoardTests.setup()
        _ = try await worker.begin(.compositor(.run(setup)))
        let emitted = "proscenium_compositor_frames_emitted_total"
        let intervals = "proscenium_compositor_frame_interval_seconds_bucket{le=\"+Inf\"}"
        while await worker.counters[intervals] ?? 0 < 50 { try await Task.sleep(for: .milliseconds(10)) }
        let before = await worker.counters
        setup.publishURL = "rtmps://localhost:2/live"
        _ = try await worker.begin(.compositor(.run(setup)))
        let after = await worker.counters
        for name in [emitted, intervals] { #expect(after[name] ?? 0 >= before[name] ?? 0, "\(name)") }
        #expect(after["proscenium_compositor_publisher_connected"] == 0)
        await worker.stop()
    }

    @Test("what happened to the clocks of a room does not fall when sessions change faster than pictures are held")
    func hurriedSessions() async throws {
        let harness = try RoomHarness()
        func restarts() -> Double { harness.room.counters["proscenium_compositor_room_stamp_restarts_total"] ?? 0 }
        try await harness.createRoom()
        let speaker = try await harness.speaker("anna")
        try await harness.subscribe("down-1")
        // Each stamp is ten seconds after the one before, and comes 20 ms after it.
        var stamp: Int64 = 0
        while restarts() == 0 {
            stamp += 480_000
            let packet = EncodedFrame(
                codec: .opus, pts: stamp, dts: stamp, timescale: 48_000, isKeyframe: true,
                payload: ByteBlock([0xFC, 1, 2, 3]))
            speaker.client.send(packet, on: "microphone")
            try await Task.sleep(for: .milliseconds(20))
        }
        var last = restarts()
        for session in 2...5 {
            try await harness.subscribe("down-\(session)")
            #expect(restarts() >= last)
            last = restarts()
        }
        speaker.stop()
        harness.stop()
        #expect(restarts() >= last)
    }
}
