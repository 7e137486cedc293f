// Whom a producer keeps silent in the room: held back at the media server, until a producer lets them.

import Control
import Foundation
import HTTPTypes
import HummingbirdTesting
import Logging
import Media
import Synchronization
import Testing
import Web

@testable import Studio

/// Notes who is told to be silent.
private final class Page: RoomListener {
    private let state = Mutex([String: Bool]())

    var silent: Set<String> { Set(state.withLock { $0 }.filter(\.value).keys) }

    private func note(_ people: [SpeakerView]) {
        state.withLock { state in for person in people { state[person.id] = person.mutedInRoom == true } }
    }

    func participantsChanged(_ participants: [SpeakerView]) { note(participants) }
    func participantsChanged(_ change: RosterChange) { note(change.participants) }
    func offered(_ offer: String) {}
    func mustRejoin(_ reason: String) {}
}

@Suite("A producer's mute in the room")
struct SilencingTests {
    private static let scope = ConductorFixture.scope, ada = ConductorFixture.principal("ada")

    private func track(_ source: TrackSource, of session: String, isMuted: Bool = false) -> TrackInfo {
        TrackInfo(
            id: "\(source.rawValue).\(session).0", participant: "ada", session: session, source: source,
            codec: source.isVideo ? .vp8 : .opus, isMuted: isMuted)
    }

    /// What the media server was told of tracks, in order.
    private func told(_ sfu: FakeWorker) -> [String] {
        sfu.room.compactMap { command in
            if case .setMuted(let track, let isMuted) = command { "\(track) \(isMuted)" } else { nil }
        }
    }

    /// Ada publishes, and her tracks are there.
    private func publish(
        _ fixture: ConductorFixture, _ sfu: FakeWorker, _ sources: [TrackSource]
    ) async throws -> String {
        let session = try await fixture.speakers.publish(
            Self.scope, Self.ada, session: nil, offer: "v=0", sources: [:]
        ).session
        for source in sources {
            sfu.report(.sfu(.published(room: "e", track: track(source, of: session))))
        }
        try await eventually("the tracks are there") {
            await fixture.speakers.participants("e").first?.tracks.count == sources.count
        }
        return session
    }

    private func refusal(_ work: () async throws -> Void) async -> Problem? {
        do {
            try await work()
            return nil
        } catch {
            return error as? Problem
        }
    }

