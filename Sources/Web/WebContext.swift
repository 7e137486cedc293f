// The context of one request: who calls, from where, in which event.

public import Hummingbird
import HummingbirdCore
import Logging
import Media
public import NIOCore

/// The context of one request.
public struct WebContext: RequestContext {
    /// Hummingbird's part.
    public var coreContext: CoreRequestContextStorage
    /// The caller's network address, after trusted proxies.
    public var remoteAddress: String
    /// Who calls; nil before authentication and on public routes.
    public var principal: Principal?
    /// The event that the path names.
    public var event: EventScope?

    /// The connection, for answers without an end.
    public let channel: any Channel

    /// Creates the context of a request that came in on a channel.
    public init(source: ApplicationRequestContextSource) {
        coreContext = .init(source: source)
        channel = source.channel
        remoteAddress = source.channel.remoteAddress?.ipAddress ?? "local"
    }

    /// What limits count as this caller: an IPv4 address, or the /64 of an IPv6 one.
    public var network: String { NetworkAddress.network(of: remoteAddress) }

    /// Bodies of JSON requests are no longer than this many bytes.
    public var maxUploadSize: Int { 1 << 20 }

    /// Who calls.
    ///
    /// - Throws: `Problem` 401 where nobody is signed in.
    public func requirePrincipal() throws(Problem) -> Principal {
        guard let principal else { throw .unauthorized("A bearer token or a session is needed.") }
        return principal
    }

    /// The event that the path names.
    ///
    /// - Throws: `Problem` 404 where it names none.
    public func requireEvent() throws(Problem) -> EventScope {
        guard let event else { throw .notFound("There is no such event.") }
        return event
    }

    /// Reads a parameter of the path.
    ///
    /// - Throws: `Problem` 404 where the path has none.
    public func pathParameter(_ name: String) throws(Problem) -> String {
        guard let value = parameters.get(name) else { throw .notFound("There is no such page.") }
        return value
    }
}
