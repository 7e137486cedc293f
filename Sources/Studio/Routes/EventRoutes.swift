// /v1/events: create, list, read, change, delete, start and stop.

internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import HummingbirdCore
internal import Interactivity
internal import Web

struct EventRoutes: Sendable {
    let events: EventStore
    let conductor: EventConductor
    let speakers: SpeakerRooms
    let connections: OpenConnections
    let interactivity: InteractivityService
    let files: MediaFiles
    let nowMs: @Sendable () -> Int64

    struct Creation: Decodable {
        let id: String?, title: String, startsAt: Date?, settings: EventSettings?
    }

    struct Change: Decodable {
        let title: String?, startsAt: Date?, settings: EventSettings?
    }

    func add(to book: RouteBook) {
        book.add(.post, "/v1/events", .permission(.changeEvents)) { request, context in
            let principal = try context.requirePrincipal()
            let body = try await request.json(Creation.self, context)
            let id = body.id ?? RandomToken.id()
            try Slug.check(id, pointer: "/id")
            try Self.check(title: body.title)
            let event = EventRecord(
                id: id, org: principal.org, title: body.title, startsAt: body.startsAt,
                settings: body.settings ?? EventSettings(), state: .idle, version: 1)
            try await events.create(event, nowMs: nowMs())
            return try .json(
                event.view, status: .created, headers: [.location: "/v1/events/\(id)", .eTag: event.etag])
        }
        book.add(.get, "/v1/events", .signedIn) { request, context in
            let principal = try context.requirePrincipal()
            guard RoleTable.grant(.readEvents, principal.role) != .no else {
                throw Problem.forbidden("The role \(principal.role.rawValue) may not do this.")
            }
            let (limit, after) = try request.paging()
            let list = try await events.list(org: principal.org, only: principal.event, after: after, limit: limit + 1)
            return try .json(
                Page(items: list.prefix(limit).map(\.view), next: list.count > limit ? list[limit - 1].id : nil))
        }
        book.add(.get, "/v1/events/{event}", .permission(.readEvents)) { _, context in
            let event = try await record(context)
            return try .json(event.view, headers: [.eTag: event.etag])
        }
        book.add(.patch, "/v1/events/{event}", .permission(.changeEvents)) { request, context in
            let body = try await request.json(Change.self, context)
            if let title = body.title { try Self.check(title: title) }
            let changed = try await events.update(try context.requireEvent().id) { event in
                try request.checkIfMatch(event.etag)
                event.title = body.title ?? event.title
                event.startsAt = body.startsAt ?? event.startsAt
                event.settings = body.settings ?? event.settings
            }
            return try .json(changed.view, headers: [.eTag: changed.etag])
        }
        book.add(.delete, "/v1/events/{event}", .permission(.changeEvents)) { _, context in
            let event = try context.requireEvent()
            for jti in try await events.delete(event.id) { connections.close(jti: jti) }
            await speakers.close(event.id)
            await files.removeLater(event: event.id)
            try await interactivity.erase(event: EventKey(org: event.org, event: event.id))
            return .empty()
        }
        book.add(.post, "/v1/events/{event}/start", .permission(.controlProgram)) { _, context in
            let event = try await conductor.start(try context.requireEvent().id)
            return try .json(event.view, status: .accepted, headers: [.eTag: event.etag])
        }
        book.add(.post, "/v1/events/{event}/stop", .permission(.controlProgram)) { _, context in
            let event = try await conductor.stop(try context.requireEvent().id)
            return try .json(event.view, status: .accepted, headers: [.eTag: event.etag])
        }
    }

    private func record(_ context: WebContext) async throws -> EventRecord {
        guard let event = try await events.record(try context.requireEvent().id) else {
            throw Problem.notFound("There is no such event.")
        }
        return event
    }

    private static func check(title: String) throws(Problem) {
        guard (1...200).contains(title.count) else {
            throw .invalid("A title has 1 to 200 characters.", pointer: "/title")
        }
    }
}
