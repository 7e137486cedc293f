// Whom a lock lets in who is away when the door closes, and what those outside hear from then on.

import Control
import Media
import Synchronization
import Testing
import Web

@testable import Studio

/// A socket of somebody's as the rooms see one.
private final class Doorway: ResumableListener {
    let principal: Principal?
    private let state = Mutex((heard: 0, isOut: false))

    init(_ principal: Principal) { self.principal = principal }

    var heard: Int { state.withLock { $0.heard } }
    var isOut: Bool { state.withLock { $0.isOut } }

    func participantsChanged(_ participants: [SpeakerView]) { state.withLock { $0.heard += 1 } }
    func participantsChanged(_ change: RosterChange) { state.withLock { $0.heard += 1 } }
    func shutOut() { state.withLock { $0.isOut = true } }
    func offered(_ offer: String) {}
    func mustRejoin(_ reason: String) {}
    func surrender() -> ResumeTable.Sessions { .init() }
}

@Suite("Locks of rooms")
struct LockTests {
    private static let scope = ConductorFixture.scope

    private func join(_ fixture: ConductorFixture, _ id: String) async throws -> String {
        try await fixture.speakers.publish(
            Self.scope, ConductorFixture.principal(id), session: nil, offer: "v=0", sources: [:]
        ).session
    }

    @Test("who is between two connections when the door closes is let in, and who has said goodbye is not")
    func away() async throws {
        let fixture = try await ConductorFixture()
        let others = try await fixture.started(), sfu = try await fixture.sfu(offers: false)
        let speakers = fixture.speakers
        var sessions: [String: String] = [:]
        for id in ["ada", "ben", "cleo", "dan", "eve", "fay", "gil"] { sessions[id] = try await join(fixture, id) }
        // Ada's page has given up its sessions, to come back with others.
        try await speakers.leave(try #require(sessions["ada"]), ConductorFixture.principal("ada"))
        // Ben's have ended at the media server.
        let ben = try #require(sessions["ben"])
        sfu.report(.sfu(.left(room: "e", participant: "ben", session: ben, reason: "the peer is gone")))
        // Cleo's page was closed, Dan has said goodbye by WHIP, and Eve was sent away.
        let page = Doorway(ConductorFixture.principal("cleo"))
        await speakers.stand("word", Self.scope, ConductorFixture.principal("cleo"), page)
        await speakers.quit("word", "e", page, .init(published: sessions["cleo"]))
        try await speakers.leave(
            try #require(sessions["dan"]), ConductorFixture.principal("dan"), forGood: true)
        await speakers.end(jti: "eve")
        // Gil's page has lost its way and closes its socket, to come back by another one.
        let lost = Doorway(ConductorFixture.principal("gil"))
        await speakers.stand("lost", Self.scope, ConductorFixture.principal("gil"), lost)
        await speakers.quit("lost", "e", lost, .init(published: sessions["gil"]), forGood: false)
        try await eventually("one is left") { await speakers.participants("e").map(\.id) == ["fay"] }
        #expect(await speakers.setLocked("e", true) == ["ada", "ben", "fay", "gil"])
        _ = try await join(fixture, "ada")
        _ = try await join(fixture, "ben")
        for id in ["cleo", "dan", "eve"] {
            await #expect(throws: Problem.self, "\(id) is outside") { _ = try await join(fixture, id) }
        }
        for worker in others + [sfu] { worker.leave() }
        try fixture.end()
    }

    @Test("everybody is let in again whom the media server's end has thrown out, whenever the door was closed")
    func lost() async throws {
        let fixture = try await ConductorFixture()
        let others = try await fixture.started(), sfu = try await fixture.sfu(offers: false)
        for id in ["ada", "ben"] { _ = try await join(fixture, id) }
        sfu.leave()
        try await eventually("the room is gone") { await fixture.speakers.participants("e").isEmpty }
        #expect(await fixture.speakers.setLocked("e", true) == ["ada", "ben"])
        for worker in others { worker.leave() }
        try fixture.end()
    }

    @Test("who is on the way back is waited for half a minute, and longer while their socket stands")
    func grace() {
        var departures = Departures()
        let begin = MonotonicTime(nanoseconds: 0)
        departures.note("ada", "e", now: begin)
        departures.note("ben", "other", now: begin)
        let late = begin.advanced(byMilliseconds: Departures.graceMs)
        let early = late.advanced(byMilliseconds: -1)
        #expect(departures.expected("e", standing: [], now: early) == ["ada"])
        #expect(departures.expected("e", standing: [], now: late).isEmpty)
        #expect(departures.expected("e", standing: ["ada", "stranger"], now: late) == ["ada"])
        departures.note("cleo", "e", now: begin.advanced(byMilliseconds: Departures.keptMs))
        #expect(departures.expected("e", standing: ["ada"], now: late) == ["cleo"], "what is old is forgotten")
        for number in 0..<Departures.maximum { departures.note("p\(number)", "big", now: late) }
        #expect(departures.expected("big", standing: [], now: late).count == Departures.maximum)
        #expect(departures.expected("e", standing: [], now: late).isEmpty, "and the oldest, when there are too many")
        departures.forget(event: "big")
        #expect(departures.expected("big", standing: [], now: late).isEmpty)
    }

    @Test("a socket that stood open before the door was closed hears nothing more, until its owner has come in")
    func silence() async throws {
        let fixture = try await ConductorFixture()
        let others = try await fixture.started(), sfu = try await fixture.sfu(offers: false)
        let speakers = fixture.speakers
        let inside = Doorway(ConductorFixture.principal("ada")), outside = Doorway(ConductorFixture.principal("ben"))
        for socket in [inside, outside] { await speakers.listen("e", socket) }
        #expect(outside.heard == 1, "an open door")
        let first = try await join(fixture, "ada")
        sfu.report(.sfu(.connected(room: "e", participant: "ada", session: first)))
        try await eventually("both are told") { inside.heard == 2 && outside.heard == 2 }
        await speakers.setLocked("e", true)
        #expect(outside.isOut && !inside.isOut)
        let session = try await join(fixture, "ada")
        try await speakers.leave(session, ConductorFixture.principal("ada"))
        await speakers.seat(ConductorFixture.principal("cleo"), in: "e", org: "o")
        await speakers.changed("e")
        try await eventually("who is inside is told") { inside.heard > 2 }
        #expect(outside.heard == 2)
        // One that is opened now is told nothing at all.
        let late = Doorway(ConductorFixture.principal("dan"))
        await speakers.listen("e", late)
        #expect(late.heard == 0 && late.isOut)
        await speakers.setLocked("e", false)
        await speakers.listen("e", outside)
        #expect(outside.heard == 3)
        for worker in others + [sfu] { worker.leave() }
        try fixture.end()
    }
}
