// Presets: scenes saved under a name, and put into the preview again.

internal import Control
internal import HTTPTypes
internal import Hummingbird
internal import HummingbirdCore
internal import Web

extension HTTPField.Name {
    /// JSON pointers to the parts of a scene that could not be recalled.
    static let missingParts = HTTPField.Name("Missing-Parts").unsafelyUnwrapped
}

struct PresetRoutes: Sendable {
    let programs: ProgramStore

    func add(to book: RouteBook) {
        book.add(.get, "/v1/events/{event}/presets", .permission(.seeStudio)) { request, context in
            let event = try context.requireEvent().id, (limit, after) = try request.paging()
            let presets = try await programs.presets(of: event, after: after, limit: limit + 1)
            let items = Array(presets.prefix(limit))
            return try .json(Page(items: items, next: presets.count > limit ? items.last?.name : nil))
        }
        book.add(.get, "/v1/events/{event}/presets/{preset}", .permission(.seeStudio)) { _, context in
            let (scene, etag) = try await programs.preset(
                try context.pathParameter("preset"), of: try context.requireEvent().id)
            return try .json(scene, headers: [.eTag: etag])
        }
        book.add(.put, "/v1/events/{event}/presets/{preset}", .permission(.controlProgram)) { request, context in
            let event = try context.requireEvent().id, name = try context.pathParameter("preset")
            guard name.utf8.count <= 64, Layout.isSlug(name) else {
                throw Problem.invalid("A preset's name has lower-case letters, digits and hyphens, at most 64.")
            }
            let scene = try await request.scene()
            let (etag, isNew) = try await programs.put(preset: scene, name, event: event) {
                try request.checkIfMatch($0)
            }
            return try .json(scene, status: isNew ? .created : .ok, headers: [.eTag: etag])
        }
        book.add(.delete, "/v1/events/{event}/presets/{preset}", .permission(.controlProgram)) { request, context in
            try await programs.removePreset(
                try context.pathParameter("preset"), event: try context.requireEvent().id
            ) { try request.checkIfMatch($0) }
            return .empty()
        }
        book.add(.post, "/v1/events/{event}/presets/{preset}/recall", .permission(.controlProgram)) {
            request, context in
            let (state, missing) = try await programs.recall(
                try context.pathParameter("preset"), event: try context.requireEvent().id
            ) { try request.checkIfMatch($0.previewETag) }
            var headers: HTTPFields = [.eTag: state.previewETag]
            if !missing.isEmpty { headers[.missingParts] = missing.joined(separator: ", ") }
            return try .json(state.preview, headers: headers)
        }
    }
}
