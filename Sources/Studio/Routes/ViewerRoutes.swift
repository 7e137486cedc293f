// Watching with little delay: WHEP (draft-ietf-wish-whep), for the program and for one participant.

internal import Control
internal import HTTPTypes
internal import Hummingbird
internal import HummingbirdCore
internal import Media
internal import Web

struct ViewerRoutes: Sendable {
    let speakers: SpeakerRooms
    let turn: TURNService?
    let limits: ViewerLimits
    /// How often somebody may begin to watch, by address.
    let attempts: RateLimiter
    let nowSeconds: @Sendable () -> Int64

    func add(to book: RouteBook) {
        book.add(.post, "/v1/events/{event}/whep", .permission(.watchProgram), contentType: SDPSessions.description) {
            request, context in
            let event = try context.requireEvent(), caller = try context.requirePrincipal()
            let source = Self.source(request)
            if case .participant = source { try Authorization.check(.watchParticipant, caller, in: event) }
            if let wait = attempts.take(context.network, now: SystemClock.monotonic()) {
                throw Problem.tooMany("Too many attempts.", retryAfterMs: wait)
            }
            let offer = try await SDPSessions.text(request)
            let viewer = Viewer(principal: caller, address: context.network)
            let (session, answer) = try await speakers.view(event, viewer, of: source, offer: offer, limits: limits)
            return SDPSessions.created(
                answer, location: "/v1/events/\(event.id)/whep/\(session)",
                entityTag: try await speakers.entityTag(of: session, caller),
                relays: turn?.credentials(for: caller, .watching, nowSeconds: nowSeconds()).links ?? [])
        }
        book.add(
            .patch, "/v1/events/{event}/whep/{session}", .permission(.watchProgram), contentType: SDPSessions.fragment
        ) { request, context in
            let generation = try ICEGeneration(request), fragment = try await SDPSessions.text(request)
            let event = try context.requireEvent(), session = try context.pathParameter("session")
            try await speakers.checkViewer(session, event)
            return SDPSessions.patched(
                try await speakers.take(
                    fragment: fragment, for: generation, event, session, try context.requirePrincipal()))
        }
        book.add(.delete, "/v1/events/{event}/whep/{session}", .permission(.watchProgram), contentType: nil) {
            _, context in
            try await speakers.stopViewing(
                try context.requireEvent(), try context.pathParameter("session"), try context.requirePrincipal())
            return .empty(.ok)
        }
    }

    private static func source(_ request: Request) -> WatchedSource {
        guard let named = request.uri.queryParameters.get("source"), named != "program" else { return .program }
        return .participant(named)
    }
}
