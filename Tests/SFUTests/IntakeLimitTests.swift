// Nobody who means well sends too much, and who floods a shard takes nothing from the others.

import Control
import Media
import PacketIO
import RTC
import RTCClient
import Synchronization
import Testing

@testable import SFU

@Suite("What is taken of a session", .serialized)
struct IntakeLimitTests {
    private static let told = ShardConfiguration(bind: Harness.loopback, announced: []).maximumPublisherBitrate

    /// Datagrams of one kind that come at a steady pace.
    private struct Stream {
        var bytes: Int, perSecond: Int
        var first: UInt8 = 0x80, second: UInt8 = 96
    }

    /// What of several streams is taken in virtual time.
    ///
    /// - Parameters:
    ///   - beginMs: when it begins.
    ///   - stallMs: all that comes within so long comes at its end at once.
    /// - Returns: how many datagrams came and how many of them were taken.
    private func run(
        _ streams: [Stream], _ rate: IntakeRate, from beginMs: Int = 1_000_000, seconds: Int, stallMs: Int = 1,
        _ limit: inout IntakeLimit
    ) -> (sent: Int, taken: Int) {
        var sent = 0, taken = 0, carried = streams.map { _ in 0 }
        for tick in stride(from: 0, to: seconds * 1000, by: stallMs) {
            for (index, stream) in streams.enumerated() {
                carried[index] += stream.perSecond * stallMs
                while carried[index] >= 1000 {
                    carried[index] -= 1000
                    var datagram = [UInt8](repeating: 0, count: stream.bytes)
                    (datagram[0], datagram[1]) = (stream.first, stream.second)
                    sent += 1
                    let now = MonotonicTime(milliseconds: Int64(beginMs + tick))
                    if datagram.withUnsafeBytes({ limit.takes($0, rate, now: now) }) { taken += 1 }
                }
            }
        }
        return (sent, taken)
    }

    @Test("who sends as much as there is to send is never refused, nor after a second in which nothing got through")
    func whoMeansWell() {
        // Three layers of 720p and a screen at all that a publisher is told, a fifth of it twice, two sounds, reports, checks.
        let everything = [
            Stream(bytes: 1200, perSecond: 625), Stream(bytes: 1200, perSecond: 125),
            Stream(bytes: 120, perSecond: 100),
            Stream(bytes: 90, perSecond: 60, second: 201), Stream(bytes: 100, perSecond: 40, first: 0),
        ]
        // Small packets: many layers in small pictures.
        let small = [Stream(bytes: 150, perSecond: 2500)]
        // A program that is told 6 Mbit/s for each of two pictures, with 64 mixes.
        let program = [Stream(bytes: 1200, perSecond: 1250), Stream(bytes: 300, perSecond: 64 * 50)]
        // The most that the load tool sends.
        let load = [Stream(bytes: 1150, perSecond: 2170), Stream(bytes: 120, perSecond: 50)]
        for (streams, tracks) in [(everything, 4), (small, 2), (program, 66), (load, 2)] {
            for stallMs in [1, 1000] {
                var limit = IntakeLimit()
                let (sent, taken) = run(
                    streams, .publishing(told: Self.told, tracks: tracks), seconds: 20, stallMs: stallMs, &limit)
                #expect(sent > 10_000 && taken == sent, "\(tracks) tracks, \(stallMs) ms")
            }
        }
        // A subscriber to fifty on a bad line: feedback, a request for each track fifty times a second, checks.
        for sections in [2, 50] {
            var limit = IntakeLimit()
            let (sent, taken) = run(
                [
                    Stream(bytes: 240, perSecond: 50, second: 205),
                    Stream(bytes: 60, perSecond: 50 * sections, second: 205),
                    Stream(bytes: 100, perSecond: 40, first: 0),
                ], .receiving(sections: sections), seconds: 20, &limit)
            #expect(sent > 3000 && taken == sent)
        }
    }

    @Test("behind a pause whose beginning is too old to be dated nobody who means well is refused")
    func longStall() {
        // As the socket tells it: what came more than a second ago came now.
        var limit = IntakeLimit(), refused = 0
        let datagram = [0x80, 96] + [UInt8](repeating: 0, count: 1198)
        for round in Int64(1)...4 {
            let end = round * 10_000
            for came in stride(from: end - 3000, to: end, by: 2) {
                let told = MonotonicTime(milliseconds: end - came >= 1000 ? end : came)
                if !datagram.withUnsafeBytes({ limit.takes($0, .publishing(told: Self.told, tracks: 4), now: told) }) {
                    refused += 1
                }
            }
        }
        #expect(refused == 0, "\(refused)")
    }

