// ICE of a publisher who has no socket: candidates and restarts come as fragments of descriptions.

import Control
import Media
import RTC
import RTCClient
import Synchronization
import Testing

@testable import SFU

private let camera = LocalTrack(name: "camera", codec: .vp8)

@Suite("Fragments of descriptions at the shard", .serialized)
struct FragmentTests {
    /// What a client of WHIP sends of its offer.
    private func fragment(of offer: String) throws -> ICEFragment {
        let section = try #require(try SessionDescription(parsing: offer).media.first)
        var fragment = ICEFragment(
            credentials: .init(ufrag: section.ufrag, password: section.password), candidates: section.candidates)
        (fragment.kind, fragment.mid) = (section.kind, section.mid)
        return fragment
    }

    /// The answer that it had, with the server's side of another generation.
    private func answer(_ before: String, with fragment: String) throws -> String {
        var description = try SessionDescription(parsing: before)
        let credentials = try #require(try ICEFragment(parsing: fragment).credentials)
        for index in description.media.indices {
            (description.media[index].ufrag, description.media[index].password) = (
                credentials.ufrag, credentials.password
            )
        }
        return description.text()
    }

    private func refusal(_ harness: Harness, _ session: String, _ text: String, restarts: Bool) async -> SFUError? {
        await #expect(throws: SFUError.self) {
            try await harness.shard.send(.fragment(session: session, text: text, restarts: restarts))
        }
    }

    @Test(
        "a restart by fragments leaves no hole in the pictures; said twice it is one, and other credentials alone say it",
        arguments: [true, false])
    func restart(saysSo: Bool) async throws {
        let harness = try Harness()
        _ = try await harness.shard.send(.createRoom(room: "room"))
        let log = ClientLog()
        let publisher = try RTCClient(name: "pub", bind: Harness.loopback) { event in
            if case .keyframeRequested = event { log.keyframes.add(1, ordering: .relaxed) }
            log.events.push(event)
        }
        let offer = try await publisher.offer([camera], stream: "anna")
        let made = try await harness.shard.send(
            .publish(room: "room", participant: "anna", session: "up", offer: offer, sources: [:]))
        guard case .answer(let first) = made else { throw RTCTestError() }
        try await publisher.accept(answer: first)
        #expect(log.waitConnected())
        #expect(harness.wait { if case .published = $0 { true } else { false } } != nil)
        let (subscriber, seen) = try await harness.subscriber("ben")
        #expect(seen.waitConnected())

        // Candidates of the generation that there is are taken, and nothing is said.
        let trickled = try fragment(of: offer).text()
        #expect(
            try await harness.shard.send(.fragment(session: "up", text: trickled, restarts: false)) == .fragment(nil))
        var got: [Int] = [], asked = -1
        func take(_ milliseconds: Int64) -> Bool {
            guard let (_, frame) = seen.frame(.vp8, milliseconds: milliseconds) else { return false }
            got.append(TestFrames.number(frame))
            return true
        }
        for index in 0..<300 {
            let wanted = log.keyframes.load(ordering: .relaxed)
            publisher.send(TestFrames.vp8(index, isKeyframe: wanted != asked, size: 2000), on: "camera")
            asked = wanted
            if index == 150 {
                let text = try fragment(of: try await publisher.restart(stream: "anna")).text()
                let command = SFUCommand.fragment(session: "up", text: text, restarts: saysSo)
                let reply = try await harness.shard.send(command)
                let again = try await harness.shard.send(.fragment(session: "up", text: text, restarts: true))
                #expect(reply == again, "the answer was lost on the way, and is given once more")
                guard case .fragment(let ours?) = reply else { throw RTCTestError() }
                #expect(try ICEFragment(parsing: ours).isComplete)
                try await publisher.accept(answer: try answer(first, with: ours))
                // Those of before are not wanted any more, and begin nothing anew.
                for restarts in [false, true] {
                    let late = await refusal(harness, "up", trickled, restarts: restarts)
                    #expect(late?.code == .badRequest)
                }
            }
            while got.last ?? -1 < index, take(15) {}
        }
        while got.last ?? -1 < 299, take(5000) {}
        let begin = try #require(got.first)
        #expect(begin < 40 && got == Array(begin..<300), "a hole: \(got.count) of \(300 - begin)")
        #expect(try await harness.statistics().sessionsAway == 0)
        for client in [publisher, subscriber] { client.stop() }
        harness.shard.stop()
    }

    @Test("what can't be read, whose session is not known, and who did not make the offer are refused")
    func refusals() async throws {
        let harness = try Harness()
        _ = try await harness.shard.send(.createRoom(room: "room"))
        let (publisher, log) = try await harness.publisher("anna", tracks: [camera])
        #expect(log.waitConnected())
        let (subscriber, seen) = try await harness.subscriber("ben")
        #expect(seen.waitConnected())
        let end = "a=end-of-candidates\r\n"
        #expect(await refusal(harness, "nobody", end, restarts: false)?.code == .notFound)
        #expect(await refusal(harness, "anna-up", "hello", restarts: false)?.code == .malformed)
        #expect(await refusal(harness, "anna-up", end, restarts: true)?.code == .badRequest)
        #expect(await refusal(harness, "ben-down", end, restarts: false)?.code == .conflict)
        #expect(try await harness.statistics().sessions == 2)
        for client in [publisher, subscriber] { client.stop() }
        harness.shard.stop()
    }
}
