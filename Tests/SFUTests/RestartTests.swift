// ICE that starts again while pictures flow: no frame is missing, and only the owner of the keys may ask.

import Control
import Media
import RTC
import RTCClient
import Synchronization
import Testing

@testable import SFU

private let camera = LocalTrack(name: "camera", codec: .vp8)

@Suite("Restart of ICE", .serialized)
struct RestartTests {
    private func ufrag(_ description: String) -> String? {
        (try? SessionDescription(parsing: description))?.media.first?.ufrag
    }

    /// Sends numbered frames, does something at each hundredth, and returns the numbers that arrived.
    private func run(
        _ publisher: RTCClient, _ keyframes: ClientLog, to log: ClientLog, count: Int,
        meanwhile: (Int) async throws -> Void
    ) async throws -> [Int] {
        var got: [Int] = [], asked = -1
        func take(_ milliseconds: Int64) -> Bool {
            guard let (_, frame) = log.frame(.vp8, milliseconds: milliseconds) else { return false }
            got.append(TestFrames.number(frame))
            return true
        }
        for index in 0..<count {
            let wanted = keyframes.keyframes.load(ordering: .relaxed)
            publisher.send(TestFrames.vp8(index, isKeyframe: wanted != asked, size: 2000), on: "camera")
            asked = wanted
            if index % 100 == 99 { try await meanwhile(index) }
            while got.last ?? -1 < index, take(15) {}
        }
        while got.last ?? -1 < count - 1, take(5000) {}
        return got
    }

    @Test("publisher and subscriber restart ICE again and again, and no frame is missing")
    func noGap() async throws {
        let harness = try Harness()
        _ = try await harness.shard.send(.createRoom(room: "room"))
        let (publisher, publisherLog) = try await harness.publisher("anna", tracks: [camera])
        #expect(publisherLog.waitConnected())
        #expect(harness.wait { if case .published = $0 { true } else { false } } != nil)
        let (subscriber, log) = try await harness.subscriber("ben")
        #expect(log.waitConnected())
        let names = Mutex<Set<String>>([])
        let got = try await run(publisher, publisherLog, to: log, count: 600) { index in
            if index % 200 == 99 {
                let offer = try await publisher.restart(stream: "anna")
                let reply = try await harness.shard.send(
                    .publish(room: "room", participant: "anna", session: "anna-up", offer: offer, sources: [:]))
                guard case .answer(let answer) = reply else { throw RTCTestError() }
                try await publisher.accept(answer: answer)
                names.withLock { _ = $0.insert(ufrag(answer) ?? "") }
            } else {
                _ = try await harness.shard.send(.restart(session: "ben-down"))
            }
        }
        let first = try #require(got.first)
        #expect(first < 40 && got == Array(first..<600), "a hole: \(got.count) of \(600 - first)")
        #expect(names.withLock(\.count) == 3, "each restart has a name of its own")
        let statistics = try await harness.statistics()
        #expect(statistics.sessions == 2 && statistics.sessionsAway == 0 && statistics.drops["noConsent"] == nil)
        publisher.stop()
        subscriber.stop()
        harness.shard.stop()
    }

    @Test("other keys are no restart; who publishes offers it by themselves; what is not there is said")
    func refusals() async throws {
        let harness = try Harness()
        _ = try await harness.shard.send(.createRoom(room: "room"))
        let (publisher, log) = try await harness.publisher("anna", tracks: [camera])
        #expect(log.waitConnected())
        let thief = try RTCClient(name: "thief", bind: Harness.loopback) { _ in }
        let offer = try await thief.offer([camera], stream: "anna")
        let refusal = await #expect(throws: SFUError.self) {
            try await harness.shard.send(
                .publish(room: "room", participant: "anna", session: "anna-up", offer: offer, sources: [:]))
        }
        #expect(refusal?.code == .conflict)
        let other = await #expect(throws: SFUError.self) { try await harness.shard.send(.restart(session: "anna-up")) }
        #expect(other?.code == .conflict)
        let missing = await #expect(throws: SFUError.self) { try await harness.shard.send(.restart(session: "nobody")) }
        #expect(missing?.code == .notFound)
        #expect(try await harness.statistics().sessions == 1)
        for client in [publisher, thief] { client.stop() }
        harness.shard.stop()
    }
}
