// The program's picture in two codecs: who gets which, and when the compositor is told that nobody does.

import Control
import Media
import RTC
import RTCClient
import Testing

@testable import SFU

@Suite("Whether a picture is made for anybody")
struct DemandTests {
    private func at(_ milliseconds: Int64) -> MonotonicTime { MonotonicTime(nanoseconds: milliseconds * 1_000_000) }

    /// Looks every 20 ms for a time; returns when it changed, and to what.
    private func run(_ demand: inout Demand, _ times: Range<Int64>, taken: (Int64) -> Bool) -> [Int64: Bool] {
        var changes: [Int64: Bool] = [:]
        for time in stride(from: times.lowerBound, to: times.upperBound, by: 20) {
            if demand.look(isTaken: taken(time), lingerMs: 5000, now: at(time)) { changes[time] = demand.isThere }
        }
        return changes
    }

    @Test("nobody, until somebody comes; and five seconds after the last has gone nobody again")
    func beginAndEnd() {
        var demand = Demand()
        #expect(run(&demand, 0..<60_000) { (10_000..<20_000).contains($0) } == [10_000: true, 24_980: false])
    }

    @Test("who comes back within that time finds it as it was, however often they go")
    func lingering() {
        var demand = Demand()
        #expect(run(&demand, 0..<100_000) { $0 / 4000 % 2 == 0 && $0 < 80_000 } == [0: true, 80_980: false])
    }

    @Test("an hour later it begins again at once")
    func again() {
        var demand = Demand()
        #expect(run(&demand, 0..<7_210_000) { $0 == 0 || $0 == 3_600_000 }.count == 4)
        #expect(!demand.isThere)
    }
}

@Suite("The program in two codecs", .serialized)
struct ProgramPictureTests {
    private static let compositor = "proscenium-compositor"

    /// A compositor that publishes a picture in both codecs and the viewers' mix, and keeps what it is told.
    private func feed(_ harness: Harness, _ session: String = "return") async throws -> (RTCClient, ClientLog) {
        let log = ClientLog()
        let client = try RTCClient(name: "return", bind: Harness.loopback) { log.events.push($0) }
        let tracks = [
            LocalTrack(name: "vp8", codec: .vp8), LocalTrack(name: "h264", codec: .h264),
            LocalTrack(name: "mix", codec: .opus),
        ]
        let command = SFUCommand.publish(
            room: "room", participant: Self.compositor, session: session,
            offer: try await client.offer(tracks, stream: "program"),
            sources: ["0": .program, "1": .program, "2": .programMix], audiences: ["2": .viewers])
        guard case .answer(let answer) = try await harness.shard.send(command) else { throw RTCTestError() }
        try await client.accept(answer: answer)
        #expect(log.waitConnected())
        return (client, log)
    }

    private func viewer(_ harness: Harness, _ session: String, _ codecs: [Codec]) async throws -> (RTCClient, ClientLog)
    {
        let log = ClientLog()
        let client = try RTCClient(name: "viewer", bind: Harness.loopback) { log.events.push($0) }
        var offer = try await client.offer([LocalTrack(name: "v", codec: codecs[0])], stream: "none")
            .replacing("a=sendonly", with: "a=recvonly")
        if codecs.count > 1 {
            var description = try SessionDescription(parsing: offer)
            description.media[0].codecs += MediaSection.offered(codecs[1])
            offer = description.text()
        }
        let reply = try await harness.shard.send(
            .watch(room: "room", viewer: "viewer", session: session, offer: offer, source: .program))
        guard case .answer(let answer) = reply else { throw RTCTestError() }
        try await client.accept(answer: answer)
        #expect(log.waitConnected())
        return (client, log)
    }

    /// Waits until the compositor is told of a track what it is to be.
    private func waitTold(_ log: ClientLog, _ name: String, _ isWanted: Bool) -> Bool {
        log.wait { event in
            if case .limited(name, let rate) = event { (rate > 0) == isWanted } else { false }
        } != nil
    }

    /// Sends key frames in both codecs until one comes out in a codec; returns its number.
    private func play(_ feed: RTCClient, to log: ClientLog, _ codec: Codec) throws -> Int {
        var got: Int?
        for index in 1..<1500 where got == nil {
            feed.send(TestFrames.numbered(.vp8, index, isKeyframe: true, size: 900), on: "vp8")
            feed.send(TestFrames.numbered(.h264, index, isKeyframe: true, size: 900), on: "h264")
            if let (_, frame) = log.frame(codec, milliseconds: 20) { got = TestFrames.lastNumber(frame) }
        }
        return try #require(got)
    }

