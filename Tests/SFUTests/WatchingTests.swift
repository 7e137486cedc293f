// Viewers at the shard: one offer, one answer, and tracks that come, end and come again in the same sections.

import Control
import Media
import RTC
import RTCClient
import Synchronization
import Testing

@testable import SFU

@Suite("Viewers", .serialized)
struct WatchingTests {
    private static let compositor = "proscenium-compositor"
    private static let tracks = [
        LocalTrack(name: "program", codec: .vp8), LocalTrack(name: "mix-0", codec: .opus),
        LocalTrack(name: "mix-1", codec: .opus),
    ]

    /// A client that only receives, as a player does.
    private func viewer(
        _ harness: Harness, _ session: String, of source: WatchedSource = .program, codec: Codec = .vp8
    ) async throws -> (RTCClient, ClientLog) {
        let log = ClientLog()
        let client = try RTCClient(name: "viewer", bind: Harness.loopback) { log.events.push($0) }
        let offer = try await client.offer(
            [LocalTrack(name: "v", codec: codec), LocalTrack(name: "a", codec: .opus)], stream: "none")
        let reply = try await harness.shard.send(
            .watch(
                room: "room", viewer: "viewer", session: session,
                offer: offer.replacing("a=sendonly", with: "a=recvonly"), source: source))
        guard case .answer(let answer) = reply else { throw RTCTestError() }
        let description = try SessionDescription(parsing: answer)
        #expect(description.media.map(\.direction) == [.sendonly, .sendonly])
        try await client.accept(answer: answer)
        return (client, log)
    }

    /// A compositor whose second mix is what viewers hear.
    private func compositor(_ harness: Harness, _ session: String) async throws -> (RTCClient, ClientLog) {
        let log = ClientLog()
        let client = try RTCClient(name: "return", bind: Harness.loopback) { event in
            if case .keyframeRequested = event { log.keyframes.add(1, ordering: .relaxed) }
            log.events.push(event)
        }
        let offer = try await client.offer(Self.tracks, stream: "program")
        let command = SFUCommand.publish(
            room: "room", participant: Self.compositor, session: session, offer: offer,
            sources: ["0": .program, "1": .programMix, "2": .programMix],
            audiences: ["1": .only(["anna"]), "2": .viewers])
        guard case .answer(let answer) = try await harness.shard.send(command) else { throw RTCTestError() }
        try await client.accept(answer: answer)
        #expect(log.waitConnected())
        return (client, log)
    }

    /// Sends pictures and sound until a viewer has both; returns the numbers of the picture's frame and of the sound's.
    private func play(_ sender: RTCClient, to log: ClientLog, from first: Int) throws -> (picture: Int, sound: [UInt8])
    {
        var picture: Int?, sound: [UInt8]?
        for index in first..<first + 300 where picture == nil || sound == nil {
            sender.send(TestFrames.vp8(index, isKeyframe: true, size: 1500), on: "program")
            sender.send(TestFrames.opus(index), on: "mix-1")
            sender.send(TestFrames.opus(index + 5000), on: "mix-0")
            while case .frame(let track, let frame)? = log.wait(
                milliseconds: 20, { if case .frame = $0 { true } else { false } })
            {
                if track.codec == .vp8 { picture = TestFrames.number(frame) } else { sound = frame.frame.payload.array }
            }
        }
        return (try #require(picture), try #require(sound))
    }

    @Test("get the program and the sound that everybody hears, also when they come first")
    func program() async throws {
        let harness = try Harness()
        _ = try await harness.shard.send(.createRoom(room: "room"))
        let (early, earlyLog) = try await viewer(harness, "early")
        #expect(earlyLog.waitConnected(), "before there is anything to see")
        let (feed, _) = try await compositor(harness, "return-1")
        #expect(harness.wait { if case .published = $0 { true } else { false } } != nil)
        let (late, lateLog) = try await viewer(harness, "late")
        #expect(lateLog.waitConnected())
        for log in [earlyLog, lateLog] {
            let (picture, sound) = try play(feed, to: log, from: 1)
            #expect(picture >= 1)
            #expect(sound.count == 6 && Int(sound[1]) << 8 | Int(sound[2]) < 5000, "the mix of somebody in the room")
        }
        let statistics = try await harness.statistics()
        #expect(statistics.viewers == 2 && statistics.consumers == 4, "a picture and a sound each")
        for client in [early, late, feed] { client.stop() }
        harness.shard.stop()
    }

    @Test("go on in the same streams when the compositor is another one")
    func another() async throws {
        let harness = try Harness()
        _ = try await harness.shard.send(.createRoom(room: "room"))
        let (client, log) = try await viewer(harness, "v")
        #expect(log.waitConnected())
        for (session, first) in [("return-1", 1), ("return-2", 1000), ("return-3", 2000)] {
            let (feed, _) = try await compositor(harness, session)
            #expect(try play(feed, to: log, from: first).picture >= first)
            _ = try await harness.shard.send(.leave(session: session))
            feed.stop()
            #expect(try await harness.statistics().consumers == 0)
        }
        // Nothing was sent twice by one number: the client's SRTP would have refused it, and its tracks would have stood still.
        #expect(await client.statistics().drops["replayed"] == nil)
        #expect(try await harness.statistics().viewers == 1)
        client.stop()
        harness.shard.stop()
    }

    @Test("go on with the next session of who is watched, though it came before the last one ended")
    func overlapping() async throws {
        let harness = try Harness()
        _ = try await harness.shard.send(.createRoom(room: "room"))
        let (client, log) = try await viewer(harness, "v")
        #expect(log.waitConnected())
        let (first, _) = try await compositor(harness, "return-1")
        #expect(try play(first, to: log, from: 1).picture >= 1)
        let (second, _) = try await compositor(harness, "return-2")
        #expect(
            harness.wait { if case .published(_, let track) = $0 { track.session == "return-2" } else { false } } != nil
        )
        _ = try await harness.shard.send(.leave(session: "return-1"))
        first.stop()
        #expect(try play(second, to: log, from: 1000).picture >= 1000)
        #expect(try await harness.statistics().consumers == 2)
        for client in [client, second] { client.stop() }
        harness.shard.stop()
    }