    @Test("a flood gets no more than its rate and a second of it at once, in bytes and in packets, and is over at once")
    func flood() {
        let rate = IntakeRate.publishing(told: Self.told, tracks: 2)
        for bytes in [1200, 40] {
            var limit = IntakeLimit()
            let (sent, taken) = run([Stream(bytes: bytes, perSecond: 20_000)], rate, seconds: 10, &limit)
            let most = min(11 * rate.bitsPerSecond / 8 / Int64(bytes), 11 * rate.packetsPerSecond)
            #expect(sent == 200_000 && abs(Int64(taken) - most) < most / 20, "\(taken) of \(sent), at most \(most)")
            let quiet = run([Stream(bytes: 1200, perSecond: 600)], rate, from: 1_010_000, seconds: 5, &limit)
            #expect(quiet.taken >= quiet.sent - 2, "what was refused is not held against anybody")
        }
    }

    @Test("checks are bounded apart: neither costs the other anything")
    func checks() {
        let rate = IntakeRate.receiving(sections: 2)
        var limit = IntakeLimit()
        let flood = run([Stream(bytes: 100, perSecond: 5000, first: 0)], rate, seconds: 5, &limit)
        #expect((1100...1210).contains(flood.taken), "\(flood.taken)")
        let media = run(
            [Stream(bytes: 100, perSecond: 400, second: 205)], rate, from: 1_005_000, seconds: 5, &limit)
        #expect(media.taken == media.sent)
        var other = IntakeLimit()
        _ = run([Stream(bytes: 1200, perSecond: 5000)], rate, seconds: 5, &other)
        let checks = run(
            [Stream(bytes: 100, perSecond: 40, first: 0)], rate, from: 1_005_000, seconds: 5, &other)
        #expect(checks.taken == checks.sent)
    }

    @Test("one who floods the shard is cut to the bound, and the pictures of somebody else come whole")
    func neighbour() async throws {
        // So little is told that a flood costs the test's machine nothing.
        let harness = try Harness { $0.maximumPublisherBitrate = 250_000 }
        _ = try await harness.shard.send(.createRoom(room: "room"))
        let camera = LocalTrack(name: "camera", codec: .vp8)
        let (subscriber, log) = try await harness.subscriber("ben")
        let (anna, annaLog) = try await harness.publisher("anna", tracks: [camera])
        let (eve, eveLog) = try await harness.publisher("eve", tracks: [camera])
        #expect(annaLog.waitConnected() && eveLog.waitConnected() && log.waitConnected())
        for _ in 0..<2 { #expect(harness.wait { if case .published = $0 { true } else { false } } != nil) }
        let begin = SystemClock.monotonic()
        var keyframes = -1, got: [Int] = []
        for index in 0..<60 {
            for part in 0..<10 {
                eve.send(TestFrames.vp8(index * 10 + part, isKeyframe: part == 0, size: 6000), on: "camera")
            }
            let asked = annaLog.keyframes.load(ordering: .relaxed)
            anna.send(TestFrames.vp8(index, isKeyframe: asked != keyframes, size: 800), on: "camera")
            keyframes = asked
            while got.last ?? -1 < index, let (track, frame) = log.frame(.vp8, milliseconds: 20_000) {
                if track.participant == "anna" { got.append(TestFrames.number(frame)) }
            }
        }
        let seconds = Double(SystemClock.monotonic().nanoseconds(since: begin)) / 1e9
        #expect(got == Array(0..<60), "every picture came, in order")
        let statistics = try await harness.statistics()
        let sent = await eve.statistics().packetsSent, dropped = statistics.drops["tooMuch"] ?? 0
        #expect(sent > 3000 && dropped > 0)
        // 1.5 Mbit/s and a second's worth at once, in packets of a thousand bytes or so.
        #expect(Double(sent) - Double(dropped) < (seconds + 1) * 187_500 / 900 + 300, "\(dropped) of \(sent)")
        for client in [subscriber, anna, eve] { client.stop() }
        harness.shard.stop()
    }
}
