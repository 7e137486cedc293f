// The live channel and reactions over HTTP.

import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdCore
import Synchronization
public import Web

private struct ReactionBody: Decodable {
    let kind: String, count: Int?
}

extension InteractivityService {
    private static let live = "/v1/events/{event}/live"

    func addLiveRoutes(to book: RouteBook) {
        book.add(.post, "/v1/events/{event}/reactions", .permission(.takePart)) { [self] request, context in
            let (room, caller) = try await place(context)
            let body = try await request.json(ReactionBody.self, context)
            return try await asProblems {
                try await react(room, kind: body.kind, count: body.count ?? 1, person: caller.id)
                return .empty(.accepted)
            }
        }
        book.add(.get, Self.live, .permission(.watchProgram)) { [self] request, context in
            let (room, caller) = try await place(context)
            guard request.headers[.accept]?.contains("text/event-stream") == true else {
                throw Problem(
                    .notAcceptable, "not-acceptable", "Not to be had in this form",
                    detail: "Open a WebSocket with a ticket, or ask with Accept: text/event-stream.")
            }
            let given = request.headers[.lastEventID] ?? request.uri.queryParameters.get("resume")
            let (reader, stream) = LiveStream.make(channel: context.channel)
            reader.joined(try await join(room, reader, caller, ResumePositions(parsing: given ?? "")))
            return stream.response()
        }
    }

    /// The WebSocket entrance of the live channel.
    ///
    /// - Parameter admit: redeems the ticket of a request for the named event, or throws a `Problem`.
    public func liveSocket(
        admit: @escaping @Sendable (WebSocketRequest) async throws -> (Principal, EventScope)
    ) -> WebSocketRoute {
        WebSocketRoute(Self.live) { [self] request in
            let (caller, event) = try await admit(request)
            try Authorization.check(.watchProgram, caller, in: event)
            let room = try await asProblems { try await self.room(EventKey(org: event.org, event: event.id)) }
            let resume = ResumePositions(
                parsing: request.query["resume"] ?? request.headers[.lastEventID] ?? "")
            return LiveSocket { socket in try await self.join(room, socket, caller, resume) }
        }
    }

    /// Joins a caller's reader; returns how it leaves.
    private func join(
        _ room: EventRoom, _ reader: any LiveSubscriber, _ caller: Principal, _ resume: ResumePositions
    ) async throws -> @Sendable () -> Void {
        let carrier = Carrier(of: caller), jti = caller.claims.jti, connections = connections
        let expiry = caller.claims.exp.multipliedReportingOverflow(by: 1000)
        let id = try await asProblems {
            try await join(
                room,
                JoinRequest(
                    subscriber: reader, carrier: carrier, resume: resume, reconnectAfterMs: reconnectAfter(room),
                    expiresAtWallMilliseconds: expiry.overflow ? .max : expiry.partialValue))
        }
        let registration = connections.add(jti: jti) { [weak reader] in
            reader?.end(WebSocketCloseCode.unauthorized, "the token was revoked")
        }
        return {
            room.leave(id, carrier)
            connections.remove(jti: jti, id: registration)
        }
    }
}
