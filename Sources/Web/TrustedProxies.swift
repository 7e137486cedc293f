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

    /// Returns who calls, behind our proxies.
    ///
    /// - Parameters:
    ///   - peer: the network address at the other end of the connection.
    ///   - forwarded: the values of the X-Forwarded-For fields, in the order in which they came.
    func caller(peer: String, forwarded: [String]) -> String {
        guard addresses.contains(peer) else { return peer }
        // The nearest hop stands last; the first one that is no proxy of ours is the caller.
        let hops = forwarded.flatMap { $0.split(separator: ",") }.map { $0.trimmingCharacters(in: .whitespaces) }
        guard let caller = hops.last(where: { !addresses.contains($0) }), caller.utf8.count <= 64 else { return peer }
        return caller
    }

    /// Passes a request on with the caller's address.
    @concurrent
    public func handle(
        _ request: Request, context: WebContext, next: @concurrent (Request, WebContext) async throws -> Response
    ) async throws -> Response {
        var context = context
        context.remoteAddress = caller(
            peer: context.remoteAddress,
            forwarded: request.headers[values: HTTPField.Name("X-Forwarded-For").unsafelyUnwrapped])
        return try await next(request, context)
    }
}
