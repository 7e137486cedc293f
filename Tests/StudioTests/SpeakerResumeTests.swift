// Sockets of speakers that go and come back, over a real registry with an SFU that notes what it is told.

import Control
import Foundation
import HTTPTypes
import Media
import Synchronization
import Testing
import Web

@testable import Studio

/// A socket as the rooms see one.
private final class Page: ResumableListener {
    private let state = Mutex(
        (held: ResumeTable.Sessions(), offers: [String](), rejoins: 0, limits: [[String: LineLimit]]()))

    var offers: [String] { state.withLock { $0.offers } }
    var limits: [[String: LineLimit]] { state.withLock { $0.limits } }
    var rejoins: Int { state.withLock { $0.rejoins } }

    func hold(_ sessions: ResumeTable.Sessions) { state.withLock { $0.held = sessions } }
    func participantsChanged(_ participants: [SpeakerView]) {}
    func lineChanged(_ limits: [String: LineLimit]) { state.withLock { $0.limits.append(limits) } }
    func offered(_ offer: String) { state.withLock { $0.offers.append(offer) } }
    func mustRejoin(_ reason: String) { state.withLock { $0.rejoins += 1 } }

    func surrender() -> ResumeTable.Sessions {
        state.withLock { state in
            defer { state.held = .init() }
            return state.held
        }
    }
}

@Suite("Speakers whose socket comes back")
struct SpeakerResumeTests {
    private static let scope = ConductorFixture.scope

    /// Ada in the room with both sessions, behind a word.
    private func join(_ fixture: ConductorFixture, _ page: Page, word: String) async throws -> ResumeTable.Sessions {
        let ada = ConductorFixture.principal("ada")
        await fixture.speakers.stand(word, Self.scope, ada, page)
        let published = try await fixture.speakers.publish(
            Self.scope, ada, session: nil, offer: "v=0", sources: [:], listener: page
        ).session
        let subscribed = try await fixture.speakers.subscribe(Self.scope, ada, listener: page)
        let sessions = ResumeTable.Sessions(published: published, subscribed: subscribed)
        page.hold(sessions)
        return sessions
    }

    private func leaves(_ sfu: FakeWorker) -> Set<String> {
        Set(sfu.room.compactMap { if case .leave(let session) = $0 { session } else { nil } })
    }

    @Test(
        "sessions stay while their socket is gone, and go on under the next one, with the offer that was lost on the way"
    )
    func comesBack() async throws {
        let fixture = try await ConductorFixture()
        let others = try await fixture.started(), sfu = try await fixture.sfu(offers: false)
        let ada = ConductorFixture.principal("ada"), first = Page(), second = Page()
        let sessions = try await join(fixture, first, word: "word")
        let subscribed = try #require(sessions.subscribed)
        await fixture.speakers.park("word", "e", first, sessions)
        sfu.report(.sfu(.offer(session: subscribed, offer: "v=0 late")))
        try await eventually("the offer is there") { first.offers.contains("v=0 late") || !first.offers.isEmpty }
        #expect(await fixture.speakers.participants("e").map(\.id) == ["ada"], "still in the room")
        let resumed = try await fixture.speakers.resume("word", Self.scope, ada, listener: second)
        #expect(resumed == sessions && leaves(sfu).isEmpty)
        await fixture.speakers.offerAgain(subscribed)
        #expect(second.offers.last == "v=0 late")
        sfu.report(.sfu(.offer(session: subscribed, offer: "v=0 next")))
        try await eventually("offers go to the new socket") { second.offers.last == "v=0 next" }
        try await fixture.speakers.answer(subscribed, ada, "v=0 answer")
        let before = second.offers.count
        await fixture.speakers.offerAgain(subscribed)
        #expect(second.offers.count == before, "what was answered is not said again")
        try await fixture.speakers.restart(subscribed, ada)
        #expect(sfu.room.contains(.restart(session: subscribed)))
        for worker in others + [sfu] { worker.leave() }
        try fixture.end()
    }

