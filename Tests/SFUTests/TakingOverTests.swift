// One publishing session takes over from another: its tracks go on under their names, and nobody who gets them sees a seam.

import Control
import Media
import RTC
import RTCClient
import Synchronization
import Testing

@testable import SFU

private let tracks = [LocalTrack(name: "camera", codec: .vp8), LocalTrack(name: "microphone", codec: .opus)]

@Suite("Taking over from a session", .serialized)
struct TakingOverTests {
    /// A second client of the same participant.
    private func successor(_ harness: Harness, _ session: String, replacing: String, of participant: String = "anna")
        async throws -> (RTCClient, ClientLog)
    {
        let log = ClientLog()
        let client = try RTCClient(name: session, bind: Harness.loopback, loss: LossModel(seed: 0)) { event in
            if case .keyframeRequested = event { log.keyframes.add(1, ordering: .relaxed) }
            log.events.push(event)
        }
        let offer = try await client.offer(tracks, stream: participant)
        let reply = try await harness.shard.send(
            .publish(
                room: "room", participant: participant, session: session, offer: offer, sources: [:],
                replacing: replacing))
        guard case .answer(let answer) = reply else { throw RTCTestError() }
        try await client.accept(answer: answer)
        return (client, log)
    }

    /// What a subscriber got: the numbers of pictures and sounds, and whether any was missing before one that needs it.
    private struct Got {
        var pictures: [Int] = [], sounds: [Int] = [], gaps = 0

        mutating func take(_ event: RTCClientEvent) {
            guard case .frame(let track, let frame) = event else { return }
            // The key frame that takes over may come between the packets of a picture, which is broken off then and leaves a hole.
            if frame.followsGap, track.codec == .opus || !frame.frame.isKeyframe { gaps += 1 }
            if track.codec == .opus {
                let bytes = frame.frame.payload.array
                sounds.append(Int(bytes[1]) << 8 | Int(bytes[2]))
            } else {
                pictures.append(TestFrames.number(frame))
            }
        }
    }

    /// Both send the same pictures and sounds at once, in real time, until it is as it should be.
    private func run(
        _ clients: [(RTCClient, ClientLog)], _ log: ClientLog, _ got: inout Got, from index: inout Int,
        until isDone: (Got) -> Bool
    ) {
        let deadline = SystemClock.monotonic().advanced(byMilliseconds: 30_000)
        while !isDone(got), SystemClock.monotonic() < deadline {
            for (client, own) in clients {
                let asked = own.keyframes.exchange(0, ordering: .relaxed) > 0
                client.send(TestFrames.vp8(index, isKeyframe: asked, size: 2000), on: "camera")
                client.send(TestFrames.opus(index), on: "microphone")
            }
            index += 1
            let next = SystemClock.monotonic().advanced(byMilliseconds: 20)
            while let event = log.events.pop(until: next) { got.take(event) }
        }
    }

    /// Anna sends by her first session, and Ben gets it.
    private func room() async throws -> (Harness, (RTCClient, ClientLog), RTCClient, ClientLog) {
        let harness = try Harness()
        _ = try await harness.shard.send(.createRoom(room: "room"))
        let first = try await harness.publisher("anna", tracks: tracks)
        #expect(first.1.waitConnected())
        let (ben, log) = try await harness.subscriber("ben")
        #expect(log.waitConnected())
        return (harness, first, ben, log)
    }

    /// The events of the room until one that is waited for.
    private func events(_ harness: Harness, until matches: (SFUEvent) -> Bool) -> [SFUEvent] {
        var all: [SFUEvent] = []
        _ = harness.wait { event in
            all.append(event)
            return matches(event)
        }
        return all
    }

    private func isFollowing(_ numbers: [Int]) -> Bool {
        zip(numbers, numbers.dropFirst()).allSatisfy { $1 - $0 == 0 || $1 - $0 == 1 }
    }

