// Layouts: the built-in ones, and a producer's own for one event.

internal import Control
internal import HTTPTypes
internal import Hummingbird
internal import HummingbirdCore
internal import Web

struct LayoutRoutes: Sendable {
    let programs: ProgramStore
    let control: any ProgramControl

    func add(to book: RouteBook) {
        book.add(.get, "/v1/layouts", .signedIn) { _, _ in
            try .json(Page(items: programs.builtIn.values.sorted { $0.name < $1.name }, next: nil))
        }
        book.add(.get, "/v1/events/{event}/layouts", .permission(.seeStudio)) { _, context in
            try .json(Page(items: try await programs.layouts(of: try context.requireEvent().id), next: nil))
        }
        book.add(.get, "/v1/events/{event}/layouts/{layout}", .permission(.seeStudio)) { _, context in
            let (layout, etag) = try await programs.layout(
                try context.pathParameter("layout"), of: try context.requireEvent().id)
            return try .json(layout, headers: [.eTag: etag])
        }
        book.add(.put, "/v1/events/{event}/layouts/{layout}", .permission(.changeEvents)) { request, context in
            let event = try context.requireEvent().id, name = try context.pathParameter("layout")
            let layout = try await request.layout()
            guard layout.name == name else {
                throw Problem.invalid("The name is that of the path.", pointer: "/name")
            }
            let (etag, isNew) = try await programs.put(layout, event: event) { try request.checkIfMatch($0) }
            let shown = await control.layoutsChanged(event: event)
            return try .json(Shown(layout, shown), status: isNew ? .created : .ok, headers: [.eTag: etag])
        }
        book.add(.delete, "/v1/events/{event}/layouts/{layout}", .permission(.changeEvents)) { request, context in
            let event = try context.requireEvent().id
            try await programs.removeLayout(try context.pathParameter("layout"), event: event) {
                try request.checkIfMatch($0)
            }
            // Nothing that is on air uses it: the compositor only forgets it.
            _ = await control.layoutsChanged(event: event)
            return .empty()
        }
    }
}
