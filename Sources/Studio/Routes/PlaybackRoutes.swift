// Playback: signed cookies for the attendee's player, and where it finds the program.

import Control
internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import HummingbirdCore
internal import Web

struct PlaybackRoutes: Sendable {
    static let lifetimeSeconds: Int64 = 12 * 3600

    let events: EventStore
    let registry: WorkerRegistry
    let speakers: SpeakerRooms
    let keys: TokenKeys
    let origins: Origins
    let nowSeconds: @Sendable () -> Int64

    struct View: Encodable {
        let hls: String
        /// Where the program can be watched with little delay; nil where it is not made here.
        let whep: String?
        let timeline: String, expiresAt: Date
    }

    func add(to book: RouteBook) {
        book.add(.post, "/v1/events/{event}/playback", .permission(.watchProgram)) { request, context in
            let principal = try context.requirePrincipal()
            guard let event = try await events.record(try context.requireEvent().id) else {
                throw Problem.notFound("There is no such event.")
            }
            guard event.state == .live, let path = event.masterPath, let output = event.output,
                let base = registry.registration(output)?.addresses["hls"]
            else {
                var problem = Problem.conflict("not-live", "The program does not run now.")
                problem.retryAfterMs = 2000
                throw problem
            }
            let end = min(principal.claims.exp, nowSeconds() + Self.lifetimeSeconds)
            var headers = HTTPFields()
            for (name, value) in try PlaybackCookies.make(
                event: event.id, expiresAt: end, key: keys.signingKey, keyID: keys.keyID)
            {
                let cookie = "\(name)=\(value); Path=/hls/\(event.id); Secure; HttpOnly; SameSite=None"
                headers.append(HTTPField(name: .setCookie, value: cookie))
            }
            let root = origins.onSameHost(base, as: request) + "/hls/\(event.id)/"
            let makesProgram = await speakers.makesProgram(event.id)
            return try .json(
                View(
                    hls: root + path,
                    whep: makesProgram ? origins.base(of: request) + "/v1/events/\(event.id)/whep" : nil,
                    timeline: root + "timeline/",
                    expiresAt: Date(timeIntervalSince1970: Double(end))),
                headers: headers)
        }
    }
}
