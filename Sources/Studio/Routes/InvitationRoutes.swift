// Invitations, sessions and tickets: how people get in.

internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import HummingbirdCore
internal import Media
internal import Web

struct InvitationRoutes: Sendable {
    /// The cookie by which a device is known again, so that a single-use link survives a reload.
    static let deviceCookie = "__Host-proscenium-device"
    static let lifetimeSeconds: Int64 = 30 * 86_400
    static let bodyLimitBytes = 16 * 1024

    let invitations: InvitationStore
    let credentials: CredentialTables
    let authenticator: Authenticator
    let tickets: TicketOffice
    let connections: OpenConnections
    let speakers: SpeakerRooms
    let origins: Origins
    let attempts: RateLimiter
    let ticketRate: RateLimiter
    let nowSeconds: @Sendable () -> Int64

    struct Creation: Decodable {
        let role: Role, name: String?, can: [String]?, expiresAt: Date?, maxUses: Int?
    }

    struct Created: Encodable {
        let id: String, token: String, url: String
    }

    struct Acceptance: Decodable {
        let name: String?
    }

    struct Accepted: Encodable {
        let token: String, role: Role, name: String?, event: String?, expiresAt: Date
    }

    struct SessionRequest: Decodable {
        let token: String?, invitation: String?, name: String?
    }

    struct SessionView: Encodable {
        let id: String, role: Role, name: String?, event: String?, can: [String], expiresAt: Date

        init(_ claims: TokenClaims) {
            (id, role, name, event, can) = (claims.sub, claims.role, claims.name, claims.event, claims.can)
            expiresAt = Date(timeIntervalSince1970: Double(claims.exp))
        }
    }

    struct TicketView: Encodable {
        let ticket: String, expiresAt: Date
    }

    func add(to book: RouteBook) {
        book.add(.post, "/v1/events/{event}/invitations", .permission(.changeEvents)) { request, context in
            try await create(request, context)
        }
        book.add(.delete, "/v1/events/{event}/invitations/{invitation}", .permission(.changeEvents)) { _, context in
            let id = try context.pathParameter("invitation"), event = try context.requireEvent()
            let (jtis, end) = try await invitations.revoke(id, event: event.id)
            for jti in jtis {
                try await credentials.revoke(jti: jti, org: event.org, expiresAt: end)
                connections.close(jti: jti)
                await speakers.end(jti: jti)
            }
            return .empty()
        }
        book.add(.post, "/v1/invitations/{token}/accept", .open) { request, context in
            try limit(context)
            let body = try await request.json(Acceptance.self, context, upTo: Self.bodyLimitBytes)
            let (claims, device) = try await consume(
                try context.pathParameter("token"), name: body.name, request, context)
            let accepted = Accepted(
                token: try await authenticator.keys.sign(claims), role: claims.role, name: claims.name,
                event: claims.event, expiresAt: Date(timeIntervalSince1970: Double(claims.exp)))
            return try .json(accepted, status: .created, headers: [.setCookie: deviceHeader(device)])
        }
        book.add(.post, "/v1/sessions", .open) { request, context in try await openSession(request, context) }
        book.add(.get, "/v1/sessions", .signedIn) { _, context in
            try .json(SessionView(try context.requirePrincipal().claims))
        }
        book.add(.delete, "/v1/sessions", .signedIn) { request, _ in
            if let value = Authenticator.cookie(Authenticator.cookieName, in: request.headers) {
                try await credentials.close(cookie: value)
            }
            let cookie = "\(Authenticator.cookieName)=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0"
            return Response(status: .noContent, headers: [.setCookie: cookie])
        }
        book.add(.post, "/v1/tickets", .signedIn) { request, context in
            struct Empty: Decodable {
                let event: String?
            }
            let principal = try context.requirePrincipal()
            if let wait = ticketRate.take(principal.id, now: SystemClock.monotonic()) {
                throw Problem.tooMany("Too many tickets.", retryAfterMs: wait)
            }
            let body = try await request.json(Empty.self, context)
            if let event = body.event, let own = principal.event, own != event {
                throw Problem.forbidden("The token is for another event.")
            }
            let (ticket, end) = try tickets.issue(to: principal, nowSeconds: nowSeconds())
            let view = TicketView(ticket: ticket, expiresAt: Date(timeIntervalSince1970: Double(end)))
            return try .json(view, status: .created)
        }
    }

