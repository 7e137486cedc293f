// Joining by WebRTC: WHIP (RFC 9725), participants, and the signalling WebSocket's entrance.

internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import HummingbirdCore
internal import Media
internal import NIOCore
internal import Web

struct SpeakerRoutes: Sendable {
    let speakers: SpeakerRooms
    let credentials: CredentialTables
    let connections: OpenConnections
    let turn: TURNService?
    /// How often somebody may offer to send, by address.
    let offers: RateLimiter
    let nowSeconds: @Sendable () -> Int64

    func add(to book: RouteBook) {
        book.add(.post, "/v1/events/{event}/whip", .permission(.publishMedia), contentType: SDPSessions.description) {
            request, context in
            let event = try context.requireEvent(), caller = try context.requirePrincipal()
            try Self.count(context.network, offers)
            let offer = try await SDPSessions.text(request)
            let (session, answer) = try await speakers.publish(event, caller, session: nil, offer: offer, sources: [:])
            return SDPSessions.created(
                answer, location: "/v1/events/\(event.id)/whip/\(session)",
                entityTag: try await speakers.entityTag(of: session, caller),
                relays: turn?.credentials(for: caller, .takingPart, nowSeconds: nowSeconds()).links ?? [])
        }
        book.add(
            .patch, "/v1/events/{event}/whip/{session}", .permission(.publishMedia),
            contentType: SDPSessions.fragment
        ) { request, context in
            let generation = try ICEGeneration(request), fragment = try await SDPSessions.text(request)
            return SDPSessions.patched(
                try await speakers.take(
                    fragment: fragment, for: generation, try context.requireEvent(),
                    try context.pathParameter("session"), try context.requirePrincipal()))
        }
        book.add(.delete, "/v1/events/{event}/whip/{session}", .permission(.publishMedia), contentType: nil) {
            _, context in
            try await speakers.leave(
                try context.pathParameter("session"), try context.requirePrincipal(), forGood: true)
            return .empty(.ok)
        }
        book.add(.get, "/v1/events/{event}/ice-servers", .permission(.watchProgram)) { _, context in
            let caller = try context.requirePrincipal(), event = try context.requireEvent()
            let mayTakePart = (try? Authorization.check(.publishMedia, caller, in: event)) != nil
            // An ICE-lite server finds its peers by their checks, so nobody needs to ask for their own address (STUN).
            let servers =
                turn?.credentials(for: caller, mayTakePart ? .takingPart : .watching, nowSeconds: nowSeconds())
                ?? TURNService.Credentials(
                    iceServers: [],
                    expiresAt: JSON.timestamp(milliseconds: (nowSeconds() + TURNService.lifetimeSeconds) * 1000))
            return try .json(servers)
        }
        book.add(.get, "/v1/events/{event}/rtc", .permission(.publishMedia)) { _, _ in
            throw Problem(.upgradeRequired, "upgrade-required", "Only a WebSocket is served here")
        }
        book.add(.delete, "/v1/events/{event}/participants/{participant}", .permission(.controlProgram)) { _, context in
            let event = try context.requireEvent()
            let who = try await speakers.principal(of: try context.pathParameter("participant"), event: event.id)
            // Revoked before anything is ended, so that nobody slips in again meanwhile.
            try await credentials.revoke(jti: who.claims.jti, org: event.org, expiresAt: who.claims.exp)
            connections.close(jti: who.claims.jti)
            await speakers.end(jti: who.claims.jti)
            return .empty()
        }
    }

    /// Whether somebody is told of participants whom others do not see.
    static func seesHidden(_ caller: Principal) -> Bool { caller.role == .admin || caller.role == .producer }

    /// Counts an offer to send before anything of it is read.
    ///
    /// - Throws: `Problem` 429 when too many have come from an address.
    static func count(_ network: String, _ offers: RateLimiter) throws(Problem) {
        if let wait = offers.take(network, now: SystemClock.monotonic()) {
            throw .tooMany("Too many offers have come from your address.", retryAfterMs: wait)
        }
    }

    /// The entrance of the pages' signalling.
    static func socket(
        speakers: SpeakerRooms, connections: OpenConnections, tickets: TicketOffice, authenticator: Authenticator,
        events: EventStore, offers: RateLimiter, rotateMs: Int64?, nowSeconds: @escaping @Sendable () -> Int64
    ) -> WebSocketRoute {
        WebSocketRoute("/v1/events/{event}/rtc") { request in
            guard let ticket = request.query["ticket"] else { throw Problem.unauthorized("A ticket is needed.") }
            let caller = try tickets.redeem(ticket, nowSeconds: nowSeconds())
            try await authenticator.refuseRevoked(caller.claims)
            guard let event = try await events.event(request.parameters["event"] ?? ""), event.org == caller.org else {
                throw Problem.notFound("There is no such event.")
            }
            try Authorization.check(.publishMedia, caller, in: event)
            let network = NetworkAddress.network(of: request.remoteAddress)
            return SpeakerSocket(
                speakers: speakers, event: event, caller: caller,
                browser: Browser(userAgent: request.headers[.userAgent] ?? ""), connections: connections,
                lifetimeSeconds: max(0, caller.claims.exp - nowSeconds()), rotateMs: rotateMs,
                countOffer: { () throws(Problem) in try count(network, offers) }
            ) { try await authenticator.refuseRevoked(caller.claims) }
        }
    }
}