    @Test("of one participant get their camera and nothing else, in their codec")
    func participant() async throws {
        let harness = try Harness()
        _ = try await harness.shard.send(.createRoom(room: "room"))
        let tracks = [
            LocalTrack(name: "camera", codec: .h264), LocalTrack(name: "microphone", codec: .opus),
            LocalTrack(name: "screen", codec: .h264),
        ]
        let (publisher, published) = try await harness.publisher("anna", tracks: tracks)
        let (other, otherLog) = try await harness.publisher("ben", tracks: [LocalTrack(name: "camera", codec: .h264)])
        #expect(published.waitConnected() && otherLog.waitConnected())
        let (client, log) = try await viewer(harness, "v", of: .participant("anna"), codec: .h264)
        #expect(log.waitConnected())
        var got: Int?
        for index in 1..<200 where got == nil {
            publisher.send(TestFrames.numbered(.h264, index, isKeyframe: true, size: 900), on: "camera")
            publisher.send(TestFrames.numbered(.h264, 5000 + index, isKeyframe: true, size: 900), on: "screen")
            other.send(TestFrames.numbered(.h264, 9000 + index, isKeyframe: true, size: 900), on: "camera")
            if let (_, frame) = log.frame(.h264, milliseconds: 20) { got = TestFrames.lastNumber(frame) }
        }
        #expect(try #require(got) < 5000)
        #expect(try await harness.statistics().consumers == 2)
        for client in [publisher, other, client] { client.stop() }
        harness.shard.stop()
    }

    @Test("restart ICE by fragments; offers that take nothing, and descriptions of strangers, are refused")
    func refusals() async throws {
        let harness = try Harness()
        _ = try await harness.shard.send(.createRoom(room: "room"))
        let (client, log) = try await viewer(harness, "v")
        #expect(log.waitConnected())
        let restart = "a=ice-ufrag:other\r\na=ice-pwd:0123456789012345678901\r\nm=video 9 X 0\r\na=mid:0\r\n"
        let reply = try await harness.shard.send(.fragment(session: "v", text: restart, restarts: true))
        guard case .fragment(let ours?) = reply else { throw RTCTestError() }
        let fragment = try ICEFragment(parsing: ours)
        #expect(fragment.mid == "0" && fragment.kind == .video && !fragment.candidates.isEmpty)
        func code(_ command: SFUCommand) async -> SFUError.Code? {
            let error = await #expect(throws: SFUError.self) { try await harness.shard.send(command) }
            return error?.code
        }
        func watch(_ offer: String, _ room: String = "room", of source: WatchedSource = .program) -> SFUCommand {
            .watch(room: room, viewer: "w", session: "w", offer: offer, source: source)
        }
        let stranger = try RTCClient(name: "s", bind: Harness.loopback) { _ in }
        let sending = try await stranger.offer([LocalTrack(name: "v", codec: .vp8)], stream: "s")
        let receiving = sending.replacing("a=sendonly", with: "a=recvonly")
        #expect(await code(watch(sending)) == .badRequest)
        #expect(await code(watch(receiving.replacing("VP8", with: "VP1"))) == .badRequest)
        #expect(await code(watch("hello")) == .malformed)
        #expect(await code(watch(receiving, "nowhere")) == .notFound)
        #expect(await code(watch(receiving, of: .participant("a\r\nb"))) == .badRequest)
        #expect(await code(.restart(session: "v")) == .conflict)
        #expect(await code(.answer(session: "v", answer: receiving)) == .conflict)
        #expect(try await harness.statistics().sessions == 1)
        for client in [client, stranger] { client.stop() }
        harness.shard.stop()
    }
}