    @Test("who is told that the line is thin is told again behind the next socket, and nobody else is")
    func limits() async throws {
        let fixture = try await ConductorFixture()
        let others = try await fixture.started(), sfu = try await fixture.sfu(offers: false)
        let ada = ConductorFixture.principal("ada"), first = Page(), second = Page()
        let sessions = try await join(fixture, first, word: "word")
        let subscribed = try #require(sessions.subscribed)
        let thin: [String: LineLimit] = ["camera.ben.0": .paused, "screen.ben.2": .smaller]
        sfu.report(.sfu(.limited(session: "somebody", tracks: ["camera.ben.0": .smaller])))
        sfu.report(.sfu(.limited(session: subscribed, tracks: thin)))
        try await eventually("the page is told") { !first.limits.isEmpty }
        #expect(first.limits == [thin])
        await fixture.speakers.park("word", "e", first, sessions)
        _ = try await fixture.speakers.resume("word", Self.scope, ada, listener: second)
        await fixture.speakers.offerAgain(subscribed)
        #expect(second.limits == [thin])
        sfu.report(.sfu(.limited(session: subscribed, tracks: [:])))
        try await eventually("there is room again") { second.limits.last == [:] }
        for worker in others + [sfu] { worker.leave() }
        try fixture.end()
    }

    @Test("a word is refused to others, to nobody's sessions, and a second time, and costs the owner nothing")
    func refused() async throws {
        let fixture = try await ConductorFixture()
        let others = try await fixture.started(), sfu = try await fixture.sfu(offers: false)
        let ada = ConductorFixture.principal("ada"), bob = ConductorFixture.principal("bob"), page = Page()
        let sessions = try await join(fixture, page, word: "word")
        func refuses(_ word: String, _ caller: Principal) async -> Bool {
            do {
                _ = try await fixture.speakers.resume(word, Self.scope, caller, listener: Page())
                return false
            } catch {
                return (error as? Problem)?.status == .notFound
            }
        }
        #expect(await refuses("word", bob))
        #expect(await refuses("", ada))
        await fixture.speakers.park("word", "e", page, sessions)
        #expect(await refuses("word", bob))
        #expect(await refuses("another", ada))
        #expect(leaves(sfu).isEmpty)
        let next = Page()
        #expect(try await fixture.speakers.resume("word", Self.scope, ada, listener: next) == sessions)
        #expect(await refuses("word", ada))
        // A word behind which nothing is left any more.
        await fixture.speakers.stand("empty", Self.scope, bob, Page())
        #expect(await refuses("empty", bob))
        for worker in others + [sfu] { worker.leave() }
        try fixture.end()
    }

    @Test("the socket that says the word takes over from one that only seems to stand")
    func takesOver() async throws {
        let fixture = try await ConductorFixture()
        let others = try await fixture.started(), sfu = try await fixture.sfu(offers: false)
        let ada = ConductorFixture.principal("ada"), old = Page(), new = Page()
        let sessions = try await join(fixture, old, word: "word")
        #expect(try await fixture.speakers.resume("word", Self.scope, ada, listener: new) == sessions)
        // The old one notices its end later; nothing of what it had is touched.
        await fixture.speakers.quit("word", "e", old, old.surrender())
        #expect(leaves(sfu).isEmpty)
        #expect(await fixture.speakers.participants("e").map(\.id) == ["ada"])
        for worker in others + [sfu] { worker.leave() }
        try fixture.end()
    }

    @Test("who says goodbye is gone at once; what the SFU has lost meanwhile can't be come back to")
    func gone() async throws {
        let fixture = try await ConductorFixture()
        let others = try await fixture.started(), sfu = try await fixture.sfu(offers: false)
        let ada = ConductorFixture.principal("ada"), page = Page()
        let first = try await join(fixture, page, word: "one")
        await fixture.speakers.quit("one", "e", page, first)
        #expect(await fixture.speakers.participants("e").isEmpty)
        #expect(leaves(sfu) == Set(first.all))
        let sessions = try await join(fixture, page, word: "two")
        await fixture.speakers.park("two", "e", page, sessions)
        sfu.report(.sfu(.left(room: "e", participant: "ada", session: sessions.published ?? "", reason: "timeout")))
        try await eventually("one session is gone") {
            (try? await fixture.speakers.checkOwn(sessions.published ?? "", ada)) == nil
        }
        await #expect(throws: Problem.self) {
            try await fixture.speakers.resume("two", Self.scope, ada, listener: Page())
        }
        #expect(await fixture.speakers.participants("e").isEmpty, "half of it is not kept")
        for worker in others + [sfu] { worker.leave() }
        try fixture.end()
    }
}
