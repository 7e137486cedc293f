// What a room tells whoever listens: a storm of joins in few messages, the floor, nothing of the hidden; and who is let in.

import Control
import Foundation
import HTTPTypes
import HummingbirdTesting
import Logging
import Synchronization
import Testing
import Web

@testable import Studio

/// Counts and applies what it is told.
private final class Console: RoomListener {
    let seesHidden: Bool
    private let state = Mutex((list: [String: SpeakerView](), lists: 0, changes: 0, named: 0, speakers: [String?]()))

    init(seesHidden: Bool = false) { self.seesHidden = seesHidden }

    var ids: [String] { state.withLock { $0.list.keys.sorted() } }
    var connected: Int { state.withLock { $0.list.values.count { $0.connection.state == "connected" } } }
    var lists: Int { state.withLock { $0.lists } }
    var changes: Int { state.withLock { $0.changes } }
    var named: Int { state.withLock { $0.named } }
    var speakers: [String?] { state.withLock { $0.speakers } }

    func participantsChanged(_ participants: [SpeakerView]) {
        state.withLock { state in
            state.lists += 1
            state.list = Dictionary(uniqueKeysWithValues: participants.map { ($0.id, $0) })
        }
    }

    func participantsChanged(_ change: RosterChange) {
        state.withLock { state in
            state.changes += 1
            state.named += change.participants.count + change.left.count
            for id in change.left { state.list[id] = nil }
            for view in change.participants { state.list[view.id] = view }
        }
    }

    func speakerChanged(_ participant: String?) { state.withLock { $0.speakers.append(participant) } }
    func offered(_ offer: String) {}
    func mustRejoin(_ reason: String) {}
}

@Suite("What a room tells")
struct RoomUpdateTests {
    private static let scope = ConductorFixture.scope

    private func person(_ id: String, _ role: Role = .speaker, can: [String] = []) -> Principal {
        Principal(
            claims: TokenClaims(
                sub: id, name: id, org: "o", event: "e", role: role, can: can, exp: 4_000_000_000, jti: "jti-\(id)"),
            source: .bearer)
    }

    private func join(_ fixture: ConductorFixture, _ caller: Principal) async throws -> String {
        try await fixture.speakers.publish(Self.scope, caller, session: nil, offer: "v=0", sources: [:]).session
    }

    private func refusal(_ work: () async throws -> Void) async -> String? {
        do {
            try await work()
            return nil
        } catch {
            return (error as? Problem)?.type
        }
    }

    @Test("a hundred who come and go are told in few messages, in which each change is named once")
    func storm() async throws {
        let fixture = try await ConductorFixture()
        let others = try await fixture.started(), sfu = try await fixture.sfu(offers: false)
        let early = Console(), began = ContinuousClock.now
        await fixture.speakers.listen("e", early)
        var sessions: [(Principal, String)] = []
        for index in 0..<100 {
            let caller = person("p\(1000 + index)")
            let session = try await join(fixture, caller)
            sfu.report(.sfu(.connected(room: "e", participant: caller.id, session: session)))
            sessions.append((caller, session))
        }
        let late = Console()
        await fixture.speakers.listen("e", late)
        let everybody = sessions.map(\.0.id)
        try await eventually("everybody is known") { early.ids == everybody && late.ids == everybody }
        try await eventually("all are connected") { early.connected == 100 && late.connected == 100 }
        // Four times a second at most, and somebody is named when they come and when they are connected, no more.
        let beats = Int((ContinuousClock.now - began) / .milliseconds(250)) + 2
        #expect(early.lists == 1)
        #expect(early.changes <= beats, "\(early.changes) messages in \(beats) quarters of a second")
        let named = early.named
        #expect((100...200).contains(named), "\(named)")
        #expect(late.lists == 1 && late.named <= 200)
        for (caller, session) in sessions where caller.id != "p1000" {
            try await fixture.speakers.leave(session, caller)
        }
        try await eventually("they are gone") { early.ids == ["p1000"] && late.ids == ["p1000"] }
        #expect(early.named == named + 99)
        for worker in others + [sfu] { worker.leave() }
        try fixture.end()
    }

    @Test("who is hidden is told to producers only, sends nothing, and can be sent away")
    func hidden() async throws {
        let fixture = try await ConductorFixture()
        let others = try await fixture.started(), sfu = try await fixture.sfu(offers: false)
        let crowd = Console(), producer = Console(seesHidden: true)
        for listener in [crowd, producer] { await fixture.speakers.listen("e", listener) }
        let guest = person("guest", can: ["hidden"])
        _ = try await join(fixture, person("ada"))
        _ = try await fixture.speakers.subscribe(Self.scope, guest, listener: Console())
        try await eventually("both are known") { producer.ids == ["ada", "guest"] && crowd.ids == ["ada"] }
        #expect(await fixture.speakers.participants("e").map(\.id) == ["ada"])
        #expect(await fixture.speakers.participants("e", withHidden: true).map(\.hidden) == [nil, true])
        #expect(await refusal { _ = try await join(fixture, guest) } == "forbidden")
        await fixture.speakers.end(jti: "jti-guest")
        try await eventually("the guest is gone") { producer.ids == ["ada"] }
        #expect(crowd.named == 1, "of whom nobody has heard")
        for worker in others + [sfu] { worker.leave() }
        try fixture.end()
    }

