// Speakers in any codec, to subscribers who have it and to some who don't.

import Control
import Media
import RTCClient
import Synchronization
import Testing

@testable import SFU

@Suite("Codecs through the shard", .serialized)
struct ShardCodecTests {
    private let microphone = LocalTrack(name: "microphone", codec: .opus)

    /// Sends frames in step with their arrival, keyframes as they are asked for; returns the numbers that arrived.
    ///
    /// What stays lost for half a second is given up, as on a machine that stands still for so long; a keyframe follows.
    private func run(
        _ codec: Codec, _ publisher: RTCClient, _ publisherLog: ClientLog, _ subscriberLog: ClientLog,
        numbers: Range<Int>
    ) -> [Int] {
        var got: [Int] = [], keyframes = -1
        func made(_ number: Int, isKeyframe: Bool) -> EncodedFrame {
            TestFrames.numbered(codec, number, isKeyframe: isKeyframe, size: 100 + number * 60)
        }
        func take(_ milliseconds: Int64) -> Bool {
            guard let (track, frame) = subscriberLog.frame(codec, milliseconds: milliseconds) else { return false }
            let number = TestFrames.lastNumber(frame)
            // Who comes later may begin with what was sent before.
            let sent = made(number, isKeyframe: frame.frame.isKeyframe).payload.array
            #expect(sent == frame.frame.payload.array, "frame \(number) was changed on its way")
            #expect(track.codec == codec && frame.frame.codec == codec)
            #expect(number > got.last ?? -1)
            #expect(number == (got.last ?? -1) + 1 || frame.frame.isKeyframe, "a hole before \(number)")
            got.append(number)
            return true
        }
        for index in numbers {
            let asked = publisherLog.keyframes.load(ordering: .relaxed)
            publisher.send(made(index, isKeyframe: asked != keyframes), on: "camera")
            keyframes = asked
            while got.last ?? -1 < index, take(15) {}
        }
        while got.last ?? -1 < numbers.upperBound - 1, take(5000) {}
        return got
    }

    @Test(
        "pictures go to who came before and who came later, byte for byte, through loss on both ways",
        arguments: [Codec.vp8, .vp9, .h264])
    func forward(codec: Codec) async throws {
        let harness = try Harness()
        _ = try await harness.shard.send(.createRoom(room: "room"))
        let (early, earlyLog) = try await harness.subscriber("early", loss: LossModel(seed: 3, incomingPercent: 5))
        let (publisher, publisherLog) = try await harness.publisher(
            "anna", tracks: [LocalTrack(name: "camera", codec: codec), microphone],
            loss: LossModel(seed: 4, outgoingPercent: 5))
        #expect(publisherLog.waitConnected() && earlyLog.waitConnected())
        let event = harness.wait { if case .published(_, let track) = $0 { track.source == .camera } else { false } }
        guard case .published(_, let track) = event else { throw RTCTestError() }
        #expect(track.codec == codec)
        let got = run(codec, publisher, publisherLog, earlyLog, numbers: 0..<60)
        let first = try #require(got.first)
        #expect(first < 30 && got.last ?? 0 >= 55, "\(got)")
        // Who comes later begins with the last keyframe, or one that is asked for.
        let (late, lateLog) = try await harness.subscriber("late")
        #expect(lateLog.waitConnected())
        let others = run(codec, publisher, publisherLog, lateLog, numbers: 60..<110)
        #expect(others.count > 20 && others.last == 109, "\(others)")
        publisher.send(TestFrames.opus(1), on: "microphone")
        #expect(lateLog.frame(.opus, milliseconds: 20_000) != nil)
        let statistics = try await harness.statistics()
        #expect(statistics.packetsRecovered > 5 && statistics.packetsRetransmitted > 5)
        #expect(statistics.consumersWithoutCodec == 0)
        for client in [publisher, early, late] { client.stop() }
        harness.shard.stop()
    }

    @Test("who lacks the codec hears the speaker, sees nothing, and gets the picture of the next one")
    func lacking() async throws {
        let harness = try Harness()
        _ = try await harness.shard.send(.createRoom(room: "room"))
        let (ben, benLog) = try await harness.subscriber("ben", without: "H264")
        let (cleo, cleoLog) = try await harness.subscriber("cleo")
        let (anna, annaLog) = try await harness.publisher(
            "anna", tracks: [LocalTrack(name: "camera", codec: .h264), microphone])
        #expect(annaLog.waitConnected() && benLog.waitConnected() && cleoLog.waitConnected())
        let seen = run(.h264, anna, annaLog, cleoLog, numbers: 0..<30)
        #expect(seen.count > 10)
        #expect(try await harness.statistics().consumersWithoutCodec == 1)
        anna.send(TestFrames.opus(1), on: "microphone")
        let event = try #require(benLog.wait { if case .frame = $0 { true } else { false } })
        guard case .frame(let track, _) = event else { throw RTCTestError() }
        #expect(track.codec == .opus && track.participant == "anna", "no picture came before the sound")
        // The section that stayed empty carries the next speaker's picture.
        _ = try await harness.shard.send(.leave(session: "anna-up"))
        let (dora, doraLog) = try await harness.publisher(
            "dora", tracks: [LocalTrack(name: "camera", codec: .vp9), microphone])
        #expect(doraLog.waitConnected())
        #expect(run(.vp9, dora, doraLog, benLog, numbers: 30..<80).count > 10)
        let statistics = try await harness.statistics()
        #expect(statistics.consumersWithoutCodec == 0 && statistics.consumers == 4)
        for client in [anna, ben, cleo, dora] { client.stop() }
        harness.shard.stop()
    }

    @Test("another codec in the same section is another track")
    func change() async throws {
        let harness = try Harness()
        _ = try await harness.shard.send(.createRoom(room: "room"))
        let client = try RTCClient(name: "change", bind: Harness.loopback) { _ in }
        let offer = try await client.offer([LocalTrack(name: "camera", codec: .vp9)], stream: "anna")
        func publish(_ text: String) async throws -> String {
            let command = SFUCommand.publish(
                room: "room", participant: "anna", session: "anna-up", offer: text, sources: ["0": .camera])
            guard case .answer(let answer) = try await harness.shard.send(command) else { throw RTCTestError() }
            return answer
        }
        #expect(try await publish(offer).contains("a=rtpmap:98 VP9/90000"))
        #expect(try await publish(offer).contains("a=rtpmap:98 VP9/90000"))
        #expect(try await harness.statistics().producers == 1)
        let other = offer.replacing("VP9/90000", with: "VP8/90000").replacing("a=fmtp:98 profile-id=0\r\n", with: "")
        let answer = try await publish(other)
        #expect(answer.contains("a=rtpmap:98 VP8/90000") && !answer.contains(" VP9/90000"))
        #expect(try await harness.statistics().producers == 1)
        client.stop()
        harness.shard.stop()
    }
}
