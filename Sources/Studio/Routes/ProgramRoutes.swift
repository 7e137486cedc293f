// The program and the preview: scenes read, put and changed; preview taken to the program; slides turned; stills.

internal import Control
internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import HummingbirdCore
internal import Media
internal import NIOCore
internal import Web

struct ProgramRoutes: Sendable {
    /// How far ahead of now a take may be asked for.
    static let aheadLimitMs: Int64 = 86_400_000
    static let transitionLimitMs: Int64 = 5000
    static let transitionStandardMs: Int64 = 500

    let programs: ProgramStore
    let events: EventStore
    let control: any ProgramControl
    let stills: StillCache
    let nowMs: @Sendable () -> Int64

    struct TakeRequest: Decodable {
        let transition: String?, durationMs: Int64?, at: Int64?, keeps: [String]?
    }

    /// The take that waits.
    struct PendingView: Encodable {
        let at: Int64, transition: String, durationMs: Int64, keeps: [ScenePart], scene: Scene

        init(_ take: PendingTake) {
            at = take.at.milliseconds
            transition = take.transition.kind.rawValue
            durationMs = take.transition.milliseconds
            keeps = take.keeps ?? []
            scene = take.scene
        }
    }

    struct Turn: Decodable {
        let deck: String, page: Int
    }

    /// The page that the program's scene names, for those who turn; all missing while it names none.
    struct TurnedView: Encodable {
        var deck: String?, page: Int?, pages: Int?
    }

    func add(to book: RouteBook) {
        book.add(.get, "/v1/events/{event}/program", .permission(.seeStudio)) { _, context in
            let state = try await programs.state(of: try context.requireEvent().id)
            return try .json(state.scene, headers: [.eTag: state.etag])
        }
        book.add(.put, "/v1/events/{event}/program", .permission(.controlProgram)) { request, context in
            let scene = try await request.scene()
            return try await changeProgram(request, context) { $0 = scene }
        }
        book.add(.patch, "/v1/events/{event}/program", .permission(.controlProgram)) { request, context in
            let patch = try await request.anyJSON()
            return try await changeProgram(request, context) { $0 = try $0.merged(with: patch) }
        }
        book.add(.get, "/v1/events/{event}/preview", .permission(.seeStudio)) { _, context in
            let state = try await programs.state(of: try context.requireEvent().id)
            return try .json(state.preview, headers: [.eTag: state.previewETag])
        }
        book.add(.put, "/v1/events/{event}/preview", .permission(.controlProgram)) { request, context in
            let scene = try await request.scene()
            return try await changePreview(request, context) { $0 = scene }
        }
        book.add(.patch, "/v1/events/{event}/preview", .permission(.controlProgram)) { request, context in
            let patch = try await request.anyJSON()
            return try await changePreview(request, context) { $0 = try $0.merged(with: patch) }
        }
        book.add(.post, "/v1/events/{event}/take", .permission(.controlProgram)) { request, context in
            try await take(request, context)
        }
        book.add(.get, "/v1/events/{event}/take", .permission(.seeStudio)) { _, context in
            guard let take = try await programs.pendingTake(of: try context.requireEvent().id) else {
                throw Problem.notFound("No take waits.")
            }
            return try .json(PendingView(take), headers: [.eTag: take.etag])
        }
        book.add(.delete, "/v1/events/{event}/take", .permission(.controlProgram)) { request, context in
            let event = try context.requireEvent().id
            try await programs.removeTake(of: event) { try request.checkIfMatch($0) }
            _ = await control.takeChanged(event: event)
            return .empty()
        }
        book.add(.get, "/v1/events/{event}/slides", .permission(.turnSlides)) { _, context in
            let event = try context.requireEvent().id
            guard let slides = try await programs.state(of: event).scene.slides else { return try .json(TurnedView()) }
            let pages = try? await MediaStore(programs: programs).deck(slides.deck, event: event).pages
            return try .json(TurnedView(deck: slides.deck, page: slides.page, pages: pages))
        }
        book.add(.put, "/v1/events/{event}/slides", .permission(.turnSlides)) { request, context in
            let event = try context.requireEvent().id, body = try await request.json(Turn.self, context)
            guard body.page >= 1 else { throw Problem.invalid("Pages are counted from 1.", pointer: "/page") }
            let slides = Slides(deck: body.deck, page: body.page)
            let state = try await programs.update(event) { state, references in
                try references.check(slides, "")
                state.scene.slides = slides
            }
            return try .json(Shown(slides, try await show(state, event)))
        }
        book.add(.get, "/v1/events/{event}/program.jpg", .permission(.watchProgram)) { _, context in
            let event = try await running(context)
            return try await still("\(event)/program") { try await control.still(nil, event: event) }
        }
        book.add(.get, "/v1/events/{event}/preview.jpg", .permission(.seeStudio)) { request, context in
            let keeps = try ScenePart.read(request.uri.queryParameters.getAll("keeps"))
            let event = try await running(context), state = try await programs.state(of: event)
            let kept = keeps.isEmpty ? "" : "/\(state.version)/\(keeps.map(\.rawValue).joined(separator: "+"))"
            return try await still("\(event)/preview/\(state.previewVersion)\(kept)") {
                try await control.still(state.preview.keeping(keeps, of: state.scene), event: event)
            }
        }
    }

