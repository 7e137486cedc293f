// Rooms that outlive Studio: what is written down at the media server, and what the next Studio makes of it.

import Control
import Foundation
import HTTPTypes
import Media
import Synchronization
import Testing
import Web

@testable import Studio

/// A page as the rooms see one.
private final class Page: ResumableListener {
    let word: String?
    private let state = Mutex((offers: [String](), rejoins: 0))

    init(_ word: String) { self.word = word }

    var offers: [String] { state.withLock { $0.offers } }
    func participantsChanged(_ participants: [SpeakerView]) {}
    func offered(_ offer: String) { state.withLock { $0.offers.append(offer) } }
    func mustRejoin(_ reason: String) { state.withLock { $0.rejoins += 1 } }
    func surrender() -> ResumeTable.Sessions { .init() }
}

@Suite("Rooms that outlive Studio")
struct AdoptionTests {
    private static let scope = ConductorFixture.scope

    /// What the SFU was last told of each session.
    private func notes(_ sfu: FakeWorker) -> [String: SessionNote] {
        var notes: [String: SessionNote] = [:]
        for case .note(let session, let text) in sfu.room { notes[session] = SessionNote(text) }
        return notes
    }

    private func carried(
        _ id: String, _ participant: String, _ direction: ConnectionReport.Direction, _ note: SessionNote?,
        hasFloor: Bool = false, tracks: [TrackInfo] = []
    ) -> SFUSession {
        SFUSession(
            room: "e", id: id, participant: participant, direction: direction, isConnected: true, hasFloor: hasFloor,
            tracks: tracks, note: note?.text)
    }

    private func note(_ id: String, word: String?) -> SessionNote {
        SessionNote(claims: ConductorFixture.principal(id).claims, word: word, entityTag: "\"tag-\(id)\"")
    }

    private func status(_ work: () async throws -> Void) async -> HTTPResponse.Status? {
        do {
            try await work()
            return nil
        } catch {
            return (error as? Problem)?.status
        }
    }

