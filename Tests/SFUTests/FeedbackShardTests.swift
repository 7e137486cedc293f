// Subscribers that tell when each packet has come, over real sockets.

import Control
import Media
import RTC
import RTCClient
import Synchronization
import Testing

@testable import SFU

private let camera = LocalTrack(name: "camera", codec: .vp8), voice = LocalTrack(name: "microphone", codec: .opus)

@Suite("Feedback on a shard", .serialized)
struct FeedbackShardTests {
    @Test("the line of who tells of each packet is measured, and every frame still comes", arguments: [0, 8])
    func measured(lossPercent: Int) async throws {
        let harness = try Harness()
        _ = try await harness.shard.send(.createRoom(room: "room"))
        let (publisher, publisherLog) = try await harness.publisher("anna", tracks: [camera, voice])
        #expect(publisherLog.waitConnected())
        #expect(harness.wait { if case .published = $0 { true } else { false } } != nil)
        let loss = LossModel(seed: 3, incomingPercent: lossPercent)
        let (teller, tellerLog) = try await harness.subscriber("ben", loss: loss, feedsBack: true)
        let (other, otherLog) = try await harness.subscriber("cleo")
        #expect(tellerLog.waitConnected() && otherLog.waitConnected())
        var numbers: [Int] = [], others = 0, asked = -1, sent = 0, measured = 0
        let deadline = SystemClock.monotonic().advanced(byMilliseconds: 30_000)
        while numbers.last ?? 0 < 90 || measured == 0, SystemClock.monotonic() < deadline {
            let requests = publisherLog.keyframes.load(ordering: .relaxed)
            publisher.send(TestFrames.vp8(sent, isKeyframe: requests != asked, size: 2500), on: "camera")
            publisher.send(TestFrames.opus(sent), on: "microphone")
            asked = requests
            sent += 1
            if let (_, frame) = tellerLog.frame(.vp8, milliseconds: 33) { numbers.append(TestFrames.number(frame)) }
            if otherLog.frame(.vp8, milliseconds: 1) != nil { others += 1 }
            if sent % 30 == 0 { measured = max(measured, try await harness.statistics().linesMeasured) }
        }
        #expect(numbers.count > 60 && numbers.last ?? 0 >= 90 && others > 60)
        #expect(zip(numbers, numbers.dropFirst()).allSatisfy { $0 < $1 })
        #expect(measured == 1, "only one of the two tells")
        let statistics = try await harness.statistics()
        #expect(statistics.linesBitrate >= 500_000, "\(statistics.linesBitrate)")
        #expect(statistics.consumersPaused == 0 && statistics.drops["sendBufferFull"] == nil)
        for client in [publisher, teller, other] { client.stop() }
        harness.shard.stop()
    }
}