    private func changeProgram(
        _ request: Request, _ context: WebContext, _ change: @escaping @Sendable (inout Scene) throws -> Void
    ) async throws -> Response {
        let event = try context.requireEvent().id
        let state = try await programs.update(event) { state, references in
            try request.checkIfMatch(state.etag)
            let stored = [state.scene, state.preview]
            var scene = state.scene
            try change(&scene)
            state.bring(scene, isRunNamed: true, among: references)
            try references.check(state.scene)
            try references.checkSlots(of: state.scene, besides: stored)
        }
        return try answer(state, try await show(state, event))
    }

    private func changePreview(
        _ request: Request, _ context: WebContext, _ change: @escaping @Sendable (inout Scene) throws -> Void
    ) async throws -> Response {
        let state = try await programs.update(try context.requireEvent().id) { state, references in
            try request.checkIfMatch(state.previewETag)
            let stored = [state.scene, state.preview]
            try change(&state.preview)
            try references.check(state.preview)
            try references.checkSlots(of: state.preview, besides: stored)
        }
        return try .json(state.preview, headers: [.eTag: state.previewETag])
    }

    private func take(_ request: Request, _ context: WebContext) async throws -> Response {
        let event = try context.requireEvent().id, body = try await request.json(TakeRequest.self, context)
        let now = nowMs(), keeps = try ScenePart.read(body.keeps ?? [])
        if let at = body.at, !(0...(now + Self.aheadLimitMs)).contains(at) {
            throw Problem.invalid("at is a program time within the next 24 hours.", pointer: "/at")
        }
        if let at = body.at, at > now {
            let take = try await programs.schedule(event, at: ProgramTime(milliseconds: at), keeps: keeps) {
                state, references in
                try request.checkIfMatch(state.previewETag)
                try references.check(state.preview)
                return try Self.transition(body, references.layouts[state.preview.layout])
            }
            let isReady = await control.takeChanged(event: event) ?? false
            return try .json(
                Shown(take.scene, ShownAt(programTime: take.at, isReady: isReady)), status: .accepted,
                headers: [.eTag: take.etag])
        }
        let (state, transition) = try await programs.takePreview(event, keeps: keeps) { state, references in
            try request.checkIfMatch(state.previewETag)
            try references.check(state.preview)
            return try Self.transition(body, references.layouts[state.preview.layout])
        }
        return try answer(state, try await show(state, event, transition))
    }

    /// How a take comes: as it says, else as the layout to come says, else as a cut.
    private static func transition(
        _ body: TakeRequest, _ layout: Layout?
    ) throws(Problem) -> ProgramChange.Transition {
        let standard = layout?.transition ?? .init(kind: .cut, durationMs: transitionStandardMs)
        let kind = body.transition.map(ProgramChange.Transition.Kind.init(rawValue:)) ?? standard.kind
        guard let kind else {
            throw .invalid("A transition is cut, fade, move, dip or wipe.", pointer: "/transition")
        }
        let duration =
            body.durationMs ?? (body.transition == nil ? standard.durationMs : transitionStandardMs)
        guard (0...transitionLimitMs).contains(duration) else {
            throw .invalid("durationMs is 0 to \(transitionLimitMs).", pointer: "/durationMs")
        }
        return .init(kind: kind, milliseconds: kind == .cut ? 0 : duration)
    }

    private func show(
        _ state: ProgramState, _ event: String, _ transition: ProgramChange.Transition? = nil
    ) async throws -> ShownAt? {
        try await control.showIfThere(
            state.change(transition ?? .init(kind: .cut, milliseconds: 0)), event: event)
    }

    private func answer(_ state: ProgramState, _ shown: ShownAt?) throws -> Response {
        try .json(Shown(state.scene, shown), headers: [.eTag: state.etag])
    }

    /// The event, when its program runs.
    private func running(_ context: WebContext) async throws -> String {
        let event = try context.requireEvent().id
        guard let state = try await events.record(event)?.state, state == .starting || state == .live else {
            throw Problem.notFound("The program does not run now.")
        }
        return event
    }

    private func still(_ key: String, make: @escaping @Sendable () async throws -> Data) async throws -> Response {
        let picture = try await stills.still(key, make: make)
        return Response(
            status: .ok, headers: [.contentType: "image/jpeg", .cacheControl: "no-store"],
            body: .init(byteBuffer: ByteBuffer(bytes: picture)))
    }
}
