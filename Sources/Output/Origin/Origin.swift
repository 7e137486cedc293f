// HLS over HTTPS: playlists, segments and timelines, for those with valid cookies.

internal import Crypto
internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import HummingbirdCore
internal import Logging
internal import Media
internal import NIOCore
internal import Web

/// Serves `/hls/{event}/…` without asking Studio.
struct Origin: Sendable {
    let worker: OutputWorker
    /// The pages' origins, which may send cookies from scripts.
    let allowedOrigins: Set<String>
    let files: FileIO
    let nowSeconds: @Sendable () -> Int64

    /// Makes the listener's router.
    func router(metrics: Metrics) -> Router<WebContext> {
        let router = Router(context: WebContext.self)
        router.add(middleware: ProblemMiddleware(metrics: metrics))
        router.get("/healthz") { _, _ -> Response in try .json(["status": "ok"]) }
        router.get("/hls/{event}/**") { request, context -> Response in
            do {
                var response = try await serve(request, context)
                addCORS(request, &response.headers)
                return response
            } catch let problem as Problem {
                // Players read the status only when the answer carries the headers too.
                var problem = problem
                addCORS(request, &problem.extraHeaders)
                throw problem
            }
        }
        return router
    }

    private func addCORS(_ request: Request, _ headers: inout HTTPFields) {
        headers[.vary] = "Origin"
        guard let origin = request.headers[.origin], allowedOrigins.contains(origin) else { return }
        headers[.accessControlAllowOrigin] = origin
        headers[.accessControlAllowCredentials] = "true"
        // Players estimate the clock by it.
        headers[.accessControlExposeHeaders] = "Date"
    }

    private func serve(_ request: Request, _ context: WebContext) async throws -> Response {
        let event = try context.pathParameter("event")
        let isAllowed = PlaybackCookies.allow(
            cookie: { Authenticator.cookie($0, in: request.headers) }, event: event, nowSeconds: nowSeconds(),
            keys: worker.trustedKeys)
        guard isAllowed else { throw Problem.forbidden("Playing needs the cookies of this event.") }
        guard let store = worker.store(event) else { throw Self.missing }
        let path = context.parameters.getCatchAll().joined(separator: "/")
        if let playlist = store.playlist(path) { return Self.answer(playlist, request) }
        if let (file, bytes) = store.segment(path) {
            return try await answer(file, bytes, "video/mp2t", request, context)
        }
        if let (file, bytes) = store.timeline(path) {
            return try await answer(file, bytes, "application/json", request, context)
        }
        throw Self.missing
    }

    /// A CDN must not remember that something was missing for longer than a second.
    private static var missing: Problem {
        var problem = Problem.notFound("There is no such file.")
        problem.extraHeaders[.cacheControl] = "max-age=1"
        return problem
    }

    private static func answer(_ playlist: PlaylistResource, _ request: Request) -> Response {
        var headers = HTTPFields()
        headers[.eTag] = playlist.etag
        headers[.cacheControl] = "max-age=1"
        if request.headers[.ifNoneMatch] == playlist.etag { return Response(status: .notModified, headers: headers) }
        headers[.contentType] = "application/vnd.apple.mpegurl"
        let body = playlist.bytes.withBytes { ByteBuffer(bytes: $0) }
        return Response(status: .ok, headers: headers, body: .init(byteBuffer: body))
    }

    private func answer(
        _ file: String, _ bytes: Int, _ type: String, _ request: Request, _ context: WebContext
    ) async throws -> Response {
        var headers = HTTPFields()
        headers[.contentType] = type
        headers[.cacheControl] = "max-age=3600, immutable"
        do {
            return Response(
                status: .ok, headers: headers, body: try await files.loadFile(path: file, context: context))
        } catch {
            throw Self.missing
        }
    }
}
