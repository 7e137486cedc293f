// Orientation and colour on their way through a shard: under other ids, through loss, and not to those who never agreed.

import Control
import Media
import RTC
import RTCClient
import Synchronization
import Testing

@testable import SFU

private let camera = LocalTrack(name: "camera", codec: .vp8)

@Suite("Forwarded header extensions", .serialized)
struct ExtensionForwardingTests {
    /// What frame `index` tells: a turn every seven frames, another colour every eleven.
    private func signal(_ index: Int) -> PictureSignal {
        let colors: [ColorSignal] = [.untold, .init(.program), .init(matrix: .bt709, isFullRange: true), .init(.vp8)]
        return PictureSignal(
            rotation: PictureRotation(rawValue: UInt8(index / 7 % 4)) ?? .none, color: colors[index / 11 % 4])
    }

    /// Sends frames in step with their arrival, key frames when asked for; calls back with each that arrives.
    private func run(
        _ publisher: RTCClient, _ publisherLog: ClientLog, _ log: ClientLog, count: Int,
        _ take: (Int, ReceivedFrame) -> Void
    ) {
        var keyframes = -1, last = -1
        func next(_ milliseconds: Int64) -> Bool {
            guard let (_, frame) = log.frame(.vp8, milliseconds: milliseconds) else { return false }
            last = TestFrames.number(frame)
            take(last, frame)
            return true
        }
        for index in 0..<count {
            let asked = publisherLog.keyframes.load(ordering: .relaxed)
            publisher.send(
                TestFrames.vp8(index, isKeyframe: asked != keyframes, size: 3000), on: "camera", signal: signal(index))
            keyframes = asked
            while last < index, next(15) {}
        }
        while last < count - 1, next(5000) {}
    }

    @Test("what a publisher tells of its pictures reaches a subscriber under the subscriber's ids, for every frame")
    func otherIDs() async throws {
        let harness = try Harness()
        _ = try await harness.shard.send(.createRoom(room: "room"))
        let (publisher, publisherLog) = try await harness.publisher("anna", tracks: [camera]) { offer in
            let moved = offer.replacing("extmap:3 urn:3gpp", with: "extmap:12 urn:3gpp")
                .replacing("extmap:4 http", with: "extmap:7 http")
            #expect(moved.contains("extmap:12 \(RTPExtensionURI.videoOrientation)"))
            #expect(moved.contains("extmap:7 \(RTPExtensionURI.colorSpace)"))
            return moved
        }
        #expect(publisherLog.waitConnected())
        #expect(harness.wait { if case .published = $0 { true } else { false } } != nil)
        let (subscriber, log) = try await harness.subscriber("ben")
        #expect(log.waitConnected())
        var seen: Set<PictureSignal> = []
        run(publisher, publisherLog, log, count: 80) { index, frame in
            #expect(frame.signal == signal(index), "frame \(index)")
            seen.insert(frame.signal)
        }
        #expect(seen.count > 8)
        publisher.stop()
        subscriber.stop()
        harness.shard.stop()
    }

    @Test("a tenth of all packets lost takes nothing of it: repeats carry what the packets carried")
    func throughLoss() async throws {
        let harness = try Harness()
        _ = try await harness.shard.send(.createRoom(room: "room"))
        let (publisher, publisherLog) = try await harness.publisher(
            "anna", tracks: [camera], loss: LossModel(seed: 5, outgoingPercent: 10))
        #expect(publisherLog.waitConnected())
        #expect(harness.wait { if case .published = $0 { true } else { false } } != nil)
        let (subscriber, log) = try await harness.subscriber("ben", loss: LossModel(seed: 6, incomingPercent: 10))
        #expect(log.waitConnected())
        var count = 0
        run(publisher, publisherLog, log, count: 120) { index, frame in
            #expect(frame.signal == signal(index), "frame \(index)")
            count += 1
        }
        #expect(count > 60)
        let statistics = try await harness.statistics()
        #expect(statistics.packetsRecovered > 10 && statistics.packetsRetransmitted > 10)
        publisher.stop()
        subscriber.stop()
        harness.shard.stop()
    }

    @Test("a subscriber that did not agree is told nothing, nor anybody by a publisher that did not")
    func notAgreed() async throws {
        let harness = try Harness()
        func dropping(_ uri: String) -> @Sendable (String) -> String {
            { text in text.split(separator: "\r\n").filter { !$0.contains(uri) }.joined(separator: "\r\n") + "\r\n" }
        }
        _ = try await harness.shard.send(.createRoom(room: "room"))
        let (publisher, publisherLog) = try await harness.publisher(
            "anna", tracks: [camera], editing: dropping(RTPExtensionURI.colorSpace))
        #expect(publisherLog.waitConnected())
        #expect(harness.wait { if case .published = $0 { true } else { false } } != nil)
        let (willing, willingLog) = try await harness.subscriber("ben")
        let (deaf, deafLog) = try await harness.subscriber("cleo", editing: dropping(RTPExtensionURI.videoOrientation))
        #expect(willingLog.waitConnected() && deafLog.waitConnected())
        var last = -1
        run(publisher, publisherLog, willingLog, count: 30) { index, frame in
            #expect(frame.signal == PictureSignal(rotation: signal(index).rotation), "frame \(index)")
            last = index
        }
        #expect(last == 29)
        var others = 0
        while let (_, frame) = deafLog.frame(.vp8, milliseconds: 5000) {
            #expect(frame.signal == PictureSignal(), "frame \(TestFrames.number(frame))")
            others += 1
            if TestFrames.number(frame) == 29 { break }
        }
        #expect(others > 0)
        for client in [publisher, willing, deaf] { client.stop() }
        harness.shard.stop()
    }
}
