// What an SFU says of connections, in short and by participant.

import Control
import Foundation
import HTTPTypes
import HummingbirdTesting
import Media
import Testing
import Web

@testable import Studio

@Suite("Connections of participants")
struct ConnectionRouteTests {
    private func report(_ participant: String, _ direction: ConnectionReport.Direction) -> ConnectionReport {
        ConnectionReport(
            session: "s-\(participant)-\(direction)", participant: participant, direction: direction, state: .connected)
    }

    @Test("are summed up by participant: the shortest way, the worst loss, and what they send")
    func figures() {
        var up = report("ada", .publishes), down = report("ada", .receives), other = report("ben", .receives)
        (up.bitrateIn, up.loss) = (900_000, 0.01)
        (down.bitrateOut, down.loss, down.roundTripMs) = (5_000_000, 0.2, 40)
        other.roundTripMs = 7
        let at = MonotonicTime(nanoseconds: 0)
        let figures = ConnectionFigures([up, down, other], at: at)
        #expect(figures.people["ada"] == .init(roundTripMs: 40, loss: 0.2, bitrate: 900_000))
        #expect(figures.people["ben"] == .init(roundTripMs: 7, loss: 0, bitrate: 0))
        #expect(figures.isFresh(at.advanced(byMilliseconds: 999)))
        #expect(!figures.isFresh(at.advanced(byMilliseconds: 1000)))
    }

    @Test("are told as the contract names their parts, and to the studio only")
    func route() async throws {
        var up = report("ada", .publishes)
        up.path = .init(transport: "udp", family: "ipv4", address: "192.0.2.1:5", paths: 2, moves: 1)
        up.tracks = [
            .init(
                id: "camera.s.0", participant: "ada", codec: .vp8, isFlowing: true, bitrate: 5, loss: 0.5,
                jitterMs: 1.5,
                nacks: 1, retransmissions: 2, keyframeRequests: 3,
                layers: [.init(name: "q", isActive: true, width: 320, height: 180, bitrate: 5)])
        ]
        let data = try JSON.encoder.encode(ConnectionRoutes.View(up))
        let told = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
        #expect(told["direction"] as? String == "publishes" && told["rttMs"] == nil)
        let track = try #require((told["tracks"] as? [[String: Any]])?.first)
        #expect(track["flowing"] as? Bool == true && track["layer"] == nil && track["codec"] as? String == "vp8")
        #expect((track["layers"] as? [[String: Any]])?.first?["width"] as? Int == 320)
        #expect((told["path"] as? [String: Any])?["moves"] as? Int == 1)
        var down = report("ada", .receives)
        down.capacity = 640_000
        down.tracks = [
            .init(
                id: "camera.t.0", participant: "ben", codec: .vp8, isFlowing: true, bitrate: 5, loss: 0, jitterMs: 0,
                nacks: 0, retransmissions: 0, keyframeRequests: 0, layer: 1, limit: .smaller)
        ]
        let received = try JSON.encoder.encode(ConnectionRoutes.View(down))
        let read = try #require(try JSONSerialization.jsonObject(with: received) as? [String: Any])
        #expect(read["capacity"] as? Int == 640_000 && told["capacity"] == nil)
        let limited = try #require((read["tracks"] as? [[String: Any]])?.first)
        #expect(limited["limit"] as? String == "smaller" && track["limit"] == nil)
        try await withEvent { client, admin, fixture in
            let path = "/v1/events/e/participants/ada/connection"
            #expect(try await client.call(.get, path, admin).status == .notFound)
            let speaker = try await fixture.token(.speaker, event: "e")
            #expect(try await client.call(.get, path, speaker).status == .forbidden)
            await fixture.join("e", "ada", name: "Ada")
            // No SFU is there that could say.
            #expect(try await client.call(.get, path, admin).status == .serviceUnavailable)
            let listed = try await client.call(.get, "/v1/events/e/participants", admin)
            let people = try #require(listed.object["items"] as? [[String: Any]])
            #expect((people.first?["connection"] as? [String: Any])?.keys.sorted() == ["state"])
        }
    }

    @Test("of a media server that hangs are not waited for: the list comes without them")
    func hanging() async throws {
        let fixture = try await ConductorFixture()
        let others = try await fixture.started(), (asked, bell) = AsyncStream<Void>.makeStream()
        let sfu = try await fixture.worker(.sfu, "sfu-1") { command in
            switch command {
            case .sfu(.connections):
                bell.yield()
                // Longer than any test waits.
                try await Task.sleep(for: .seconds(60))
                return .sfu(.connections([]))
            case .sfu(.publish): return .sfu(.answer("v=0"))
            default: return .sfu(.done)
            }
        }
        try await eventually("it is there") { fixture.registry.registration("sfu-1") != nil }
        _ = try await fixture.speakers.publish(
            ConductorFixture.scope, ConductorFixture.principal("ada"), session: nil, offer: "v=0", sources: [:])
        let began = ContinuousClock.now
        #expect(await fixture.speakers.connectionFigures("e").isEmpty)
        let waited = ContinuousClock.now - began
        #expect(waited < .milliseconds(WorkerRegistry.patienceMs / 2), "\(waited)")
        var iterator = asked.makeAsyncIterator()
        #expect(await iterator.next() != nil, "it was asked")
        // Who asks right behind it does not wait at all.
        #expect(await fixture.speakers.knownFigures(of: "ada", event: "e") == nil)
        for worker in others + [sfu] { worker.leave() }
        try fixture.end()
    }
}
