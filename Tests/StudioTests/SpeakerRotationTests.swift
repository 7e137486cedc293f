// Second sessions of a speaker that take the places of the first, over a real registry with an SFU that notes what it is told.

import Control
import Media
import Synchronization
import Testing
import Web

@testable import Studio

/// A socket as the rooms see one, or what hears of a session until that has taken over.
private final class Page: RoomListener {
    private let state = Mutex((told: [String](), heir: (any RoomListener)?.none))
    let word: String?

    init(word: String? = nil, heir: Page? = nil) {
        self.word = word
        state.withLock { $0.heir = heir }
    }

    var told: [String] { state.withLock { $0.told } }
    private func note(_ text: String) { state.withLock { $0.told.append(text) } }

    func participantsChanged(_ participants: [SpeakerView]) {}
    func offered(_ offer: String) { note(offer) }
    func mustRejoin(_ reason: String) { note("rejoin") }
    func subscribedAnew() { note("anew") }

    func tookOver(_ session: String) -> (any RoomListener)? {
        note("took over")
        return state.withLock { $0.heir }
    }
}

@Suite("Speakers who change their keys")
struct SpeakerRotationTests {
    private static let scope = ConductorFixture.scope

    private func leaves(_ sfu: FakeWorker) -> [String] {
        sfu.room.compactMap { if case .leave(let session) = $0 { session } else { nil } }
    }

    private func notes(_ sfu: FakeWorker) -> [String] {
        sfu.room.compactMap { if case .note(let session, _) = $0 { session } else { nil } }
    }

    private func left(_ session: String) -> Report {
        .sfu(.left(room: "e", participant: "ada", session: session, reason: "over"))
    }

    @Test("a publishing session takes over from another without a word of joining again, and is written down then")
    func published() async throws {
        let fixture = try await ConductorFixture()
        let others = try await fixture.started(), sfu = try await fixture.sfu(offers: false)
        let ada = ConductorFixture.principal("ada"), page = Page(word: "word"), next = Page(heir: page)
        func publish(_ replaced: String?, _ listener: Page) async throws -> String {
            try await fixture.speakers.publish(
                Self.scope, ada, session: nil, offer: "v=0", sources: [:], replacing: replaced, listener: listener
            ).session
        }
        let first = try await publish(nil, page), second = try await publish(first, next)
        let asked = sfu.room.compactMap { command -> String? in
            guard case .publish(_, _, second, _, _, _, _, let replaced, _) = command else { return nil }
            return replaced
        }
        #expect(asked == [first])
        #expect(notes(sfu) == [first], "it ends with this Studio until it has taken over")
        #expect(await fixture.speakers.participants("e").count == 1)
        sfu.report(.sfu(.replaced(room: "e", session: first, by: second)))
        sfu.report(left(first))
        try await eventually("it has taken over") { notes(sfu) == [first, second] }
        try await eventually("the first is gone") { (try? await fixture.speakers.checkOwn(first, ada)) == nil }
        #expect(next.told == ["took over"] && page.told.isEmpty)
        sfu.report(left(second))
        try await eventually("from now on it is the page's") { page.told == ["rejoin"] }
        for worker in others + [sfu] { worker.leave() }
        try fixture.end()
    }

    @Test("a session that took over when it was given up already is ended, and the page joins again")
    func tookOverTooLate() async throws {
        let fixture = try await ConductorFixture()
        let others = try await fixture.started(), sfu = try await fixture.sfu(offers: false)
        let ada = ConductorFixture.principal("ada"), page = Page(word: "word")
        let first = try await fixture.speakers.publish(
            Self.scope, ada, session: nil, offer: "v=0", sources: [:], listener: page
        ).session
        sfu.report(.sfu(.replaced(room: "e", session: first, by: "unknown")))
        sfu.report(left(first))
        try await eventually("nobody holds it") { leaves(sfu) == ["unknown"] }
        try await eventually("the page has nothing any more") { page.told == ["rejoin"] }
        for worker in others + [sfu] { worker.leave() }
        try fixture.end()
    }

