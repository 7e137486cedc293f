// RTMPS entrances: made, listed, given another key, removed; a key is shown once.

internal import Control
internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import HummingbirdCore
internal import Web

struct IngestRoutes: Sendable {
    let ingests: IngestStore
    let conductor: EventConductor
    let registry: WorkerRegistry
    let events: EventStore
    let origins: Origins

    struct Creation: Decodable {
        let name: String, kind: IngestEntrance.Kind
    }

    struct View: Encodable {
        let id: String, name: String, kind: IngestEntrance.Kind, isConnected: Bool
        var url: String?
        var key: String?
    }

    func add(to book: RouteBook) {
        book.add(.get, "/v1/events/{event}/ingests", .permission(.changeEvents)) { _, context in
            let event = try context.requireEvent().id
            let connected = await conductor.connected(event)
            let views = try await ingests.list(event: event).map { entrance in
                View(
                    id: entrance.id, name: entrance.name, kind: entrance.kind,
                    isConnected: connected.contains(entrance.id))
            }
            return try .json(Page(items: views, next: nil))
        }
        book.add(.post, "/v1/events/{event}/ingests", .permission(.changeEvents)) { request, context in
            let event = try context.requireEvent()
            let body = try await request.json(Creation.self, context)
            try Slug.check(body.name, pointer: "/name")
            let key = RandomToken.secret()
            let entrance = IngestEntrance(
                id: RandomToken.id(), name: body.name, kind: body.kind, keyHash: RandomToken.hash(key))
            try await ingests.add(entrance, event: event)
            try await conductor.ingestsChanged(event.id)
            return try .json(try await shown(entrance, key, event.id, request), status: .created)
        }
        book.add(.post, "/v1/events/{event}/ingests/{ingest}/rotate", .permission(.changeEvents)) { request, context in
            let event = try context.requireEvent().id, key = RandomToken.secret()
            let entrance = try await ingests.rotate(
                try context.pathParameter("ingest"), event: event, keyHash: RandomToken.hash(key))
            try await conductor.ingestsChanged(event)
            return try .json(try await shown(entrance, key, event, request))
        }
        book.add(.delete, "/v1/events/{event}/ingests/{ingest}", .permission(.changeEvents)) { _, context in
            let event = try context.requireEvent().id
            try await ingests.remove(try context.pathParameter("ingest"), event: event)
            try await conductor.ingestsChanged(event)
            return .empty()
        }
    }

    private func shown(
        _ entrance: IngestEntrance, _ key: String, _ event: String, _ request: Request
    ) async throws -> View {
        let output = try await events.record(event)?.output ?? registry.candidates(.output).first?.id
        let url = output.flatMap { registry.registration($0)?.addresses["rtmps"] }
        return View(
            id: entrance.id, name: entrance.name, kind: entrance.kind, isConnected: false,
            url: url.map { origins.onSameHost($0, as: request) }, key: key)
    }
}
