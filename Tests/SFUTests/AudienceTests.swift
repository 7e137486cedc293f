// Tracks that are not for everybody: the program on its way back to its speakers.

import Control
import Media
import RTCClient
import Testing

@testable import SFU

@Suite("Tracks with an audience", .serialized)
struct AudienceTests {
    private static let compositor = "proscenium-compositor"
    private static let tracks = [
        LocalTrack(name: "program", codec: .vp8), LocalTrack(name: "mix-0", codec: .opus),
        LocalTrack(name: "mix-1", codec: .opus),
    ]
    private static let sources: [String: TrackSource] = ["0": .program, "1": .programMix, "2": .programMix]

    /// A compositor that publishes, and gives its mixes to whom a test says.
    private struct Feed {
        let harness: Harness, client: RTCClient, log: ClientLog

        init(_ harness: Harness) throws {
            let log = ClientLog()
            self.harness = harness
            self.log = log
            client = try RTCClient(name: "return", bind: Harness.loopback) { log.events.push($0) }
        }

        func give(_ first: Set<String>, _ second: Set<String>) async throws {
            let offer = try await client.offer(tracks, stream: "program")
            let command = SFUCommand.publish(
                room: "room", participant: compositor, session: "return", offer: offer, sources: sources,
                audiences: ["1": .only(first), "2": .only(second)])
            guard case .answer(let answer) = try await harness.shard.send(command) else { throw RTCTestError() }
            try await client.accept(answer: answer)
        }
    }

    /// The first tracks that a subscriber is offered.
    private func sources(_ log: ClientLog, until count: Int) -> [String] {
        var found: [String] = []
        while found.count < count,
            case .track(let track)? = log.wait({ if case .track = $0 { true } else { false } })
        {
            #expect(track.participant == Self.compositor)
            found.append(track.id)
        }
        return found.sorted()
    }

    /// The next track that a subscriber is offered.
    private func nextTrack(_ log: ClientLog) -> String? {
        guard case .track(let track)? = log.wait({ if case .track = $0 { true } else { false } }) else { return nil }
        return track.id
    }

    @Test("go to it and nobody else: the program to all, a mix to one, nothing to the compositor itself")
    func audience() async throws {
        let harness = try Harness()
        _ = try await harness.shard.send(.createRoom(room: "room"))
        let (anna, annaLog) = try await harness.subscriber("anna")
        let (own, ownLog) = try await harness.subscriber(Self.compositor)
        let feed = try Feed(harness)
        try await feed.give(["anna"], ["ben"])
        #expect(feed.log.waitConnected())
        #expect(annaLog.waitConnected())
        // Ben comes later, and gets his own from the start.
        let (ben, benLog) = try await harness.subscriber("ben")
        #expect(sources(benLog, until: 2) == ["program.return.0", "programMix.return.2"])
        #expect(benLog.waitConnected())
        for index in 0..<20 {
            feed.client.send(TestFrames.opus(index), on: "mix-0")
            feed.client.send(TestFrames.opus(1000 + index), on: "mix-1")
        }
        let (hers, first) = try #require(annaLog.frame(.opus, milliseconds: 20_000))
        #expect(hers.id == "programMix.return.1" && hers.source == "programMix")
        #expect(first.frame.payload.array == TestFrames.opus(0).payload.array)
        let (his, other) = try #require(benLog.frame(.opus, milliseconds: 20_000))
        #expect(his.id == "programMix.return.2")
        #expect(other.frame.payload.array == TestFrames.opus(1000).payload.array)
        // A key frame is asked for by who needs it, and the picture goes to both.
        #expect(feed.log.wait { if case .keyframeRequested("program") = $0 { true } else { false } } != nil)
        feed.client.send(TestFrames.vp8(0, isKeyframe: true, size: 100), on: "program")
        #expect(annaLog.frame(.vp8, milliseconds: 20_000)?.0.id == "program.return.0")
        #expect(benLog.frame(.vp8, milliseconds: 20_000)?.0.id == "program.return.0")
        let statistics = try await harness.statistics()
        #expect(statistics.producers == 3 && statistics.consumers == 4)
        // The compositor's own subscription has never been offered anything.
        #expect(ownLog.events.popNow() == nil)
        for client in [anna, own, ben, feed.client] { client.stop() }
        harness.shard.stop()
    }

