import HTTPTypes
import Hummingbird
import HummingbirdTesting
import NIOCore
import Testing
import Web

@testable import Studio

@Suite("Every route asks for what the table says")
struct RoleWalkTests {
    private static func path(_ entry: RouteEntry, event: String) -> String {
        entry.path.split(separator: "/").map { part in
            part == "{event}" ? event : part.hasPrefix("{") ? "x1" + part.drop { $0 != "}" }.dropFirst() : String(part)
        }.reduce("") { $0 + "/" + $1 }
    }

    private static func isAllowed(_ entry: RouteEntry, _ role: Role) -> Bool {
        switch entry.access {
        case .open: true
        case .signedIn:
            // The list of events is for those who may read them.
            entry.path != "/v1/events" || RoleTable.grant(.readEvents, role) != .no
        case .permission(let permission):
            switch RoleTable.grant(permission, role) {
            case .no: false
            case .yes, .byPolicy: true
            // What belongs to the organisation is not inside anybody's own event.
            case .ownEvent: entry.path.contains("{event}")
            case .asLinkSays: true
            case .ifCan: false
            }
        }
    }

    @Test("for every role, for strangers and for other events")
    func walk() async throws {
        let fixture = try await StudioFixture()
        let routes = fixture.studio.routes
        #expect(routes.count > 25)
        try await fixture.run { client in
            let admin = try await fixture.token(.admin, event: nil)
            for id in ["mine", "other"] {
                let made = try await client.call(.post, "/v1/events", admin, #"{"id":"\#(id)","title":"T"}"#)
                #expect(made.status == .created)
            }
            // Deleting comes last, so that the event is there for the rest.
            for entry in routes.sorted(by: { ($0.method == .delete ? 1 : 0) < ($1.method == .delete ? 1 : 0) }) {
                let label = "\(entry.method) \(entry.path)"
                let mine = Self.path(entry, event: "mine"), other = Self.path(entry, event: "other")
                // A body that no route takes: who is let in gets 4xx for it, never 401 or 403.
                let body = entry.method == .get || entry.method == .delete ? nil : #"{"no-such-key":1}"#
                if entry.access != .open {
                    let stranger = try await client.call(entry.method, mine, nil, body)
                    #expect(stranger.status == .unauthorized, "\(label) without a token")
                    #expect(stranger.headers[.contentType] == "application/problem+json", "\(label)")
                }
                // A live channel answers without an end; its permission is walked in the interactivity tests.
                if entry.path.hasSuffix("/live") { continue }
                for role in Role.allCases {
                    let token = try await fixture.token(role, event: role == .admin ? nil : "mine")
                    if entry.method == .delete, entry.path == "/v1/events/{event}", Self.isAllowed(entry, role) {
                        continue
                    }
                    let response = try await client.call(entry.method, mine, token, body)
                    let isLetIn = response.status != .forbidden && response.status != .unauthorized
                    #expect(isLetIn == Self.isAllowed(entry, role), "\(label) as \(role): \(response.status)")
                    if entry.path.contains("{event}"), entry.access != .open, entry.access != .signedIn, role != .admin
                    {
                        let beyond = try await client.call(entry.method, other, token, body)
                        #expect(beyond.status == .forbidden, "\(label) as \(role) of another event: \(beyond.status)")
                    }
                    let foreign = try await fixture.token(role, event: "mine", org: "elsewhere")
                    if entry.path.contains("{event}"), entry.access != .open {
                        let far = try await client.call(entry.method, mine, foreign, body)
                        #expect(far.status == .notFound, "\(label) as \(role) of another organisation: \(far.status)")
                    }
                }
            }
        }
    }
}
