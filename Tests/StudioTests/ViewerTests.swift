// WHEP in Studio: who may watch, how many, and when it ends.

import Control
import Foundation
import HTTPTypes
import HummingbirdTesting
import NIOCore
import Testing
import Web

@testable import Studio

@Suite("Viewers by WHEP")
struct ViewerTests {
    private func viewer(_ id: String, address: String = "192.0.2.1", exp: Int64 = 4_000_000_000) -> Viewer {
        let claims = TokenClaims(
            sub: id, name: nil, org: "o", event: "e", role: .attendee, can: [], exp: exp, jti: "j-\(id)")
        return Viewer(principal: Principal(claims: claims, source: .bearer), address: address)
    }

    private func status(_ work: () async throws -> Void) async -> HTTPResponse.Status? {
        do {
            try await work()
            return nil
        } catch {
            return (error as? Problem)?.status
        }
    }

    /// A running event with a media server and a compositor in its room.
    private func running() async throws -> (ConductorFixture, FakeWorker, FakeWorker, [FakeWorker]) {
        let fixture = try await ConductorFixture()
        let others = try await fixture.started()
        let sfu = try await fixture.worker(.sfu, "sfu-1") { command in
            guard case .sfu(let command) = command else { return .failed("not for an SFU") }
            switch command {
            case .subscribe: return .sfu(.offer(nil))
            case .publish, .watch: return .sfu(.answer("v=0"))
            default: return .sfu(.done)
            }
        }
        try await eventually("the media server is there") { fixture.registry.registration("sfu-1") != nil }
        let compositor = try await fixture.compositor("e")
        try await eventually("it is in the room") { await fixture.speakers.makesProgram("e") }
        return (fixture, sfu, compositor, others)
    }

    private func left(_ sfu: FakeWorker) -> [String] {
        sfu.room.compactMap { if case .leave(let session) = $0 { session } else { nil } }
    }

    @Test("the compositor makes the sound for viewers as long as there is one, and its picture goes back then")
    func sound() async throws {
        let (fixture, sfu, compositor, others) = try await running()
        let limits = ViewerLimits(), scope = ConductorFixture.scope
        #expect(compositor.returns.isEmpty)
        let first = try await fixture.speakers.view(
            scope, viewer("ann"), of: .program, offer: "v=0", limits: limits
        ).session
        try await eventually("the program comes") {
            compositor.returns.last?.listeners == [TrackAudience.viewersName]
        }
        let second = try await fixture.speakers.view(
            scope, viewer("ben"), of: .program, offer: "v=0", limits: limits
        ).session
        #expect(await fixture.speakers.participants("e").isEmpty, "they stand in no list")
        try await fixture.speakers.leave(first, viewer("ann").principal)
        #expect(!compositor.program.contains(.endReturnFeed))
        try await fixture.speakers.stopViewing(scope, second, viewer("ben").principal)
        try await eventually("nobody watches") { compositor.program.contains(.endReturnFeed) }
        #expect(left(sfu).contains(first) && left(sfu).contains(second))
        #expect(compositor.returns.count == 1, "one feed for both")
        for worker in others + [sfu, compositor] { worker.leave() }
        try fixture.end()
    }

