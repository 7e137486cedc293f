// A shard without a Studio: media goes on, and the next one is told what there is.

import Control
import Media
import RTC
import RTCClient
import Testing

@testable import SFU

@Suite("What a shard tells the next Studio", .serialized)
struct AdoptionTests {
    private func sessions(_ harness: Harness, after: String? = nil) async throws -> [SFUSession] {
        guard case .sessions(let sessions) = try await harness.shard.send(.sessions(after: after)) else {
            throw RTCTestError()
        }
        return sessions
    }

    @Test("sessions in their order, with their tracks and what was written of them")
    func told() async throws {
        let harness = try Harness()
        _ = try await harness.shard.send(.createRoom(room: "room"))
        #expect(try await sessions(harness).isEmpty)
        let microphone = LocalTrack(name: "microphone", codec: .opus)
        let (publisher, log) = try await harness.publisher("anna", tracks: [microphone])
        #expect(log.waitConnected())
        #expect(harness.wait { if case .published = $0 { true } else { false } } != nil)
        let (subscriber, subscriberLog) = try await harness.subscriber("ben")
        #expect(subscriberLog.waitConnected())
        _ = try await harness.shard.send(.note(session: "anna-up", text: "hers"))
        let all = try await sessions(harness)
        #expect(all.map(\.id) == ["anna-up", "ben-down"] && all.allSatisfy { $0.room == "room" && $0.isConnected })
        #expect(all.map(\.direction) == [.publishes, .receives] && all.map(\.note) == ["hers", nil])
        #expect(all[0].tracks.map(\.id) == ["microphone.anna-up.0"] && all[1].tracks.isEmpty)
        #expect(try await sessions(harness, after: "anna-up").map(\.id) == ["ben-down"])
        #expect(try await sessions(harness, after: "ben-down").isEmpty)
        await #expect(throws: SFUError.self) {
            _ = try await harness.shard.send(
                .note(session: "anna-up", text: String(repeating: "x", count: SFUSession.noteLimitBytes + 1)))
        }
        await #expect(throws: SFUError.self) { _ = try await harness.shard.send(.note(session: "nobody", text: "")) }
        for client in [publisher, subscriber] { client.stop() }
        harness.shard.stop()
    }

    @Test("an offer that waits for its answer is made again, and answered brings what it offered")
    func offers() async throws {
        let harness = try Harness()
        _ = try await harness.shard.send(.createRoom(room: "room"))
        let microphone = LocalTrack(name: "microphone", codec: .opus)
        let (publisher, log) = try await harness.publisher("anna", tracks: [microphone])
        #expect(log.waitConnected())
        #expect(harness.wait { if case .published = $0 { true } else { false } } != nil)
        // The offer goes to a Studio that dies with it.
        guard
            case .offer(_?) = try await harness.shard.send(
                .subscribe(room: "room", participant: "ben", session: "ben-down"))
        else { throw RTCTestError() }
        #expect(try await sessions(harness).map(\.id) == ["anna-up", "ben-down"])
        let event = harness.wait { if case .offer("ben-down", _) = $0 { true } else { false } }
        guard case .offer(_, let offer)? = event else { throw RTCTestError() }
        let heard = ClientLog()
        let subscriber = try RTCClient(name: "ben", bind: Harness.loopback) { heard.events.push($0) }
        let answer = try await subscriber.accept(offer: offer)
        _ = try await harness.shard.send(.answer(session: "ben-down", answer: answer))
        #expect(heard.waitConnected())
        for index in 0..<50 { publisher.send(TestFrames.opus(index), on: "microphone") }
        #expect(heard.frame(.opus, milliseconds: 5000) != nil)
        for client in [publisher, subscriber] { client.stop() }
        harness.shard.stop()
    }
}