    private func create(_ request: Request, _ context: WebContext) async throws -> Response {
        let event = try context.requireEvent(), caller = try context.requirePrincipal()
        let body = try await request.json(Creation.self, context)
        guard body.role != .admin, body.role != .producer || caller.role == .admin else {
            throw Problem.forbidden("An invitation gives no more than its maker has.")
        }
        let now = nowSeconds()
        let end = body.expiresAt.map { Int64($0.timeIntervalSince1970) } ?? now + Self.lifetimeSeconds
        guard end > now, end <= now + 366 * 86_400 else {
            throw Problem.invalid("expiresAt lies within the next year.", pointer: "/expiresAt")
        }
        let maxUses = body.maxUses ?? (body.role == .attendee || body.role == .viewer ? 100_000 : 1)
        guard (1...1_000_000).contains(maxUses) else {
            throw Problem.invalid("maxUses is 1 to 1000000.", pointer: "/maxUses")
        }
        try Self.check(name: body.name)
        let can = body.can ?? (body.role == .viewer ? ["watch"] : [])
        guard can.allSatisfy({ ["slides", "watch", "hidden"].contains($0) || SpeakerRooms.sendingWords[$0] != nil })
        else {
            throw Problem.invalid("can holds slides, watch, hidden, camera, microphone or screen.", pointer: "/can")
        }
        let token = RandomToken.secret()
        let invitation = Invitation(
            id: RandomToken.id(), org: event.org, event: event.id, role: body.role, name: body.name, can: can,
            expiresAt: end, maxUses: maxUses)
        try await invitations.create(invitation, token: token)
        let base = origins.base(of: request)
        let url =
            switch body.role {
            case .speaker: "\(base)/join/\(token)"
            case .moderator: "\(base)/moderate/\(event.id)#\(token)"
            case .producer, .admin: "\(base)/produce/\(event.id)#\(token)"
            case .attendee, .viewer, .captioner: "\(base)/watch/\(event.id)#\(token)"
            }
        return try .json(Created(id: invitation.id, token: token, url: url), status: .created)
    }

    private func consume(
        _ token: String, name: String?, _ request: Request, _ context: WebContext
    ) async throws -> (TokenClaims, device: String) {
        try Self.check(name: name)
        let known = Authenticator.cookie(Self.deviceCookie, in: request.headers)
        let device = known.flatMap { $0.utf8.count == 32 ? $0 : nil } ?? RandomToken.secret()
        let claims = try await invitations.consume(token: token, device: device, name: name, nowSeconds: nowSeconds())
        return (claims, device)
    }

    private func openSession(_ request: Request, _ context: WebContext) async throws -> Response {
        try limit(context)
        let body = try await request.json(SessionRequest.self, context, upTo: Self.bodyLimitBytes)
        if let origin = request.headers[.origin], !origins.all.contains(origin) {
            throw Problem.forbidden("This Origin may not open sessions here.")
        }
        var headers = HTTPFields()
        let claims: TokenClaims
        switch (body.token, body.invitation) {
        case (let token?, nil):
            claims = try await authenticator.verify(token)
        case (nil, let invitation?):
            let (accepted, device) = try await consume(invitation, name: body.name, request, context)
            claims = accepted
            headers.append(HTTPField(name: .setCookie, value: deviceHeader(device)))
        default: throw Problem.invalid("Send either token or invitation.")
        }
        let value = try await credentials.open(claims)
        let age = max(0, claims.exp - nowSeconds())
        let cookie = "\(Authenticator.cookieName)=\(value); Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=\(age)"
        headers.append(HTTPField(name: .setCookie, value: cookie))
        return try .json(SessionView(claims), status: .created, headers: headers)
    }

    /// Counts an attempt of somebody who is not known yet, before anything is read.
    private func limit(_ context: WebContext) throws(Problem) {
        if let wait = attempts.take(context.network, now: SystemClock.monotonic()) {
            throw .tooMany("Too many attempts.", retryAfterMs: wait)
        }
    }

    private func deviceHeader(_ device: String) -> String {
        "\(Self.deviceCookie)=\(device); Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=31536000"
    }

    private static func check(name: String?) throws(Problem) {
        if let name { try PersonText.check(name, "A name", least: 1, pointer: "/name") }
    }
}
