// Problems as routes answer them.

import Foundation
import HTTPTypes
public import Hummingbird
public import HummingbirdCore
internal import NIOCore

extension Problem: HTTPResponseError {
    /// The problem as a response.
    public func response(from request: Request, context: some RequestContext) throws -> Response {
        var headers = extraHeaders
        headers[.contentType] = "application/problem+json"
        headers[.cacheControl] = "no-store"
        if let retryAfterMs { headers[.retryAfter] = String(max(1, (retryAfterMs + 999) / 1000)) }
        return Response(status: status, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: json)))
    }
}