    @Test("viewers get VP8, and H.264 when they have no VP8; the one who makes it is told when nobody gets it any more")
    func viewers() async throws {
        let harness = try Harness { $0.programLingerMs = 300 }
        _ = try await harness.shard.send(.createRoom(room: "room"))
        let (feed, told) = try await feed(harness)
        #expect(waitTold(told, "h264", false), "nobody is there yet")
        let (both, bothLog) = try await viewer(harness, "both", [.vp8])
        #expect(waitTold(told, "vp8", true))
        #expect(try play(feed, to: bothLog, .vp8) > 0)
        let (other, otherLog) = try await viewer(harness, "other", [.h264])
        #expect(waitTold(told, "h264", true))
        #expect(try play(feed, to: otherLog, .h264) > 0)
        #expect(try play(feed, to: bothLog, .vp8) > 0, "and nobody else is touched")
        var statistics = try await harness.statistics()
        #expect(statistics.consumers == 2 && statistics.consumersWithoutCodec == 0)
        _ = try await harness.shard.send(.leave(session: "other"))
        #expect(waitTold(told, "h264", false))
        #expect(waitTold(told, "vp8", true), "which goes on")
        // One who has both gets what is made anyway.
        let (polyglot, polyglotLog) = try await viewer(harness, "polyglot", [.vp8, .h264])
        #expect(try play(feed, to: polyglotLog, .vp8) > 0)
        statistics = try await harness.statistics()
        #expect(statistics.consumers == 2)
        for client in [both, other, polyglot, feed] { client.stop() }
        harness.shard.stop()
    }

    @Test("somebody in the room whose answer lacks VP8 gets H.264 in the same section, also of the next compositor")
    func participants() async throws {
        let harness = try Harness { $0.programLingerMs = 300 }
        _ = try await harness.shard.send(.createRoom(room: "room"))
        let (anna, annaLog) = try await harness.subscriber("anna")
        let (ben, benLog) = try await harness.subscriber("ben", without: "VP8")
        for session in ["return-1", "return-2"] {
            let (feed, told) = try await feed(harness, session)
            #expect(waitTold(told, "h264", true))
            #expect(try play(feed, to: benLog, .h264) > 0)
            #expect(try play(feed, to: annaLog, .vp8) > 0)
            let statistics = try await harness.statistics()
            #expect(statistics.consumers == 2 && statistics.consumersWithoutCodec == 0)
            // Who has VP8 and who has not keep one section each, through the time that nothing is in it.
            _ = try await harness.shard.send(.leave(session: session))
            for log in [annaLog, benLog] {
                #expect(log.wait { if case .trackEnded = $0 { true } else { false } } != nil)
            }
            feed.stop()
        }
        for client in [anna, ben] { client.stop() }
        harness.shard.stop()
    }

    @Test("who can take nothing of what there is gets what comes later")
    func nothing() async throws {
        let harness = try Harness { $0.connectTimeoutMs = 3000 }
        _ = try await harness.shard.send(.createRoom(room: "room"))
        let (ben, benLog) = try await harness.subscriber("ben", without: "VP8")
        let (first, firstLog) = try await harness.publisher("first", tracks: [LocalTrack(name: "v", codec: .vp8)])
        #expect(firstLog.waitConnected())
        // They are still there when whoever had not connected would be gone: what is sent in the meantime is counted.
        for index in 1..<200 {
            first.send(TestFrames.vp8(index, isKeyframe: true, size: 900), on: "v")
            _ = benLog.frame(.vp8, milliseconds: 20)
        }
        #expect(try await harness.statistics().drops["lacksCodec"] ?? 0 > 100)
        let (second, secondLog) = try await harness.publisher("second", tracks: [LocalTrack(name: "v", codec: .h264)])
        #expect(secondLog.waitConnected())
        var got: Int?
        for index in 1..<1500 where got == nil {
            second.send(TestFrames.numbered(.h264, index, isKeyframe: true, size: 900), on: "v")
            if let (_, frame) = benLog.frame(.h264, milliseconds: 20) { got = TestFrames.lastNumber(frame) }
        }
        #expect(got != nil)
        for client in [ben, first, second] { client.stop() }
        harness.shard.stop()
    }

    @Test("a viewer in H.264 goes on in the same stream when the compositor is another one")
    func another() async throws {
        let harness = try Harness()
        _ = try await harness.shard.send(.createRoom(room: "room"))
        let (client, log) = try await viewer(harness, "v", [.h264])
        for session in ["return-1", "return-2"] {
            let (feed, _) = try await feed(harness, session)
            #expect(try play(feed, to: log, .h264) > 0)
            _ = try await harness.shard.send(.leave(session: session))
            feed.stop()
            #expect(try await harness.statistics().consumers == 0)
        }
        #expect(await client.statistics().drops["replayed"] == nil)
        client.stop()
        harness.shard.stop()
    }
}
