import Media
import Synchronization
import Testing

@testable import Interactivity

@Suite("Polls in a live program")
struct LiveGateTests {
    @Test("reach viewers only with the media that covers them, and the studio at once")
    func spoiler() async throws {
        let stage = try Stage(), viewer = FakeReader(), studio = FakeReader(), stream = FakeReader(.chunk)
        try await stage.service.programState(event: "gala", isLive: true)
        try await stage.join(viewer, .published)
        try await stage.join(stream, .published)
        try await stage.join(studio, .immediate)
        try await stage.service.clockReport(
            event: "gala", programTime: ProgramTime(milliseconds: stage.time.wall + 700),
            wallMilliseconds: stage.time.wall)
        await stage.pass(3000)
        _ = try await stage.poll()
        let stamp = stage.time.wall + 700
        #expect(studio.kinds.last == "poll.opened")
        #expect(studio.data("poll.opened").first?["openedAt"] as? Int64 == stamp)
        await #expect(throws: InteractivityError.unknownPoll) { try await stage.vote("ada") }
        await stage.pass(4000)
        try await stage.service.mediaPublished(
            event: "gala", mediaSequence: 7, from: ProgramTime(milliseconds: stamp - 3000),
            to: ProgramTime(milliseconds: stamp))
        #expect(!(viewer.messages + stream.messages).joined().contains("Which?"))
        let late = FakeReader()
        try await stage.join(late, .published)
        #expect(!late.messages.joined().contains("Which?"))
        try await stage.service.mediaPublished(
            event: "gala", mediaSequence: 8, from: ProgramTime(milliseconds: stamp),
            to: ProgramTime(milliseconds: stamp + 3000))
        for reader in [viewer, late] { #expect(reader.kinds.last == "poll.opened") }
        #expect(stream.messages.last?.contains("\nid: ") == false)
        #expect(stream.messages.last?.hasPrefix("id: live:") == true)
        #expect(stage.segments.list.map { $0.json.contains("Which?") } == [false, true])
        _ = try await stage.vote("ada", playhead: stamp)
    }

    @Test("give a viewer who is behind the same time; results are provisional, then final within 61 s")
    func provisional() async throws {
        let stage = try Stage(), viewer = FakeReader()
        try await stage.join(viewer, .published)
        try await stage.service.programState(event: "gala", isLive: true)
        var sequence: Int64 = 0
        func live(_ seconds: Int64) async throws {
            for _ in 0..<seconds {
                await stage.pass(1000)
                if (stage.time.wall - TestClock.start) % 6000 == 0 {
                    sequence += 1
                    try await stage.publish(sequence)
                }
            }
        }
        try await live(60)
        _ = try await stage.poll()
        try await live(12)
        _ = try await stage.vote("ada", playhead: stage.time.wall - 5000)
        let closeAt = stage.time.wall
        #expect(try await stage.close()?.provisional == true)
        try await live(10)
        _ = try await stage.vote("behind", playhead: closeAt - 2000)
        await #expect(throws: InteractivityError.pollClosed) {
            try await stage.vote("ahead", playhead: stage.time.wall)
        }
        try await live(10)
        #expect(viewer.data("poll.results").last?["provisional"] as? Bool == true)
        #expect(viewer.data("poll.results").last?["voters"] as? Int == 2)
        try await live(41)
        let last = viewer.data("poll.results").last
        #expect(last?["provisional"] as? Bool == false)
        #expect(last?["voters"] as? Int == 2)
        await #expect(throws: InteractivityError.pollClosed) {
            try await stage.vote("cheat", playhead: closeAt - 2000)
        }
    }

    @Test("stay behind the gate over a restart of the service")
    func restart() async throws {
        let stage = try Stage()
        try await stage.service.programState(event: "gala", isLive: true)
        await stage.pass(7000)
        try await stage.publish(1)
        _ = try await stage.poll()
        try stage.folder.copyAsAfterCrash(to: "after.sqlite")
        let segments = Stage.SegmentBox()
        let again = InteractivityService(
            database: try stage.folder.open("after.sqlite"), directory: OneEvent(), clock: stage.time.clock,
            onTimeline: { segments.add($0) })
        let room = try await again.room(gala), viewer = FakeReader()
        _ = try await again.join(
            room,
            JoinRequest(
                subscriber: viewer, carrier: .published, resume: ResumePositions(), reconnectAfterMs: 1,
                expiresAtWallMilliseconds: .max))
        #expect(!viewer.messages.joined().contains("Which?"))
        let wall = ProgramTime(milliseconds: stage.time.wall)
        try await again.mediaPublished(
            event: "gala", mediaSequence: 1, from: wall.advanced(byMilliseconds: -7000),
            to: wall.advanced(byMilliseconds: -1))
        #expect(segments.list.isEmpty)
        try await again.mediaPublished(
            event: "gala", mediaSequence: 2, from: wall.advanced(byMilliseconds: -1),
            to: wall.advanced(byMilliseconds: 6000))
        #expect(viewer.kinds.last == "poll.opened")
        #expect(segments.list.first?.json.contains("Which?") == true)
    }

    @Test("stand in exactly one timeline segment each, late ones in the next")
    func segments() async throws {
        let stage = try Stage()
        _ = try await stage.poll()
        try await stage.service.programState(event: "gala", isLive: true)
        await stage.pass(6000)
        try await stage.publish(10, lag: 0)
        for sequence in 11..<15 {
            _ = try await stage.vote("v\(sequence)")
            await stage.pass(6000)
            try await stage.publish(Int64(sequence), lag: 0)
        }
        try await stage.publish(14, lag: 0)
        let list = stage.segments.list
        #expect(list.map(\.mediaSequence) == [10, 11, 12, 13, 14])
        #expect(list[0].json.contains("poll.opened"))
        let offsets = list.flatMap { segment in
            segment.json.split(separator: "\"offset\":").dropFirst().compactMap { Int64($0.prefix { $0.isNumber }) }
        }
        #expect(offsets == Array(1...Int64(offsets.count)))
        #expect(offsets.count == 5)
    }
}