    @Test("each session is written down with who it belongs to, and anew when another socket has taken it over")
    func written() async throws {
        let fixture = try await ConductorFixture()
        let others = try await fixture.started(), sfu = try await fixture.sfu(offers: false)
        let ada = ConductorFixture.principal("ada", name: "Ada"), page = Page("first"), next = Page("second")
        await fixture.speakers.stand("first", Self.scope, ada, page)
        let up = try await fixture.speakers.publish(
            Self.scope, ada, session: nil, offer: "v=0", sources: [:], listener: page
        ).session
        let down = try await fixture.speakers.subscribe(Self.scope, ada, listener: page)
        let byHTTP = try await fixture.speakers.publish(
            Self.scope, ConductorFixture.principal("ben"), session: nil, offer: "v=0", sources: [:]
        ).session
        try await eventually("all are written down") { notes(sfu).count == 3 }
        let first = notes(sfu)
        #expect(first[up]?.claims == ada.claims && first[up]?.word == "first" && first[down]?.word == "first")
        #expect(first[byHTTP]?.word == nil && first[byHTTP]?.watched == nil)
        #expect(
            try await fixture.speakers.entityTag(of: byHTTP, ConductorFixture.principal("ben"))
                == first[byHTTP]?.entityTag)
        await fixture.speakers.park("first", "e", page, .init(published: up, subscribed: down))
        _ = try await fixture.speakers.resume("first", Self.scope, ada, listener: next)
        try await eventually("the new word is known") {
            notes(sfu)[up]?.word == "second" && notes(sfu)[down]?.word == "second"
        }
        for worker in others + [sfu] { worker.leave() }
        try fixture.end()
    }

    @Test("the next Studio knows everybody, and their sockets come back to the sessions that went on")
    func adopted() async throws {
        let fixture = try await ConductorFixture(adoptionMs: 600_000)
        let others = try await fixture.started(), speakers = fixture.speakers
        let track = TrackInfo(
            id: "microphone.up.0", participant: "ada", session: "up", source: .microphone, codec: .opus, isMuted: true)
        var watching = note("vera", word: nil)
        (watching.address, watching.watched) = ("192.0.2.0", .program)
        let sfu = try await fixture.sfu(
            offers: false,
            carries: [
                carried("down", "ada", .receives, note("ada", word: "word"), hasFloor: true),
                carried("up", "ada", .publishes, note("ada", word: "word"), hasFloor: true, tracks: [track]),
                carried("view", "proscenium-viewer", .receives, watching),
                carried("whip", "ben", .publishes, note("ben", word: nil)),
            ])
        let people = await speakers.participants("e")
        #expect(people.map(\.id) == ["ada", "ben"] && people.allSatisfy { $0.connection.state == "connected" })
        #expect(people.first?.tracks.map(\.id) == [track.id] && people.first?.tracks.first?.muted == true)
        #expect(await speakers.dominantSpeaker("e") == "ada")
        #expect(await speakers.watchesProgram("e"))
        let ben = ConductorFixture.principal("ben"), ada = ConductorFixture.principal("ada")
        #expect(try await speakers.entityTag(of: "whip", ben) == "\"tag-ben\"")
        #expect(
            await status { _ = try await speakers.resume("word", Self.scope, ben, listener: Page("x")) } == .notFound)
        let page = Page("next")
        sfu.report(.sfu(.offer(session: "down", offer: "v=0 again")))
        let resumed = try await speakers.resume("word", Self.scope, ada, listener: page)
        #expect(resumed == .init(published: "up", subscribed: "down"))
        try await eventually("the offer that waited comes") {
            await speakers.offerAgain("down")
            return page.offers.last == "v=0 again"
        }
        #expect(await speakers.receivers("e") == ["ada", TrackAudience.viewersName])
        try await speakers.leave("whip", ben)
        #expect(await speakers.participants("e").map(\.id) == ["ada"])
        #expect(!sfu.room.contains(.closeRooms))
        for worker in others + [sfu] { worker.leave() }
        try fixture.end()
    }

    @Test("what nobody has written of, or is somebody's who may not be here, ends")
    func refused() async throws {
        let fixture = try await ConductorFixture()
        let others = try await fixture.started()
        var stranger = note("sam", word: nil)
        stranger.claims.org = "another"
        var elsewhere = carried("elsewhere", "eve", .publishes, note("eve", word: nil))
        elsewhere.room = "gone"
        let sfu = try await fixture.sfu(
            offers: false,
            carries: [
                carried("blank", "ada", .publishes, nil), elsewhere, carried("strange", "sam", .publishes, stranger),
            ])
        try await eventually("they have ended") {
            Set(sfu.room.compactMap { if case .leave(let session) = $0 { session } else { nil } })
                == ["blank", "elsewhere", "strange"]
        }
        #expect(await fixture.speakers.participants("e").isEmpty)
        for worker in others + [sfu] { worker.leave() }
        try fixture.end()
    }

    @Test("a page that comes before the media server is asked to wait, and not to join anew")
    func early() async throws {
        let fixture = try await ConductorFixture(adoptionMs: 600_000)
        let ada = ConductorFixture.principal("ada")
        func resume() async -> HTTPResponse.Status? {
            await status {
                _ = try await fixture.speakers.resume("word", Self.scope, ada, listener: Page("next"))
            }
        }
        #expect(await resume() == .serviceUnavailable)
        let others = try await fixture.started()
        let sfu = try await fixture.sfu(
            offers: false, carries: [carried("up", "ada", .publishes, note("ada", word: "word"))])
        #expect(await resume() == nil)
        #expect(await resume() == .notFound, "a word is good once")
        for worker in others + [sfu] { worker.leave() }
        try fixture.end()
    }

    @Test(
        "a media server that can't say what it carries ends its rooms, and one that was away from this Studio is not asked"
    )
    func mute() async throws {
        let fixture = try await ConductorFixture()
        let others = try await fixture.started()
        let sfu = try await fixture.worker(.sfu, "sfu-1") { _ in .sfu(.done) }
        try await eventually("it ends them") { sfu.room.contains(.closeRooms) }
        sfu.leave()
        try await eventually("it is away") { fixture.registry.registration("sfu-1") == nil }
        let again = try await fixture.sfu(
            offers: false, carries: [carried("up", "ada", .publishes, note("ada", word: "word"))])
        // A command behind the registration: what was asked before it has been asked.
        _ = try await fixture.speakers.publish(
            Self.scope, ConductorFixture.principal("ben"), session: nil, offer: "v=0", sources: [:])
        #expect(!again.told.contains { if case .sfu(.sessions) = $0 { true } else { false } })
        #expect(await fixture.speakers.participants("e").map(\.id) == ["ben"])
        for worker in others + [again] { worker.leave() }
        try fixture.end()
    }

    @Test("many sessions come page by page")
    func pages() async throws {
        let fixture = try await ConductorFixture()
        let others = try await fixture.started()
        let all = (0..<450).map { number in
            carried("s\(1000 + number)", "p\(1000 + number)", .publishes, note("p\(1000 + number)", word: nil))
        }
        let sfu = try await fixture.worker(.sfu, "sfu-1") { command in
            guard case .sfu(.sessions(let last)) = command else { return .sfu(.done) }
            let following = all.filter { session in last.map { session.id > $0 } ?? true }
            return .sfu(.sessions(Array(following.prefix(SFUSession.pageLimit))))
        }
        try await eventually("all are known") { await fixture.speakers.participants("e").count == 450 }
        for worker in others + [sfu] { worker.leave() }
        try fixture.end()
    }
}
