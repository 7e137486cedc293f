// Answers in the contract's forms, and requests read strictly.

import Foundation
public import HTTPTypes
import Hummingbird
public import HummingbirdCore
import NIOCore

extension Response {
    /// An answer with a JSON body that nobody may store.
    ///
    /// - Parameters:
    ///   - value: the body.
    ///   - status: the status code.
    ///   - headers: more headers.
    public static func json(
        _ value: some Encodable, status: HTTPResponse.Status = .ok, headers: HTTPFields = [:]
    ) throws -> Response {
        var headers = headers
        headers[.contentType] = "application/json"
        if headers[.cacheControl] == nil { headers[.cacheControl] = "no-store" }
        let data = try JSON.encoder.encode(value)
        return Response(status: status, headers: headers, body: .init(byteBuffer: ByteBuffer(bytes: data)))
    }

    /// An answer without a body.
    public static func empty(_ status: HTTPResponse.Status = .noContent) -> Response { Response(status: status) }
}

extension Request {
    /// Reads a JSON body and refuses unknown keys; an empty body reads as `{}`.
    ///
    /// - Throws: `Problem` 400, 413 or 422.
    public func json<Value: Decodable>(
        _ type: Value.Type, _ context: WebContext, upTo limitBytes: Int? = nil
    ) async throws -> Value {
        var request = self
        let buffer: ByteBuffer
        do {
            buffer = try await request.collectBody(upTo: limitBytes ?? context.maxUploadSize)
        } catch {
            throw Problem(.contentTooLarge, "too-large", "The body is too large")
        }
        return try JSON.decodeStrictly(
            type, from: buffer.readableBytes == 0 ? Data("{}".utf8) : Data(buffer.readableBytesView))
    }

    /// Reads the paging of a list: `?limit=&after=`.
    ///
    /// - Throws: `Problem` 422 for a limit outside 1…200.
    public func paging() throws(Problem) -> (limit: Int, after: String?) {
        let after = uri.queryParameters.get("after")
        guard let text = uri.queryParameters.get("limit") else { return (50, after) }
        guard let limit = Int(text), (1...200).contains(limit) else {
            throw .invalid("limit is 1 to 200.", pointer: "/limit")
        }
        return (limit, after)
    }

    /// Checks If-Match against an entity tag (RFC 9110 §13.1.1).
    ///
    /// - Throws: `Problem` 412 where it names another.
    public func checkIfMatch(_ etag: String) throws(Problem) {
        guard let given = headers[.ifMatch], given != "*" else { return }
        let tags = given.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
        guard tags.contains(etag) else {
            throw Problem(
                .preconditionFailed, "changed", "Somebody else changed it",
                detail: "If-Match names another version than the current one.")
        }
    }
}

/// A list with the position of its next page.
public struct Page<Item: Encodable & Sendable>: Encodable, Sendable {
    /// The items.
    public let items: [Item]
    /// What `after` takes for the next page; nil at the end.
    public let next: String?

    /// Creates a page.
    public init(items: [Item], next: String?) {
        self.items = items
        self.next = next
    }
}
