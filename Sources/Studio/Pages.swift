// The pages: plain files, a strict content policy, and no state.

internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import HummingbirdCore
internal import NIOCore
internal import Web

struct Pages: Sendable {
    /// The folder that holds `watch.html` and the rest.
    let directory: URL
    /// The folder into which libraries are unpacked (`hls.js`).
    let libraries: URL
    /// The installation's HLS listeners, from which pages fetch media.
    let mediaOrigins: @Sendable () -> [String]

    private static let types = [
        "html": "text/html; charset=utf-8", "js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8",
        "svg": "image/svg+xml", "png": "image/png",
    ]

    func add(to book: RouteBook) {
        for (path, file) in [
            ("/produce/{event}", "produce.html"), ("/watch/{event}", "watch.html"), ("/join/{token}", "join.html"),
        ] where FileManager.default.fileExists(atPath: directory.appending(path: file).path) {
            book.add(.get, path, .open) { request, _ in try page(directory.appending(path: file), request) }
        }
        book.add(.get, "/assets/{file}", .open) { request, context in
            let name = try context.pathParameter("file")
            let isPlain = name.utf8.allSatisfy { byte in
                (97...122).contains(byte) || (65...90).contains(byte) || (45...57).contains(byte) && byte != 47
            }
            guard isPlain, !name.hasPrefix("."), name.utf8.count <= 64 else {
                throw Problem.notFound("There is no such page.")
            }
            let folder = name == "hls.js" ? libraries : directory
            return try page(folder.appending(path: name), request)
        }
    }

    private func page(_ file: URL, _ request: Request) throws -> Response {
        guard let type = Self.types[file.pathExtension], let data = try? Data(contentsOf: file) else {
            throw Problem.notFound("There is no such page.")
        }
        let etag = "\"\(RandomToken.hash(String(decoding: data, as: UTF8.self)).prefix(20))\""
        var headers: HTTPFields = [.contentType: type, .eTag: etag, .cacheControl: "no-cache"]
        if request.headers[.ifNoneMatch] == etag { return Response(status: .notModified, headers: headers) }
        let media = (["'self'"] + mediaOrigins()).joined(separator: " ")
        headers[.contentSecurityPolicy] = """
            default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
            connect-src \(media) wss:; media-src \(media) blob:; worker-src blob:; base-uri 'none'; \
            form-action 'self'; frame-ancestors 'none'
            """
        return Response(status: .ok, headers: headers, body: .init(byteBuffer: ByteBuffer(bytes: data)))
    }
}
