// Every error leaves as problem+json, and every answer carries the headers that browsers need.

import HTTPTypes
public import Hummingbird
public import HummingbirdCore
import Logging

/// Turns errors into problem+json; what was not foreseen is logged and answered without details.
public struct ProblemMiddleware: RouterMiddleware {
    /// The context it works in.
    public typealias Context = WebContext
    private let counters: Metrics

    /// Creates the middleware.
    ///
    /// - Parameter metrics: counts requests by method and status.
    public init(metrics: Metrics) { counters = metrics }

    /// Answers a request.
    @concurrent
    public func handle(
        _ request: Request, context: WebContext, next: @concurrent (Request, WebContext) async throws -> Response
    ) async throws -> Response {
        var response: Response
        do {
            response = try await next(request, context)
        } catch {
            response = try problem(error, context).response(from: request, context: context)
        }
        response.headers[HTTPField.Name("X-Content-Type-Options").unsafelyUnwrapped] = "nosniff"
        response.headers[HTTPField.Name("Referrer-Policy").unsafelyUnwrapped] = "no-referrer"
        counters.increment(
            "proscenium_http_requests_total",
            ["method": request.method.rawValue, "status": String(response.status.code)])
        return response
    }

    private func problem(_ error: any Error, _ context: WebContext) -> Problem {
        if let problem = error as? Problem { return problem }
        if let error = error as? any HTTPResponseError {
            switch error.status {
            case .notFound: return .notFound("There is no such page.")
            case .contentTooLarge: return Problem(.contentTooLarge, "too-large", "The body is too large")
            default: return Problem(error.status, "http-\(error.status.code)", error.status.reasonPhrase)
            }
        }
        context.logger.error("a request failed", metadata: ["error": "\(error)"])
        return Problem(.internalServerError, "internal", "Something went wrong here")
    }
}