    @Test("picture and sound go on without a gap, as the same tracks, and the session of before ends")
    func takesOver() async throws {
        let (harness, first, ben, log) = try await room()
        var got = Got(), index = 0
        run([first], log, &got, from: &index) { $0.pictures.count > 20 && $0.sounds.count > 20 }
        let before = events(harness) { if case .connected(_, "ben", _) = $0 { true } else { false } }
        let named = before.compactMap { if case .published(_, let track) = $0 { track.id } else { nil } }
        let second = try await successor(harness, "anna-new", replacing: "anna-up")
        #expect(second.1.waitConnected())
        run([first, second], log, &got, from: &index) { _ in harness.hasLeft("anna-up") }
        first.0.stop()
        let count = got.pictures.count
        run([second], log, &got, from: &index) { $0.pictures.count > count + 30 }
        #expect(got.pictures.count > count + 30 && got.gaps == 0)
        #expect(isFollowing(got.pictures) && isFollowing(got.sounds), "\(got.pictures) \(got.sounds)")
        let after = harness.seen
        let changed = after.compactMap { if case .changed(_, let track) = $0 { track } else { nil } }
        #expect(Set(changed.map(\.id)) == Set(named) && changed.allSatisfy { $0.session == "anna-new" })
        #expect(after.contains { if case .replaced(_, "anna-up", "anna-new") = $0 { true } else { false } })
        #expect(!after.contains { if case .unpublished = $0 { true } else { false } })
        #expect(!after.contains { if case .offer = $0 { true } else { false } }, "nobody negotiates")
        #expect(try await harness.statistics().sessionsReplaced == 1)
        // What is said of the track finds it.
        _ = try await harness.shard.send(.setMuted(track: try #require(named.first), muted: true))
        second.0.stop()
        ben.stop()
        harness.shard.stop()
    }

    @Test("a session that goes before it has taken over leaves the other as it was")
    func givesUp() async throws {
        let (harness, first, ben, log) = try await room()
        var got = Got(), index = 0
        run([first], log, &got, from: &index) { $0.pictures.count > 10 }
        let second = try await successor(harness, "anna-new", replacing: "anna-up")
        #expect(second.1.waitConnected())
        // It has sent nothing yet.
        _ = try await harness.shard.send(.leave(session: "anna-new"))
        let count = got.pictures.count
        run([first], log, &got, from: &index) { $0.pictures.count > count + 30 }
        #expect(got.pictures.count > count + 30 && isFollowing(got.pictures) && got.gaps == 0)
        for client in [first.0, second.0, ben] { client.stop() }
        harness.shard.stop()
    }

    @Test("where the session of before goes early its tracks go on with the next key frame")
    func beforeItsTime() async throws {
        let (harness, first, ben, log) = try await room()
        var got = Got(), index = 0
        run([first], log, &got, from: &index) { $0.pictures.count > 10 }
        let second = try await successor(harness, "anna-new", replacing: "anna-up")
        #expect(second.1.waitConnected())
        _ = try await harness.shard.send(.leave(session: "anna-up"))
        let count = got.pictures.count
        run([second], log, &got, from: &index) { $0.pictures.count > count + 30 }
        #expect(got.pictures.count > count + 30)
        #expect(!harness.seen.contains { if case .unpublished = $0 { true } else { false } })
        for client in [first.0, second.0, ben] { client.stop() }
        harness.shard.stop()
    }

    @Test("nobody takes over from somebody else")
    func refused() async throws {
        let harness = try Harness()
        _ = try await harness.shard.send(.createRoom(room: "room"))
        let first = try await harness.publisher("anna", tracks: tracks)
        #expect(first.1.waitConnected())
        await #expect(throws: SFUError.self) {
            _ = try await successor(harness, "ben-new", replacing: "anna-up", of: "ben")
        }
        first.0.stop()
        harness.shard.stop()
    }
}

extension Harness {
    /// The events that nobody has waited for, as far as they have come; they are gone then.
    fileprivate func drain() {
        while let event = events.pop(until: SystemClock.monotonic()) { kept.withLock { $0.append(event) } }
    }

    fileprivate var seen: [SFUEvent] {
        drain()
        return kept.withLock { $0 }
    }

    fileprivate func hasLeft(_ session: String) -> Bool {
        seen.contains { if case .left(_, _, session, _) = $0 { true } else { false } }
    }
}
