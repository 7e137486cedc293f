// Layers over real sockets: a publisher of three, and subscribers that show them in different sizes.

import Control
import Media
import RTC
import RTCClient
import Synchronization
import Testing

@testable import SFU

private let camera = LocalTrack(name: "camera", codec: .vp8, layers: ["q", "h", "f"])

@Suite("Layers on a shard", .serialized)
struct LayerShardTests {
    private static let sizes = [(320, 180), (640, 360), (1280, 720)]

    /// A frame whose key frames tell the layer's size and whose last bytes tell layer and number.
    private func frame(_ layer: Int, _ index: Int, isKeyframe: Bool) -> EncodedFrame {
        let (width, height) = Self.sizes[layer]
        let size = [width & 255, width >> 8, height & 255, height >> 8].map { UInt8($0) }
        let head: [UInt8] = isKeyframe ? [0x10, 0, 0, 0x9D, 0x01, 0x2A] + size : [0x11, 0, 0]
        let body = [UInt8](repeating: UInt8(layer), count: 400 << (2 * layer))
        let tail = [UInt8(layer), UInt8(truncatingIfNeeded: index >> 8), UInt8(truncatingIfNeeded: index)]
        return EncodedFrame(
            codec: .vp8, pts: Int64(index) * 33, dts: Int64(index) * 33, timescale: 1000, isKeyframe: isKeyframe,
            payload: ByteBlock(head + body + tail))
    }

    private func layer(_ frame: ReceivedFrame) -> Int { Int(frame.frame.payload.array.suffix(3).first ?? 255) }
    private func number(_ frame: ReceivedFrame) -> Int {
        frame.frame.payload.array.suffix(2).reduce(0) { $0 << 8 | Int($1) }
    }

    /// Sends pictures in all layers, in real time, until what arrives is as it should be; returns all that arrived.
    private func run(
        _ publisher: RTCClient, _ publisherLog: ClientLog, _ log: ClientLog, from index: inout Int,
        atMost count: Int = .max, until isDone: ([ReceivedFrame]) -> Bool
    ) -> [ReceivedFrame] {
        var got: [ReceivedFrame] = [], sent = 0
        let deadline = SystemClock.monotonic().advanced(byMilliseconds: 30_000)
        while sent < count, !isDone(got), SystemClock.monotonic() < deadline {
            let asked = publisherLog.keyframes.exchange(0, ordering: .relaxed) > 0
            for layer in 0..<3 {
                publisher.send(
                    frame(layer, index, isKeyframe: asked || index == 0), on: "camera", layer: camera.layers[layer])
            }
            index += 1
            sent += 1
            let next = SystemClock.monotonic().advanced(byMilliseconds: 33)
            while case let left = next.milliseconds(since: SystemClock.monotonic()), left > 0 {
                if let (_, frame) = log.frame(.vp8, milliseconds: left) { got.append(frame) }
            }
        }
        return got
    }

    private func check(_ frames: [ReceivedFrame]) {
        for (one, other) in zip(frames, frames.dropFirst()) {
            #expect(other.frame.pts > one.frame.pts && !other.followsGap)
            if layer(one) != layer(other) {
                #expect(other.frame.isKeyframe)
            } else {
                #expect(number(other) == number(one) + 1)
            }
        }
    }

