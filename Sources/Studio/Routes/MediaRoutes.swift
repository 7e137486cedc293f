// Pictures and decks: uploaded, listed, removed; pages as pictures; and the files, for compositors.

internal import Control
internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import HummingbirdCore
internal import Web

struct MediaRoutes: Sendable {
    static let pictureTypes = ["image/png", "image/jpeg", "image/webp"]
    static let fontTypes = ["font/ttf", "font/otf", "font/sfnt"]
    static let videoTypes = ["video/mp4", "video/quicktime", "video/webm", "video/x-matroska"]
    static let audioTypes = [
        "audio/mpeg", "audio/mp4", "audio/x-m4a", "audio/wav", "audio/x-wav", "audio/flac", "audio/x-flac",
        "audio/ogg", "audio/webm",
    ]

    let media: MediaStore
    let files: MediaFiles
    let decoder: any MediaDecoding
    /// How long a video may be, in bytes.
    var videoLimitBytes = MediaKind.video.limitBytes

    func add(to book: RouteBook) {
        addAssets(to: book)
        addDecks(to: book)
    }

    private func addAssets(to book: RouteBook) {
        book.add(
            .post, "/v1/events/{event}/assets", .permission(.controlProgram),
            contentTypes: Self.pictureTypes + Self.videoTypes + Self.audioTypes + Self.fontTypes,
            streamLimitBytes: max(MediaKind.audio.limitBytes, videoLimitBytes)
        ) { request, context in
            let event = try context.requireEvent().id
            let kind = Self.kind(ofType: request.headers[.contentType] ?? "")
            let asset = try await files.take(
                request.body, as: kind, event: event,
                limitBytes: kind == .video ? videoLimitBytes : kind.limitBytes, decoder: decoder
            ) { id, decoded in
                guard [.audio, .font].contains(kind) || decoded.width != nil && decoded.height != nil else {
                    throw Self.unexpected
                }
                let asset = AssetRecord(
                    id: id, kind: kind.rawValue, width: decoded.width, height: decoded.height,
                    durationMs: decoded.durationMs)
                try await media.add(asset, event: event)
                return asset
            }
            return try .json(
                asset, status: .created, headers: [.location: "/v1/events/\(event)/assets/\(asset.id)"])
        }
        book.add(.get, "/v1/events/{event}/assets", .permission(.seeStudio)) { request, context in
            let (limit, after) = try request.paging()
            let list = try await media.assets(event: try context.requireEvent().id, after: after, limit: limit + 1)
            return try .json(
                Page(items: Array(list.prefix(limit)), next: list.count > limit ? list[limit - 1].id : nil))
        }
        book.add(.get, "/v1/events/{event}/assets/{asset}", .permission(.seeStudio)) { _, context in
            try .json(
                try await media.asset(try context.pathParameter("asset"), event: try context.requireEvent().id))
        }
        book.add(.delete, "/v1/events/{event}/assets/{asset}", .permission(.controlProgram)) { _, context in
            let event = try context.requireEvent().id, id = try context.pathParameter("asset")
            try await media.removeAsset(id, event: event)
            await files.removeLater(event, id)
            return .empty()
        }
    }

    private func addDecks(to book: RouteBook) {
        book.add(
            .post, "/v1/events/{event}/decks", .permission(.turnSlides),
            contentTypes: ["application/pdf", "application/zip"],
            streamLimitBytes: MediaKind.deck.limitBytes
        ) { request, context in
            let event = try context.requireEvent().id
            let deck = try await files.take(
                request.body, as: .deck, event: event, limitBytes: MediaKind.deck.limitBytes, decoder: decoder
            ) { id, decoded in
                guard let pages = decoded.pages else { throw Self.unexpected }
                let deck = DeckRecord(id: id, pages: pages)
                try await media.add(deck, event: event)
                return deck
            }
            return try .json(deck, status: .created, headers: [.location: "/v1/events/\(event)/decks/\(deck.id)"])
        }
        book.add(.get, "/v1/events/{event}/decks", .permission(.turnSlides)) { request, context in
            let (limit, after) = try request.paging()
            let list = try await media.decks(event: try context.requireEvent().id, after: after, limit: limit + 1)
            return try .json(
                Page(items: Array(list.prefix(limit)), next: list.count > limit ? list[limit - 1].id : nil))
        }
        book.add(.get, "/v1/events/{event}/decks/{deck}", .permission(.turnSlides)) { _, context in
            try .json(try await media.deck(try context.pathParameter("deck"), event: try context.requireEvent().id))
        }
        book.add(.delete, "/v1/events/{event}/decks/{deck}", .permission(.controlProgram)) { _, context in
            let event = try context.requireEvent().id, id = try context.pathParameter("deck")
            try await media.removeDeck(id, event: event)
            await files.removeLater(event, id)
            return .empty()
        }
        book.add(.get, "/v1/events/{event}/decks/{deck}/pages/{page}.png", .permission(.turnSlides)) { _, context in
            let event = try context.requireEvent().id
            let deck = try await media.deck(try context.pathParameter("deck"), event: event)
            guard let page = Int(try context.pathParameter("page")), page >= 1, page <= deck.pages else {
                throw Problem.notFound("The deck has no such page.")
            }
            return try await send(event, deck.id, "\(page).png", context)
        }
    }

    /// Adds the entrance by which a compositor fetches the media of its event.
    func add(
        toInternal router: Router<WebContext>, keys: TokenKeys, nowSeconds: @escaping @Sendable () -> Int64
    ) {
        router.get("/media/{event}/{asset}/{file}") { request, context -> Response in
            guard let given = request.headers[.authorization], given.hasPrefix("Bearer ") else {
                throw Problem.unauthorized("A worker's token is needed.")
            }
            let claims = try await keys.verifyWorker(String(given.dropFirst(7)), nowSeconds: nowSeconds())
            let event = try context.pathParameter("event")
            guard claims.workerRole == .compositor, claims.event == event else {
                throw Problem.forbidden("The token is for another event.")
            }
            return try await send(
                event, try context.pathParameter("asset"), try context.pathParameter("file"), context)
        }
    }

    private func send(_ event: String, _ id: String, _ name: String, _ context: WebContext) async throws -> Response {
        guard let file = files.file(event, id, name) else { throw Problem.notFound("There is no such file.") }
        // What an id names never changes.
        return Response(
            status: .ok,
            headers: [
                .contentType: name.hasSuffix(".json")
                    ? "application/json"
                    : ["video", "audio", "font"].contains(name) ? "application/octet-stream" : "image/png",
                .cacheControl: "private, max-age=86400, immutable",
            ],
            body: try await FileIO().loadFile(path: file.path, context: context))
    }

    /// What an asset of a content type becomes; the type is one of those that are taken.
    private static func kind(ofType type: String) -> MediaKind {
        switch type.prefix(while: { $0 != "/" }).lowercased() {
        case "video": .video
        case "audio": .audio
        case "font": .font
        default: .picture
        }
    }

    private static var unexpected: Problem {
        Problem(.internalServerError, "internal", "Something went wrong here")
    }
}