    @Test("a session that ends before it has taken over is nobody's loss but its own")
    func givenUp() async throws {
        let fixture = try await ConductorFixture()
        let others = try await fixture.started(), sfu = try await fixture.sfu(offers: false)
        let ada = ConductorFixture.principal("ada"), page = Page(word: "word"), next = Page(heir: page)
        let first = try await fixture.speakers.publish(
            Self.scope, ada, session: nil, offer: "v=0", sources: [:], listener: page
        ).session
        let second = try await fixture.speakers.publish(
            Self.scope, ada, session: nil, offer: "v=0", sources: [:], replacing: first, listener: next
        ).session
        sfu.report(left(second))
        try await eventually("who waits for it is told") { next.told == ["rejoin"] }
        #expect(page.told.isEmpty)
        try await fixture.speakers.checkOwn(first, ada)
        await #expect(throws: Problem.self, "nobody replaces somebody else's session") {
            try await fixture.speakers.publish(
                Self.scope, ConductorFixture.principal("bob"), session: nil, offer: "v=0", sources: [:],
                replacing: first)
        }
        for worker in others + [sfu] { worker.leave() }
        try fixture.end()
    }

    @Test("what is said of a subscribing session goes to the page behind the word that it has taken over")
    func subscribed() async throws {
        let fixture = try await ConductorFixture()
        let others = try await fixture.started(), sfu = try await fixture.sfu(offers: false)
        let ada = ConductorFixture.principal("ada"), page = Page(word: "word"), next = Page()
        let first = try await fixture.speakers.subscribe(Self.scope, ada, listener: page)
        let second = try await fixture.speakers.subscribe(Self.scope, ada, succeeding: first, listener: next)
        #expect(notes(sfu) == [first])
        sfu.report(.sfu(.offer(session: first, offer: "one")))
        sfu.report(.sfu(.offer(session: second, offer: "two")))
        try await eventually("each hears of its own") { page.told.last == "one" && next.told.last == "two" }
        let before = page.told.count
        try await fixture.speakers.succeed(second, from: first, ada, listener: page)
        sfu.report(.sfu(.offer(session: first, offer: "late")))
        sfu.report(.sfu(.offer(session: second, offer: "three")))
        try await eventually("offers come to the page") { page.told.last == "three" }
        #expect(Array(page.told.dropFirst(before)) == ["anew", "three"] && next.told.last == "two")
        #expect(leaves(sfu) == [first] && notes(sfu) == [first, second])
        await #expect(throws: Problem.self) {
            try await fixture.speakers.succeed(first, from: second, ada, listener: page)
        }
        try await fixture.speakers.checkOwn(second, ada)
        for worker in others + [sfu] { worker.leave() }
        try fixture.end()
    }

    @Test("who has all the connections there may be changes the keys of each, one heir at a time")
    func atTheLimit() async throws {
        let fixture = try await ConductorFixture()
        let others = try await fixture.started(), sfu = try await fixture.sfu(offers: false)
        let rooms = fixture.speakers, ada = ConductorFixture.principal("ada"), page = Page(word: "word"), next = Page()
        func open(_ former: String? = nil) async throws -> String {
            try await rooms.subscribe(Self.scope, ada, succeeding: former, listener: former == nil ? page : next)
        }
        var held: [String] = []
        for _ in 0..<SpeakerRooms.sessionLimit { held.append(try await open()) }
        await #expect(throws: Problem.self, "one more than there may be") { try await open() }
        var heirs: [String] = []
        for session in held { heirs.append(try await open(session)) }
        await #expect(throws: Problem.self, "it has an heir") { try await open(held[0]) }
        await #expect(throws: Problem.self, "an heir has none") { try await open(heirs[0]) }
        await #expect(throws: Problem.self, "nor has what is not there") { try await open("unknown") }
        // One heir takes its place, and counts from now on; another is given up, and has been no place for anybody.
        try await rooms.succeed(heirs[0], from: held[0], ada, listener: page)
        try await rooms.leave(heirs[1], ada)
        await #expect(throws: Problem.self, "they are as many as before") { try await open() }
        _ = try await open(heirs[0])
        _ = try await open(held[1])
        // An heir whose place is given up has that place.
        try await rooms.leave(held[2], ada)
        await #expect(throws: Problem.self) { try await open() }
        try await rooms.leave(heirs[2], ada)
        _ = try await open()
        for worker in others + [sfu] { worker.leave() }
        try fixture.end()
    }
}