    @Test("a subscriber gets the layer that fills what it shows, frame by frame", arguments: [0, 4])
    func sizes(lossPercent: Int) async throws {
        let harness = try Harness()
        _ = try await harness.shard.send(.createRoom(room: "room"))
        let (publisher, publisherLog) = try await harness.publisher(
            "anna", tracks: [camera], loss: LossModel(seed: 9, outgoingPercent: lossPercent))
        #expect(publisherLog.waitConnected())
        guard case .published(_, let track)? = harness.wait({ if case .published = $0 { true } else { false } }) else {
            throw RTCTestError()
        }
        let (subscriber, log) = try await harness.subscriber(
            "ben", loss: LossModel(seed: 10, incomingPercent: lossPercent))
        #expect(log.waitConnected())
        var index = 0
        func wait(for wanted: Int) -> [ReceivedFrame] {
            run(publisher, publisherLog, log, from: &index) { got in
                got.count > 5 && got.suffix(5).allSatisfy { layer($0) == wanted }
            }
        }
        func show(_ width: Int, _ height: Int) async throws {
            let sizes = [track.id: LayerSize(width: width, height: height)]
            _ = try await harness.shard.send(.setSizes(session: "ben-down", sizes: sizes))
        }
        var all: [[ReceivedFrame]] = [wait(for: 2)]
        for (size, wanted) in [((300, 160), 0), ((600, 300), 1), ((1920, 1080), 2), ((640, 360), 1)] {
            try await show(size.0, size.1)
            all.append(wait(for: wanted))
            #expect(all.last?.last.map(layer) == wanted)
        }
        if lossPercent == 0 { for frames in all { check(frames) } }
        let times = all.flatMap { $0 }.map(\.frame.pts)
        #expect(zip(times, times.dropFirst()).allSatisfy { $0 < $1 })
        // Not shown: nothing comes.
        try await show(0, 0)
        _ = run(publisher, publisherLog, log, from: &index, atMost: 5) { _ in false }
        while log.frame(.vp8, milliseconds: 100) != nil {}
        let none = run(publisher, publisherLog, log, from: &index, atMost: 30) { _ in false }
        #expect(none.isEmpty)
        #expect(try await harness.statistics().drops["notWanted"] ?? 0 > 100)
        _ = try await harness.shard.send(.setSizes(session: "ben-down", sizes: [:]))
        #expect(wait(for: 2).last.map(layer) == 2)
        publisher.stop()
        subscriber.stop()
        harness.shard.stop()
    }

    @Test("layers can come in any order of names, and some never")
    func oneLayer() async throws {
        let harness = try Harness()
        _ = try await harness.shard.send(.createRoom(room: "room"))
        let (publisher, publisherLog) = try await harness.publisher("anna", tracks: [camera])
        #expect(publisherLog.waitConnected())
        let (subscriber, log) = try await harness.subscriber("ben")
        #expect(harness.wait { if case .published = $0 { true } else { false } } != nil)
        #expect(log.waitConnected())
        var got: [ReceivedFrame] = []
        for index in 0..<300 where got.count < 20 {
            let asked = publisherLog.keyframes.exchange(0, ordering: .relaxed) > 0
            publisher.send(frame(1, index, isKeyframe: asked || index == 0), on: "camera", layer: "h")
            if let (_, frame) = log.frame(.vp8, milliseconds: 33) { got.append(frame) }
        }
        #expect(got.count == 20 && got.allSatisfy { layer($0) == 1 })
        publisher.stop()
        subscriber.stop()
        harness.shard.stop()
    }

    @Test("sizes that make no sense are refused, and those of sessions that show nothing")
    func refusals() async throws {
        let harness = try Harness()
        _ = try await harness.shard.send(.createRoom(room: "room"))
        let (publisher, _) = try await harness.publisher("anna", tracks: [camera])
        let (subscriber, _) = try await harness.subscriber("ben")
        func code(_ session: String, _ sizes: [String: LayerSize]) async -> SFUError.Code? {
            do throws(SFUError) {
                _ = try await harness.shard.send(.setSizes(session: session, sizes: sizes))
                return nil
            } catch { return error.code }
        }
        let size = LayerSize(width: 1, height: 1)
        #expect(await code("none", [:]) == .notFound)
        #expect(await code("anna-up", [:]) == .badRequest)
        #expect(await code("ben-down", ["t": LayerSize(width: -1, height: 1)]) == .badRequest)
        #expect(await code("ben-down", ["t": LayerSize(width: 1, height: 16385)]) == .badRequest)
        let many = Dictionary(uniqueKeysWithValues: (0..<121).map { ("t\($0)", size) })
        #expect(await code("ben-down", many) == .badRequest)
        #expect(await code("ben-down", [String(repeating: "t", count: 257): size]) == .badRequest)
        #expect(await code("ben-down", ["a track of nobody": size]) == nil)
        publisher.stop()
        subscriber.stop()
        harness.shard.stop()
    }
}
