import Control
import Foundation
import Media
import Testing
import Web

@testable import Studio

/// Somebody in the room who gets what others send.
private final class Receiver: RoomListener {
    func participantsChanged(_ participants: [SpeakerView]) {}
    func offered(_ offer: String) {}
    func mustRejoin(_ reason: String) {}
}

@Suite("The program on its way back to its speakers")
struct ReturnFeedTests {
    private func putOnStage(_ fixture: ConductorFixture, _ people: [String]) async throws {
        try await fixture.programs.update("e") { state, _ in
            state.stage = people.map { StagePlace(participant: $0) }
        }
        _ = await fixture.compositors.castChanged(event: "e")
    }

    /// What the SFU was told of the program, oldest first: the session and who gets which mix.
    private func published(_ sfu: FakeWorker) -> [(session: String, audiences: [String: TrackAudience])] {
        sfu.room.compactMap {
            guard case .publish("e", SpeakerRooms.compositorID, let session, _, _, let audiences, nil, nil, _) = $0
            else {
                return nil
            }
            return (session, audiences)
        }
    }

    @Test("begins with the first who receives, follows the stage, and ends with the last")
    func life() async throws {
        let fixture = try await ConductorFixture()
        let others = try await fixture.started()
        let sfu = try await fixture.sfu(offers: false), compositor = try await fixture.compositor("e")
        try await eventually("it runs") { await fixture.compositors.castChanged(event: "e") != nil }
        let ada = ConductorFixture.principal("ada"), bob = ConductorFixture.principal("bob"), page = Receiver()
        // Who only sends, as by WHIP, needs no feed.
        _ = try await fixture.speakers.publish(ConductorFixture.scope, bob, session: nil, offer: "v=0", sources: [:])
        try await putOnStage(fixture, ["bob"])
        try await eventually("Bob is told") { compositor.casts.last?.map(\.id) == ["bob"] }
        #expect(compositor.returns.isEmpty)
        _ = try await fixture.speakers.publish(ConductorFixture.scope, ada, session: nil, offer: "v=0", sources: [:])
        let session = try await fixture.speakers.subscribe(ConductorFixture.scope, ada, listener: page)
        try await eventually("the program comes back") { compositor.program.contains { $0.isReturnAnswer } }
        #expect(compositor.returns.map(\.listeners) == [[]], "Ada is not on stage, and Bob does not receive")
        #expect(published(sfu).last?.audiences == ["0": .everybody])
        try await putOnStage(fixture, ["bob", "ada"])
        try await eventually("Ada hears it") { published(sfu).count == 2 }
        #expect(compositor.returns.last?.listeners == ["ada"])
        #expect(published(sfu).last?.audiences == ["0": .everybody, "1": .only(["ada"])])
        #expect(Set(published(sfu).map(\.session)).count == 1, "on the same connection")
        try await eventually("the others know") {
            await fixture.speakers.participants("e").filter(\.onStage).map(\.id) == ["ada", "bob"]
        }
        try await putOnStage(fixture, ["bob"])
        try await eventually("Ada hears people only") { compositor.returns.last?.listeners == [] }
        try await fixture.speakers.leave(session, ada)
        try await eventually("nobody receives") { compositor.program.contains(.endReturnFeed) }
        try await eventually("its session ends") { sfu.room.contains(.leave(session: compositor.returns[0].session)) }
        #expect(await fixture.speakers.participants("e").map(\.id) == ["ada", "bob"], "the feed is nobody")
        for worker in others + [sfu, compositor] { worker.leave() }
        try fixture.end()
    }

    @Test("comes again after the connection, the SFU and the compositor were lost, each time in a session of its own")
    func losses() async throws {
        let fixture = try await ConductorFixture()
        let others = try await fixture.started()
        let sfu = try await fixture.sfu(offers: false), compositor = try await fixture.compositor("e")
        let ada = ConductorFixture.principal("ada"), page = Receiver()
        func join() async throws {
            _ = try await fixture.speakers.publish(
                ConductorFixture.scope, ada, session: nil, offer: "v=0", sources: [:])
            _ = try await fixture.speakers.subscribe(ConductorFixture.scope, ada, listener: page)
        }
        try await join()
        try await putOnStage(fixture, ["ada"])
        try await eventually("the feed") { compositor.returns.last?.listeners == ["ada"] }
        let first = try #require(compositor.returns.last?.session)
        compositor.report(.compositor(event: "e", .connectionLost(session: first)))
        try await eventually("another session after a loss") { compositor.returns.last?.session != first }
        #expect(compositor.returns.last?.listeners == ["ada"])
        try await eventually("the old one is gone") { sfu.room.contains(.leave(session: first)) }
        // The SFU says that the session has ended.
        let second = try #require(compositor.returns.last?.session)
        try await eventually("it is published") { published(sfu).last?.session == second }
        sfu.report(.sfu(.left(room: "e", participant: SpeakerRooms.compositorID, session: second, reason: "timeout")))
        try await eventually("a third") { compositor.returns.last?.session != second }
        // The SFU dies: nobody receives until the pages have joined again.
        sfu.leave()
        try await eventually("it ends") { compositor.program.contains(.endReturnFeed) }
        let next = try await fixture.sfu("sfu-2", offers: false)
        let count = compositor.returns.count
        try await join()
        try await eventually("a fourth") { compositor.returns.count > count && published(next).count == 1 }
        // The compositor dies: its feed goes, and the next one makes its own.
        let last = try #require(compositor.returns.last?.session)
        compositor.leave()
        try await eventually("its tracks go") { next.room.contains(.leave(session: last)) }
        let another = try await fixture.compositor("e")
        try await eventually("a fifth") { another.returns.last?.listeners == ["ada"] }
        #expect(Set((compositor.returns + another.returns).map(\.session)).count == 5)
        for worker in others + [next, another] { worker.leave() }
        try fixture.end()
    }

    @Test("nobody may publish as the program")
    func pretender() async throws {
        let fixture = try await ConductorFixture()
        let sfu = try await fixture.sfu()
        for source in [TrackSource.program, .programMix] {
            await #expect(throws: Problem.self) {
                _ = try await fixture.speakers.publish(
                    ConductorFixture.scope, ConductorFixture.principal("mallory"), session: nil, offer: "v=0",
                    sources: ["0": source])
            }
        }
        #expect(sfu.room.isEmpty)
        sfu.leave()
        try fixture.end()
    }
}

extension CompositorCommand {
    fileprivate var isReturnAnswer: Bool { if case .returnAnswer = self { true } else { false } }
}
