// What was counted of a track stays counted when the track goes.

import Control
import Media
import PacketIO
import RTC
import RTCClient
import Testing

@testable import SFU

@Suite("The count of recovered packets", .serialized)
struct RecoveredCountTests {
    private let core: ShardCore
    private let now = SystemClock.monotonic()

    private final class Statistics: @unchecked Sendable { var latest = SFUStatistics() }

    init() throws {
        core = try ShardCore.onLoopback()
        run(.createRoom(room: "room"))
    }

    private func run(_ command: SFUCommand) { core.run(command, now: now) }

    private var recovered: UInt64 {
        let statistics = Statistics()
        core.receive(
            ShardMessage(command: .statistics) { result in
                if case .success(.statistics(let told)) = result { statistics.latest = told }
            }, now: now)
        return statistics.latest.packetsRecovered
    }

    /// Anna sends sound and picture, and a packet of each came only when it was asked for.
    private func publish(_ session: String, replacing: String? = nil) async throws -> [Producer] {
        let client = try RTCClient(name: session, bind: Harness.loopback) { _ in }
        defer { client.stop() }
        let tracks = [LocalTrack(name: "microphone", codec: .opus), LocalTrack(name: "camera", codec: .vp8)]
        let offer = try await client.offer(tracks, stream: "anna")
        run(
            .publish(
                room: "room", participant: "anna", session: session, offer: offer, sources: [:], replacing: replacing))
        let producers = try #require(core.sessions[session]?.producers)
        for layer in producers.map(\.layers[0]) {
            _ = layer.nack.note(0, now: now)
            _ = layer.nack.note(2, now: now)
            _ = layer.nack.due(now: now, roundTripMs: 20)
            _ = layer.nack.note(1, now: now)
        }
        return producers
    }

    @Test("it does not fall when a track ends, nor when its session leaves")
    func leaving() async throws {
        let producers = try await publish("anna-up")
        #expect(producers.count == 2 && recovered == 2)
        core.end(producers[0], now: now)
        #expect(core.sessions["anna-up"]?.producers.count == 1 && recovered == 2)
        run(.leave(session: "anna-up"))
        #expect(core.sessions.isEmpty && recovered == 2)
    }

    @Test("it does not fall when one session takes the place of another")
    func takingOver() async throws {
        _ = try await publish("anna-up")
        _ = try await publish("anna-new", replacing: "anna-up")
        #expect(recovered == 4)
        run(.leave(session: "anna-up"))
        #expect(core.sessions.count == 1 && recovered == 4)
        run(.leave(session: "anna-new"))
        #expect(recovered == 4)
    }
}
