// Nothing stays in memory of who has gone: sessions and what they get know each other.

import Control
import Media
import PacketIO
import RTC
import RTCClient
import Testing

@testable import SFU

@Suite("Memory of sessions", .serialized)
struct SessionLifetimeTests {
    private final class Remains {
        weak var session: Session?
        weak var consumer: Consumer?
    }

    private struct Stage {
        let core: ShardCore
        let now = SystemClock.monotonic()

        init() throws {
            core = try ShardCore.onLoopback()
        }

        func run(_ command: SFUCommand) { core.run(command, now: now) }

        /// Anna sends sound and picture, and Ben gets both.
        func fill() async throws {
            let client = try RTCClient(name: "lifetime", bind: Harness.loopback) { _ in }
            defer { client.stop() }
            let tracks = [LocalTrack(name: "microphone", codec: .opus), LocalTrack(name: "camera", codec: .vp8)]
            let offer = try await client.offer(tracks, stream: "anna")
            run(.createRoom(room: "room"))
            run(.publish(room: "room", participant: "anna", session: "anna-up", offer: offer, sources: [:]))
            for producer in core.sessions["anna-up"]?.producers ?? [] { producer.isAnnounced = true }
            run(.subscribe(room: "room", participant: "ben", session: "ben-down"))
        }

        func remains() throws -> Remains {
            let remains = Remains()
            remains.session = core.sessions["ben-down"]
            remains.consumer = core.sessions["ben-down"]?.consumers.last
            try #require(remains.session != nil && remains.consumer != nil)
            return remains
        }
    }

    @Test("a subscriber who has left is gone, with all that was kept for it")
    func subscriberLeaves() async throws {
        let stage = try Stage()
        try await stage.fill()
        let remains = try stage.remains()
        stage.run(.leave(session: "ben-down"))
        #expect(remains.session == nil && remains.consumer == nil)
    }

    @Test("a subscriber whose line was measured is gone as well")
    func measuredSubscriberLeaves() async throws {
        let stage = try Stage()
        try await stage.fill()
        let remains = try stage.remains()
        func measure() throws {
            let session = try #require(stage.core.sessions["ben-down"])
            for consumer in session.consumers { consumer.isAccepted = true }
            session.downlink.agree()
            session.downlink.look(session.consumers, speaker: nil, now: stage.now) { _, _ in }
            #expect(session.downlink.bitrate != nil)
        }
        try measure()
        stage.run(.leave(session: "ben-down"))
        #expect(remains.session == nil && remains.consumer == nil)
    }

    @Test("a track that has ended takes what its subscribers had of it along, and leaves the subscribers")
    func publisherLeaves() async throws {
        let stage = try Stage()
        try await stage.fill()
        let remains = try stage.remains()
        stage.run(.leave(session: "anna-up"))
        #expect(remains.consumer == nil && remains.session != nil)
        stage.run(.closeRooms)
        #expect(remains.session == nil)
    }
}