    @Test("an invitation that names what may be sent lets nothing else be sent, and the SFU is told so with each offer")
    func sending() async throws {
        #expect(SpeakerRooms.allowed(person("ada")) == nil)
        #expect(SpeakerRooms.allowed(person("ada", can: ["slides"])) == nil)
        #expect(SpeakerRooms.allowed(person("ada", can: ["microphone"])) == [.microphone])
        #expect(
            SpeakerRooms.allowed(person("ada", can: ["slides", "camera", "screen"])) == [
                .camera, .screen, .screenAudio,
            ])
        let fixture = try await ConductorFixture()
        let others = try await fixture.started(), sfu = try await fixture.sfu(offers: false)
        for caller in [person("ada"), person("ben", can: ["microphone"])] { _ = try await join(fixture, caller) }
        let told = sfu.room.compactMap { command -> (String, Set<TrackSource>?)? in
            guard case .publish(_, let participant, _, _, _, _, let allowed, _, _) = command else { return nil }
            return (participant, allowed)
        }
        #expect(told.map(\.0) == ["ada", "ben"] && told.map(\.1) == [nil, [.microphone]])
        for worker in others + [sfu] { worker.leave() }
        try fixture.end()
    }

    @Test("into a locked room come those who were there, and producers, also behind a restart of Studio")
    func lock() async throws {
        let fixture = try await ConductorFixture()
        let others = try await fixture.started(), sfu = try await fixture.sfu(offers: false)
        let ada = person("ada"), ben = person("ben")
        let session = try await join(fixture, ada)
        #expect(await fixture.speakers.setLocked("e", true) == ["ada"])
        #expect(await refusal { _ = try await join(fixture, ben) } == "room-locked")
        let listener = Console()
        #expect(
            await refusal { _ = try await fixture.speakers.subscribe(Self.scope, ben, listener: listener) }
                == "room-locked")
        #expect(await fixture.speakers.participants("e").map(\.id) == ["ada"])
        // Nor may they look in from outside.
        let outside = Viewer(principal: ben, address: "192.0.2.1")
        #expect(
            await refusal {
                _ = try await fixture.speakers.view(
                    Self.scope, outside, of: .participant("ada"), offer: "v=0", limits: ViewerLimits())
            } == "room-locked")
        #expect(await refusal { try await fixture.speakers.checkLock("e", ben) } == "room-locked")
        // She comes back, and locking again does not shut her out while she is away.
        try await fixture.speakers.leave(session, ada)
        #expect(await fixture.speakers.setLocked("e", true) == ["ada"])
        _ = try await join(fixture, ada)
        _ = try await join(fixture, person("boss", .producer))
        // The next Studio knows.
        let next = SpeakerRooms(registry: fixture.registry, logger: .init(label: "test"))
        await next.restore(locks: ["e": ["ada"]])
        #expect(
            await refusal {
                _ = try await next.publish(Self.scope, ben, session: nil, offer: "v=0", sources: [:])
            } == "room-locked")
        #expect(await fixture.speakers.setLocked("e", false) == nil)
        _ = try await join(fixture, ben)
        for worker in others + [sfu] { worker.leave() }
        try fixture.end()
    }

    @Test("who has the floor is told when it changes, to who comes later too, and not after they have left")
    func floor() async throws {
        let fixture = try await ConductorFixture()
        let others = try await fixture.started(), sfu = try await fixture.sfu(offers: false)
        let ada = person("ada"), first = Console(), second = Console()
        await fixture.speakers.listen("e", first)
        let session = try await join(fixture, ada)
        _ = try await join(fixture, person("ben"))
        sfu.report(.sfu(.speaking(room: "e", participant: "ben")))
        sfu.report(.sfu(.speaking(room: "e", participant: "ada")))
        sfu.report(.sfu(.speaking(room: "e", participant: "ada")))
        try await eventually("it is known") { await fixture.speakers.dominantSpeaker("e") == "ada" }
        await fixture.speakers.listen("e", second)
        try await fixture.speakers.leave(session, ada)
        #expect(first.speakers == ["ben", "ada", nil])
        #expect(second.speakers == ["ada", nil])
        #expect(await fixture.speakers.dominantSpeaker("e") == nil)
        for worker in others + [sfu] { worker.leave() }
        try fixture.end()
    }

    @Test("a lock is kept in the database, and goes with its event")
    func kept() async throws {
        try await withEvent { client, admin, fixture in
            await fixture.join("e", "ada", name: "Ada")
            let locked = try await client.call(.patch, "/v1/events/e/room", admin, #"{"locked":true}"#)
            #expect(locked.object["locked"] as? Bool == true && locked.object["participants"] as? Int == 1)
            let locks = RoomLocks(database: fixture.database)
            #expect(try await locks.all() == ["e": ["ada"]])
            let speaker = try await fixture.token(.speaker, event: "e")
            #expect(try await client.call(.get, "/v1/events/e/room", speaker).status == .ok)
            let refused = try await client.call(.patch, "/v1/events/e/room", speaker, #"{"locked":false}"#)
            #expect(refused.status == .forbidden)
            #expect(try await client.call(.patch, "/v1/events/e/room", admin, #"{}"#).status == .unprocessableContent)
            #expect(try await client.call(.patch, "/v1/events/e/room", admin, #"{"locked":false}"#).status == .ok)
            #expect(try await locks.all() == [:])
            _ = try await client.call(.patch, "/v1/events/f/room", admin, #"{"locked":true}"#)
            #expect(try await client.call(.delete, "/v1/events/f", admin).status == .noContent)
            #expect(try await locks.all() == [:])
        }
    }
}
