// The room over real sockets: flash and beep stay together, pictures outlive a lost server, hidden cameras cost nothing.

import Control
import Logging
import Media
import RTCClient
import SFU
import Testing

@testable import Compositor

@Suite("The compositor's end in the room", .serialized, .timeLimit(.minutes(5)))
struct StageRoomTests {
    /// Reads a room as a program does until something is so, for half a minute at most.
    private func read(_ room: StageRoom, until what: Testing.Comment, _ holds: () -> Bool) async throws {
        let deadline = SystemClock.monotonic().advanced(byMilliseconds: 30_000)
        while !holds() {
            _ = room.pictures(at: SystemClock.monotonic())
            guard SystemClock.monotonic() < deadline else {
                Issue.record(what)
                return
            }
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    @Test("a flash and a beep that were captured together are given for the same moment")
    func together() async throws {
        let harness = try RoomHarness()
        try await harness.createRoom()
        try await harness.subscribe("down-1")
        let speaker = try await harness.speaker("anna")
        speaker.start()
        let seen = await observe(harness.room, participant: "anna", milliseconds: 7500)
        #expect(seen.missing == 0)
        var offsets: [Double] = []
        for flash in seen.flashes.dropFirst(2) {
            guard let beep = seen.beeps.min(by: { abs($0 - flash) < abs($1 - flash) }), abs(beep - flash) < 0.4 else {
                continue
            }
            offsets.append(beep - flash)
        }
        try #require(offsets.count >= 3)
        // Where the machine stands still for a moment, one flash or beep comes late; in the middle they are together.
        let middle = offsets.sorted()[offsets.count / 2]
        #expect(abs(middle) < 0.02, "the beeps came \(offsets.map { $0 * 1000 }) ms after the flashes")
        let counters = harness.room.counters
        #expect(counters["proscenium_compositor_room_frames_decoded_total"] ?? 0 > 60)
        #expect(counters["proscenium_compositor_room_frames_dropped_corrupt_total"] == 0)
        #expect(counters["proscenium_compositor_room_tracks"] == 2)
        speaker.stop()
        harness.stop()
    }

    @Test("the picture stays while a new session takes the place of the old one, and goes when the speaker leaves")
    func newSession() async throws {
        let harness = try RoomHarness()
        try await harness.createRoom()
        let speaker = try await harness.speaker("anna")
        speaker.start()
        try await harness.subscribe("down-1")
        async let watching = observe(harness.room, participant: "anna", milliseconds: 4000)
        while harness.room.counters["proscenium_compositor_room_frames_decoded_total"] ?? 0 < 40 {
            try await Task.sleep(for: .milliseconds(5))
        }
        _ = try await harness.shard.send(.leave(session: "down-1"))
        #expect(harness.lost.pop(until: SystemClock.monotonic().advanced(byMilliseconds: 30_000)) == "down-1")
        try await harness.subscribe("down-2")
        let seen = await watching
        #expect(seen.missing == 0)
        try await read(harness.room, until: "pictures of the new session") {
            harness.room.counters["proscenium_compositor_room_frames_decoded_total"] ?? 0 > 60
        }
        #expect(harness.room.counters["proscenium_compositor_room_connections_lost_total"] == 1)
        _ = try await harness.shard.send(.leave(session: "anna-up"))
        try await read(harness.room, until: "the track has ended, and its picture with it") {
            harness.room.pictures(at: SystemClock.monotonic())[.participant("anna")] == nil
        }
        speaker.stop()
        harness.stop()
    }

    @Test("a camera that nobody shows is not decoded, and comes back with a keyframe")
    func hidden() async throws {
        let harness = try RoomHarness()
        try await harness.createRoom()
        let speaker = try await harness.speaker("anna")
        speaker.start()
        try await harness.subscribe("down-1")
        func decoded() -> Double { harness.room.counters["proscenium_compositor_room_frames_decoded_total"] ?? 0 }
        func hidden() -> Double {
            harness.room.counters["proscenium_compositor_room_frames_dropped_hidden_total"] ?? 0
        }
        try await read(harness.room, until: "pictures") { decoded() > 10 }
        harness.room.setVisible([.participant("ben")])
        // What was under way is decoded still.
        try await read(harness.room, until: "pictures that nobody sees") { hidden() > 10 }
        let before = decoded()
        func isSeen() -> Bool { harness.room.pictures(at: SystemClock.monotonic())[.participant("anna")] != nil }
        // It must not come back as if it were of now.
        try await read(harness.room, until: "the last picture goes") { !isSeen() }
        try await read(harness.room, until: "more of them") { hidden() > 20 }
        #expect(decoded() == before)
        harness.room.setVisible([.participant("anna")])
        #expect(!isSeen())
        try await read(harness.room, until: "pictures again") { isSeen() && decoded() > before + 20 }
        speaker.stop()
        harness.stop()
    }

    @Test("offers that are none, and addresses that are none, are refused with a reason")
    func refusals() async throws {
        #expect(throws: StageRoomError.self) {
            _ = try StageRoom(bind: "nowhere", logger: Logger(label: "test")) { _ in }
        }
        let harness = try RoomHarness()
        await #expect(throws: StageRoomError.self) {
            _ = try await harness.room.answer(session: "down-1", offer: "not an offer")
        }
        harness.room.close()
        await #expect(throws: StageRoomError.self) {
            _ = try await harness.room.answer(session: "down-1", offer: "v=0")
        }
        harness.stop()
    }
}