    @Test("change hands: who is no longer meant loses the track, who is gets it, and the picture is not touched")
    func change() async throws {
        let harness = try Harness()
        _ = try await harness.shard.send(.createRoom(room: "room"))
        let (anna, annaLog) = try await harness.subscriber("anna")
        let (ben, benLog) = try await harness.subscriber("ben")
        let feed = try Feed(harness)
        try await feed.give(["anna"], [])
        #expect(feed.log.waitConnected())
        #expect(sources(annaLog, until: 2) == ["program.return.0", "programMix.return.1"])
        #expect(sources(benLog, until: 1) == ["program.return.0"])
        #expect(benLog.waitConnected())
        #expect(try await harness.statistics().consumers == 3)
        try await feed.give(["ben"], ["cleo"])
        guard case .trackEnded(let lost)? = annaLog.wait({ if case .trackEnded = $0 { true } else { false } }) else {
            throw RTCTestError()
        }
        #expect(lost.id == "programMix.return.1", "and not the picture")
        #expect(nextTrack(benLog) == "programMix.return.1")
        #expect(try await harness.statistics().consumers == 3)
        // The same again changes nothing.
        try await feed.give(["ben"], ["cleo"])
        #expect(try await harness.statistics().consumers == 3)
        // The answer to the offer that brought the track may still be on its way: until then nothing is sent to him.
        var heard: (track: RemoteTrack, frame: ReceivedFrame)?
        for index in 7..<600 where heard == nil {
            feed.client.send(TestFrames.opus(index), on: "mix-0")
            heard = benLog.frame(.opus, milliseconds: 50)
        }
        #expect(heard?.track.id == "programMix.return.1")
        _ = try await harness.shard.send(.leave(session: "return"))
        #expect(benLog.wait { if case .trackEnded = $0 { true } else { false } } != nil)
        for client in [anna, ben, feed.client] { client.stop() }
        harness.shard.stop()
    }

    @Test(
        "a participant whose description calls its tracks the program's is a participant with a camera and a microphone"
    )
    func pretender() async throws {
        let harness = try Harness()
        _ = try await harness.shard.send(.createRoom(room: "room"))
        let (mallory, log) = try await harness.publisher(
            "mallory",
            tracks: [LocalTrack(name: "program", codec: .vp8), LocalTrack(name: "programMix", codec: .opus)])
        #expect(log.waitConnected())
        var found: [TrackSource] = []
        for _ in 0..<2 {
            guard case .published(_, let track) = harness.wait({ if case .published = $0 { true } else { false } })
            else { break }
            found.append(track.source)
        }
        #expect(found == [.camera, .microphone])
        mallory.stop()
        harness.shard.stop()
    }

    @Test("sixty-four mixes fit beside the picture, and people may not publish so many")
    func many() async throws {
        let harness = try Harness()
        _ = try await harness.shard.send(.createRoom(room: "room"))
        let client = try RTCClient(name: "many", bind: Harness.loopback) { _ in }
        let mixes = (0..<64).map { LocalTrack(name: "mix-\($0)", codec: .opus) }
        let offer = try await client.offer([LocalTrack(name: "program", codec: .vp8)] + mixes, stream: "program")
        let named = Dictionary(uniqueKeysWithValues: (1...64).map { ("\($0)", TrackSource.programMix) })
        let publish = SFUCommand.publish(
            room: "room", participant: Self.compositor, session: "return", offer: offer,
            sources: named.merging(["0": .program]) { $1 })
        guard case .answer(let answer) = try await harness.shard.send(publish) else { throw RTCTestError() }
        try await client.accept(answer: answer)
        #expect(try await harness.statistics().producers == 65)
        await #expect(throws: SFUError(.badRequest, "A session may publish 8 tracks.")) {
            _ = try await harness.shard.send(
                .publish(room: "room", participant: "anna", session: "anna-up", offer: offer, sources: [:]))
        }
        client.stop()
        harness.shard.stop()
    }
}
