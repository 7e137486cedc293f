// The caller's address behind proxies: X-Forwarded-For counts only from those that the configuration trusts.

internal import Foundation
internal import HTTPTypes
public import Hummingbird
internal import HummingbirdCore

/// Replaces a proxy's address by the one that it forwards.
public struct TrustedProxies: RouterMiddleware {
    /// The context it works in.
    public typealias Context = WebContext
    private let addresses: Set<String>

    /// Creates the middleware.
    ///
    /// - Parameter addresses: network addresses of trusted proxies.
    public init(_ addresses: [String]) { self.addresses = Set(addresses) }

    /// Passes a request on with the caller's address.
    @concurrent
    public func handle(
        _ request: Request, context: WebContext, next: @concurrent (Request, WebContext) async throws -> Response
    ) async throws -> Response {
        var context = context
        if addresses.contains(context.remoteAddress) {
            // The nearest hop stands last; the first one that is no proxy of ours is the caller.
            let hops = request.headers[values: HTTPField.Name("X-Forwarded-For").unsafelyUnwrapped]
                .flatMap { $0.split(separator: ",") }.map { $0.trimmingCharacters(in: .whitespaces) }
            if let caller = hops.last(where: { !addresses.contains($0) }), caller.utf8.count <= 64 {
                context.remoteAddress = caller
            }
        }
        return try await next(request, context)
    }
}
