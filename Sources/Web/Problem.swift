// Errors as clients see them: application/problem+json (RFC 9457).

public import Foundation
public import HTTPTypes

/// An error that a client is told about, as RFC 9457 describes it.
public struct Problem: Error, Equatable, Sendable {
    /// The HTTP status code.
    public var status: HTTPResponse.Status
    /// A stable slug that programs may act on, for example `poll-closed`.
    public var type: String
    /// A short sentence for people, the same for each `type`.
    public var title: String
    /// What was wrong this time.
    public var detail: String?
    /// The JSON pointer (RFC 6901) of the part of the request that was wrong.
    public var pointer: String?
    /// After how many milliseconds trying again makes sense; also sent as `Retry-After` in whole seconds.
    public var retryAfterMs: Int64?
    /// More headers for the answer.
    public var extraHeaders: HTTPFields = [:]

    /// Creates a problem.
    public init(
        _ status: HTTPResponse.Status, _ type: String, _ title: String, detail: String? = nil, pointer: String? = nil,
        retryAfterMs: Int64? = nil
    ) {
        self.status = status
        self.type = type
        self.title = title
        self.detail = detail
        self.pointer = pointer
        self.retryAfterMs = retryAfterMs
    }

    private struct Body: Encodable {
        let type: String, title: String, status: Int, detail: String?, pointer: String?, retryAfterMs: Int64?
    }

    /// The problem as JSON.
    public var json: Data {
        let body = Body(
            type: type, title: title, status: status.code, detail: detail, pointer: pointer, retryAfterMs: retryAfterMs)
        return (try? JSON.encoder.encode(body)) ?? Data()
    }
}

extension Problem {
    /// Nobody is signed in, or the credential is not valid.
    public static func unauthorized(_ detail: String) -> Problem {
        var problem = Problem(.unauthorized, "unauthorized", "Authentication is needed", detail: detail)
        problem.extraHeaders[.wwwAuthenticate] = "Bearer"
        return problem
    }

    /// The caller may not do this.
    public static func forbidden(_ detail: String) -> Problem {
        Problem(.forbidden, "forbidden", "Not allowed", detail: detail)
    }

    /// There is no such thing.
    public static func notFound(_ what: String) -> Problem {
        Problem(.notFound, "not-found", "Not found", detail: what)
    }

    /// A request is well-formed but means nothing here.
    public static func invalid(_ detail: String, pointer: String? = nil) -> Problem {
        Problem(.unprocessableContent, "invalid", "The request is not valid", detail: detail, pointer: pointer)
    }

    /// The request does not fit the state that the thing is in.
    public static func conflict(_ type: String, _ detail: String) -> Problem {
        Problem(.conflict, type, "The state does not allow this", detail: detail)
    }

    /// Too much at once; try again later.
    public static func tooMany(_ detail: String, retryAfterMs: Int64) -> Problem {
        Problem(.tooManyRequests, "too-many-requests", "Too many requests", detail: detail, retryAfterMs: retryAfterMs)
    }

    /// The server cannot do this now; try again later.
    public static func overloaded(_ detail: String, retryAfterMs: Int64) -> Problem {
        Problem(.serviceUnavailable, "overloaded", "Too busy", detail: detail, retryAfterMs: retryAfterMs)
    }
}