    @Test("sessions end with the event, with their token, and with its time")
    func ends() async throws {
        let (fixture, sfu, compositor, others) = try await running()
        let limits = ViewerLimits(), scope = ConductorFixture.scope, speakers = fixture.speakers
        func view(_ viewer: Viewer) async throws -> String {
            try await speakers.view(scope, viewer, of: .program, offer: "v=0", limits: limits).session
        }
        let kicked = try await view(viewer("ann")), late = try await view(viewer("ben", exp: 100))
        let stays = try await view(viewer("cleo"))
        await speakers.end(jti: "j-ann")
        await speakers.endExpired(nowSeconds: 100)
        #expect(Set(left(sfu)) == [kicked, late])
        #expect(await status { try await speakers.leave(kicked, viewer("ann").principal) } == .notFound)
        #expect(
            await status { try await speakers.stopViewing(scope, stays, viewer("ann").principal) } == .notFound,
            "somebody else's")
        _ = try await fixture.conductor.stop("e")
        try await eventually("the event is over") { left(sfu).contains(stays) }
        try await eventually("nothing is made") { await !speakers.makesProgram("e") }
        #expect(
            await status {
                _ = try await speakers.view(scope, viewer("dan"), of: .program, offer: "v=0", limits: limits)
            } == .conflict)
        for worker in others + [sfu, compositor] { worker.leave() }
        try fixture.end()
    }

    @Test("are limited by event and by address, and a refused offer takes no place")
    func limits() async throws {
        let (fixture, sfu, compositor, others) = try await running()
        let limits = ViewerLimits(perEvent: 3, perAddress: 2), scope = ConductorFixture.scope
        func view(_ viewer: Viewer) async throws -> String {
            try await fixture.speakers.view(scope, viewer, of: .program, offer: "v=0", limits: limits).session
        }
        let first = try await view(viewer("ann"))
        _ = try await view(viewer("ben"))
        #expect(await status { _ = try await view(viewer("cleo")) } == .tooManyRequests)
        _ = try await view(viewer("cleo", address: "192.0.2.2"))
        #expect(await status { _ = try await view(viewer("dan", address: "192.0.2.3")) } == .serviceUnavailable)
        try await fixture.speakers.leave(first, viewer("ann").principal)
        _ = try await view(viewer("dan", address: "192.0.2.3"))
        #expect(
            await status {
                _ = try await fixture.speakers.view(
                    scope, viewer("eve"), of: .participant("nobody"), offer: "v=0", limits: ViewerLimits())
            } == .notFound)
        for worker in others + [sfu, compositor] { worker.leave() }
        try fixture.end()
    }

    @Test("nobody has more than their share of the places")
    func share() async throws {
        let (fixture, sfu, compositor, others) = try await running()
        let limits = ViewerLimits(perEvent: 9, perAddress: 9, perPerson: 2)
        func view(_ viewer: Viewer) async throws {
            _ = try await fixture.speakers.view(
                ConductorFixture.scope, viewer, of: .program, offer: "v=0", limits: limits)
        }
        try await view(viewer("ann"))
        try await view(viewer("ann", address: "192.0.2.2"))
        #expect(await status { try await view(viewer("ann", address: "192.0.2.3")) } == .tooManyRequests)
        try await view(viewer("ben"))
        for worker in others + [sfu, compositor] { worker.leave() }
        try fixture.end()
    }

    @Test("who may watch by HLS may watch so, and a participant only who may see the back stage")
    func roles() async throws {
        try await withEvent { client, admin, fixture in
            try await fixture.startProgram("e")
            func post(_ path: String, _ token: String?, cookie: Bool = false) async throws -> TestResponse {
                var headers: HTTPFields = [.contentType: "application/sdp"]
                if let token { headers[.authorization] = "Bearer \(token)" }
                return try await client.execute(
                    uri: "/v1/events/e/\(path)", method: .post, headers: headers, body: ByteBuffer(string: "v=0"))
            }
            for role in [Role.attendee, .viewer, .speaker, .captioner, .moderator, .producer] {
                let token = try await fixture.token(role, event: "e")
                let answer = try await post("whep", token)
                #expect(answer.status == .conflict && answer.headers[.retryAfter] == "2", "\(role): nothing runs here")
            }
            let guest = try await fixture.token(.viewer, event: "e", can: [])
            #expect(try await post("whep", guest).status == .forbidden, "the link says nothing of watching")
            #expect(try await post("whep", try await fixture.token(.attendee, event: "f")).status == .forbidden)
            #expect(try await post("whep", nil).status == .unauthorized)
            let attendee = try await fixture.token(.attendee, event: "e")
            #expect(try await post("whep?source=ada", attendee).status == .forbidden)
            #expect(try await post("whep?source=program", attendee).status == .conflict)
            let speaker = try await fixture.token(.speaker, event: "e")
            await fixture.join("e", "ada", name: "Ada")
            #expect(try await post("whep?source=bob", speaker).status == .notFound)
            let relays = try await client.call(.get, "/v1/events/e/ice-servers", attendee)
            #expect(relays.status == .ok, "who may watch may be relayed")
        }
    }
}