    @Test("holds sound back and no picture, refuses their own unmute, and ends with what they had muted themselves")
    func holds() async throws {
        let fixture = try await ConductorFixture(), speakers = fixture.speakers, page = Page()
        let others = try await fixture.started(), sfu = try await fixture.sfu(offers: false)
        await speakers.listen("e", page)
        let session = try await publish(fixture, sfu, [.microphone, .camera, .screenAudio])
        let microphone = "microphone.\(session).0", sound = "screenAudio.\(session).0"
        try await speakers.setMuted(Self.scope, Self.ada, .screenAudio, true)
        #expect(told(sfu) == ["\(sound) true"])
        try await speakers.setSilenced("ada", "e", true)
        #expect(Set(told(sfu).dropFirst()) == ["\(microphone) true", "\(sound) true"])
        try await eventually("everybody is told, she as well") { page.silent == ["ada"] }
        let refused = await refusal { try await speakers.setMuted(Self.scope, Self.ada, .microphone, false) }
        #expect(refused?.status == .conflict && refused?.type == "muted-by-producer")
        try await speakers.setMuted(Self.scope, Self.ada, .camera, true)
        try await speakers.setMuted(Self.scope, Self.ada, .camera, false)
        let before = told(sfu).count
        #expect(before == 5, "her picture is hers: \(told(sfu))")
        try await speakers.setSilenced("ada", "e", false)
        #expect(
            Set(told(sfu).dropFirst(before)) == ["\(microphone) false", "\(sound) true"],
            "what she has muted stays so")
        try await eventually("everybody is told") { page.silent.isEmpty }
        try await speakers.setMuted(Self.scope, Self.ada, .screenAudio, false)
        #expect(told(sfu).last == "\(sound) false")
        for worker in others + [sfu] { worker.leave() }
        try fixture.end()
    }

    @Test("holds for what is published anew and for who comes again, and for nobody else")
    func holdsOn() async throws {
        let fixture = try await ConductorFixture(), speakers = fixture.speakers
        let others = try await fixture.started(), sfu = try await fixture.sfu(offers: false)
        let first = try await publish(fixture, sfu, [.camera])
        try await speakers.setSilenced("ada", "e", true)
        #expect(told(sfu).isEmpty)
        sfu.report(.sfu(.published(room: "e", track: track(.microphone, of: first))))
        try await eventually("what comes later is held") { told(sfu) == ["microphone.\(first).0 true"] }
        try await speakers.leave(first, Self.ada, forGood: true)
        let second = try await publish(fixture, sfu, [.camera, .microphone])
        try await eventually("and what comes again") { told(sfu).last == "microphone.\(second).0 true" }
        let ben = try await speakers.publish(
            Self.scope, ConductorFixture.principal("ben"), session: nil, offer: "v=0", sources: [:]
        ).session
        var his = track(.microphone, of: ben)
        his.participant = "ben"
        sfu.report(.sfu(.published(room: "e", track: his)))
        try await eventually("he is there") { await speakers.participants("e").last?.tracks.count == 1 }
        #expect(told(sfu).count == 2, "\(told(sfu))")
        #expect(await speakers.participants("e").map(\.mutedInRoom) == [true, nil])
        for worker in others + [sfu] { worker.leave() }
        try fixture.end()
    }

    @Test("by one producer while another one lets them speak: the last word holds, in the room and for the next Studio")
    func together() async throws {
        let fixture = try await ConductorFixture(), others = try await fixture.started()
        let (releases, release) = AsyncStream<Void>.makeStream(), isFirst = Mutex(true)
        let sfu = try await fixture.worker(.sfu, "sfu-1") { command in
            switch command {
            case .sfu(.publish): return .sfu(.answer("v=0"))
            case .sfu(.subscribe): return .sfu(.offer(nil))
            case .sfu(.sessions): return .sfu(.sessions([]))
            case .sfu(.setMuted):
                let waits = isFirst.withLock { first in
                    defer { first = false }
                    return first
                }
                if waits { for await _ in releases { break } }
                return .sfu(.done)
            default: return .sfu(.done)
            }
        }
        try await eventually("it is there") { await fixture.speakers.adoptsUntil == nil }
        _ = try await publish(fixture, sfu, [.microphone, .screenAudio])
        let routes = StageRoutes(
            programs: fixture.programs, speakers: fixture.speakers, control: FakeProgram())
        @Sendable func say(_ isMuted: Bool) async throws {
            let change = StageRoutes.Change(name: nil, title: nil, volume: nil, muted: nil, mutedInRoom: isMuted)
            _ = try await routes.apply(change, to: "ada", event: "e")
        }
        let silencing = Task { try await say(true) }
        try await eventually("the media server is told") { told(sfu).count == 1 }
        let letting = Task { try await say(false) }
        try await eventually("the second waits") { routes.turns.waiting("e ada") == 1 }
        release.yield()
        try await silencing.value
        try await letting.value
        #expect(told(sfu).count == 4 && told(sfu).suffix(2).allSatisfy { $0.hasSuffix("false") }, "\(told(sfu))")
        #expect(try await fixture.programs.silenced().isEmpty)
        #expect(await fixture.speakers.participants("e").map(\.mutedInRoom) == [nil])
        for worker in others + [sfu] { worker.leave() }
        try fixture.end()
    }

    @Test("is said by a producer alone, stands in the list, and is known to the next Studio")
    func kept() async throws {
        try await withEvent { client, admin, fixture in
            await fixture.join("e", "ada", name: "Ada")
            let path = "/v1/events/e/participants"
            func listed() async throws -> [String: Any] {
                let items = try await client.call(.get, path, admin).object["items"] as? [[String: Any]]
                return items?.first ?? [:]
            }
            #expect(try await listed()["mutedInRoom"] as? Bool == false)
            let speaker = try await fixture.token(.speaker, event: "e")
            let refused = try await client.call(.patch, "\(path)/ada", speaker, #"{"mutedInRoom":true}"#)
            #expect(refused.status == .forbidden)
            let muted = try await client.call(.patch, "\(path)/ada", admin, #"{"mutedInRoom":true}"#)
            #expect(muted.status == .ok && muted.object["mutedInRoom"] as? Bool == true)
            #expect(muted.object["muted"] as? Bool == false, "the mix is another thing")
            #expect(await fixture.studio.speakers.isSilenced("ada", "e"))
            // Something else that is said of her does not let her speak.
            _ = try await client.call(.patch, "\(path)/ada", admin, #"{"title":"Host"}"#)
            #expect(try await listed()["mutedInRoom"] as? Bool == true)
            #expect(try await fixture.studio.programs.settings(of: "e")["ada"]?.isMutedInRoom == true)
            #expect(try await fixture.studio.programs.silenced() == ["e": ["ada"]])
            _ = try await client.call(.patch, "\(path)/ada", admin, #"{"mutedInRoom":false}"#)
            #expect(try await fixture.studio.programs.silenced().isEmpty)
            #expect(await !fixture.studio.speakers.isSilenced("ada", "e"))
        }
    }

    @Test("goes on behind a restart of Studio, and does not count as her own word")
    func adopted() async throws {
        let fixture = try await ConductorFixture(), session = "old"
        await fixture.speakers.restore(silenced: ["e": ["ada"]])
        let note = SessionNote(claims: Self.ada.claims, word: nil, entityTag: "\"t\"")
        let others = try await fixture.started()
        let sfu = try await fixture.sfu(
            offers: false,
            carries: [
                SFUSession(
                    room: "e", id: session, participant: "ada", direction: .publishes, isConnected: true,
                    hasFloor: false,
                    tracks: [track(.microphone, of: session, isMuted: true), track(.screenAudio, of: session)],
                    note: note.text)
            ])
        try await eventually("she is here, and silent") { told(sfu) == ["screenAudio.\(session).0 true"] }
        try await fixture.speakers.setSilenced("ada", "e", false)
        #expect(
            Set(told(sfu).dropFirst()) == ["microphone.\(session).0 false", "screenAudio.\(session).0 false"])
        for worker in others + [sfu] { worker.leave() }
        try fixture.end()
    }
}
