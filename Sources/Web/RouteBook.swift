// Every route with what it needs: one list for the router, for the table of roles, and for the OpenAPI check.

public import Foundation
public import HTTPTypes
public import Hummingbird
public import HummingbirdCore
import NIOCore
import Synchronization

/// What a route asks of its caller.
public enum Access: Hashable, Sendable {
    /// Nothing.
    case open
    /// Any valid credential, of any role.
    case signedIn
    /// A permission of the table; where the path has `{event}`, in that event.
    case permission(Permission)
}

/// One route, as the book lists it.
public struct RouteEntry: Hashable, Sendable {
    /// The HTTP method.
    public let method: HTTPRequest.Method
    /// The path in OpenAPI form, for example `/v1/events/{event}`.
    public let path: String
    /// What it asks of its caller.
    public let access: Access
}

/// Remembers answers to creations by their Idempotency-Key.
public protocol IdempotencyStore: Sendable {
    /// Returns the stored answer to a key.
    func answer(scope: String, key: String) async throws -> StoredAnswer?
    /// Stores an answer; the first one stays.
    func store(_ answer: StoredAnswer, scope: String, key: String) async throws
}

/// An answer that is given again when the same creation is asked for again.
public struct StoredAnswer: Sendable, Hashable, Codable {
    /// The hash of the request's body.
    public var requestHash: String
    /// The status code.
    public var status: Int
    /// The headers, by name.
    public var headers: [String: String]
    /// The body.
    public var body: Data
}

/// Adds guarded routes to a router and keeps the list.
public final class RouteBook {
    /// Answers a request.
    public typealias Handler = @Sendable (Request, WebContext) async throws -> Response

    /// What the guard needs.
    public struct Guard: Sendable {
        let authenticator: Authenticator
        let directory: any EventDirectory
        let idempotency: any IdempotencyStore
        let origins: Set<String>
        let running = RunningCreations()

        /// Creates the guard's parts.
        ///
        /// - Parameters:
        ///   - authenticator: recognises callers.
        ///   - directory: knows the events.
        ///   - idempotency: remembers creations.
        ///   - origins: the Origins from which changes by cookie are taken, for example `https://example.org:8443`.
        public init(
            authenticator: Authenticator, directory: any EventDirectory, idempotency: any IdempotencyStore,
            origins: Set<String>
        ) {
            self.authenticator = authenticator
            self.directory = directory
            self.idempotency = idempotency
            self.origins = origins
        }
    }

    /// The routes so far.
    public private(set) var entries: [RouteEntry] = []
    private let router: Router<WebContext>
    private let parts: Guard

    /// Creates an empty book for a router.
    public init(router: Router<WebContext>, guard parts: Guard) {
        self.router = router
        self.parts = parts
    }

    /// Adds a route.
    ///
    /// - Parameters:
    ///   - method: the HTTP method.
    ///   - path: for example `/v1/events/{event}/polls`.
    ///   - access: what it asks of the caller.
    ///   - contentType: the type that a body must have; nil for routes without a body or with their own rule.
    ///   - handler: answers; it finds caller and event in the context.
    public func add(
        _ method: HTTPRequest.Method, _ path: String, _ access: Access, contentType: String? = "application/json",
        handler: @escaping Handler
    ) {
        add(method, path, access, contentTypes: contentType.map { [$0] } ?? [], streamLimitBytes: nil, handler: handler)
    }

    /// Adds a route, for example one that takes files.
    ///
    /// - Parameters:
    ///   - method: the HTTP method.
    ///   - path: for example `/v1/events/{event}/assets`.
    ///   - access: what it asks of the caller.
    ///   - contentTypes: the types of which a body must have one; empty for routes without a body or with their own rule.
    ///   - streamLimitBytes: how long a body may be that never stands in memory as a whole; nil for bodies that may. The
    ///     handler reads such a body to its end.
    ///   - handler: answers; it finds caller and event in the context.
    public func add(
        _ method: HTTPRequest.Method, _ path: String, _ access: Access, contentTypes: [String],
        streamLimitBytes: Int?, handler: @escaping Handler
    ) {
        entries.append(RouteEntry(method: method, path: path, access: access))
        let parts = parts
        let changes = method != .get && method != .head
        router.on(RouterPath(path), method: method) { request, context in
            var context = context
            try await parts.admit(
                request, &context, access: access, changes: changes, isUpload: streamLimitBytes != nil)
            if changes { try Self.require(contentTypes, request) }
            if let streamLimitBytes, let length = request.headers[.contentLength].flatMap({ Int($0) }) {
                // Known before the first byte has come.
                guard length <= streamLimitBytes else { throw Self.tooLarge(streamLimitBytes) }
            }
            guard method == .post, let key = request.headers[.idempotencyKey], let principal = context.principal else {
                return try await handler(request, context)
            }
            return try await parts.once(
                request, context, principal, key: key, streamLimitBytes: streamLimitBytes, handler: handler)
        }
    }

    fileprivate static func tooLarge(_ limitBytes: Int) -> Problem {
        Problem(
            .contentTooLarge, "too-large", "The body is too large",
            detail: "At most \(limitBytes / 1_000_000) MB are taken.")
    }

    private static func require(_ contentTypes: [String], _ request: Request) throws(Problem) {
        guard let last = contentTypes.last else { return }
        let list = contentTypes.count == 1 ? last : contentTypes.dropLast().joined(separator: ", ") + " or " + last
        guard let given = request.headers[.contentType] else {
            // A request without a body needs no type.
            let hasBody =
                request.headers[.transferEncoding] != nil
                || (request.headers[.contentLength].flatMap { Int($0) } ?? 0) > 0
            guard hasBody else { return }
            throw Problem(.unsupportedMediaType, "media-type", "Wrong content type", detail: "Send \(list).")
        }
        let type = given.prefix { $0 != ";" }.trimmingCharacters(in: .whitespaces).lowercased()
        guard contentTypes.contains(type) else {
            throw Problem(.unsupportedMediaType, "media-type", "Wrong content type", detail: "Send \(list).")
        }
    }
}

extension RouteBook.Guard {
    /// Recognises the caller, finds the event, and checks the table.
    func admit(
        _ request: Request, _ context: inout WebContext, access: Access, changes: Bool, isUpload: Bool
    ) async throws {
        if case .open = access { return }
        guard let principal = try await authenticator.principal(of: request.headers) else {
            throw Problem.unauthorized("A bearer token or a session is needed.")
        }
        context.principal = principal
        if changes, principal.source == .cookie {
            guard let origin = request.headers[.origin], origins.contains(origin) else {
                throw Problem.forbidden("A change by cookie needs the Origin of this installation.")
            }
            // A form of another site sends no such type. Nor does it send those of files, which uploads are checked for.
            let type = request.headers[.contentType]?.lowercased() ?? ""
            let isOurs = ["application/json", "application/sdp", "application/trickle-ice-sdpfrag"].contains {
                type.hasPrefix($0)
            }
            guard isOurs || isUpload else {
                throw Problem.forbidden("A change by cookie needs the content type application/json.")
            }
        }
        if let id = context.parameters.get("event") {
            // The caller must not learn which events of others exist.
            guard let event = try await directory.event(id), event.org == principal.org else {
                throw Problem.notFound("There is no such event.")
            }
            context.event = event
        }
        if case .permission(let permission) = access {
            try Authorization.check(permission, principal, in: context.event)
        }
    }

    /// Answers a creation once for each Idempotency-Key (draft-ietf-httpapi-idempotency-key-header).
    func once(
        _ request: Request, _ context: WebContext, _ principal: Principal, key: String, streamLimitBytes: Int?,
        handler: RouteBook.Handler
    ) async throws -> Response {
        guard key.utf8.count <= 200 else { throw Problem.invalid("The Idempotency-Key is too long.") }
        var request = request
        let scope = "\(principal.org)/\(principal.id)/\(request.uri.path)"
        guard running.begin(scope, key) else {
            throw Problem.conflict("idempotency-key", "The first request with this Idempotency-Key still runs.")
        }
        defer { running.end(scope, key) }
        // A file goes by once, and is hashed on its way; anything else is read here.
        let digest = BodyDigest(request.body, limitBytes: streamLimitBytes ?? context.maxUploadSize)
        let stored = try await idempotency.answer(scope: scope, key: key)
        if stored == nil, streamLimitBytes != nil {
            request.body = .init(asyncSequence: digest)
        } else {
            let body = try await digest.collect(keeps: streamLimitBytes == nil)
            request.body = .init(buffer: body)
        }
        if let stored {
            let hash = digest.text
            guard stored.requestHash == hash else {
                throw Problem.conflict("idempotency-key", "The Idempotency-Key was used with another body.")
            }
            var headers = HTTPFields()
            for (name, value) in stored.headers {
                if let name = HTTPField.Name(name) { headers[name] = value }
            }
            return Response(
                status: .init(code: stored.status), headers: headers,
                body: .init(byteBuffer: ByteBuffer(bytes: stored.body)))
        }
        let response = try await handler(request, context)
        let collector = BodyCollector()
        try await response.body.write(collector)
        var headers: [String: String] = [:]
        for field in response.headers where field.name != .setCookie {
            // Several fields of one name are one list (RFC 9110 section 5.3).
            headers[field.name.canonicalName] =
                (headers[field.name.canonicalName].map { $0 + ", " } ?? "") + field.value
        }
        let answer = StoredAnswer(
            requestHash: digest.text, status: response.status.code, headers: headers,
            body: Data(collector.buffer.readableBytesView))
        try await idempotency.store(answer, scope: scope, key: key)
        return Response(
            status: response.status, headers: response.headers, body: .init(byteBuffer: collector.buffer))
    }
}

/// The creations with an Idempotency-Key that run now, so that a retry does not run beside the first.
final class RunningCreations: Sendable {
    private let keys = Mutex<Set<[String]>>([])

    /// Returns false when the same one runs already.
    func begin(_ scope: String, _ key: String) -> Bool { keys.withLock { $0.insert([scope, key]).inserted } }

    func end(_ scope: String, _ key: String) { keys.withLock { _ = $0.remove([scope, key]) } }
}

/// Collects a response's body, to store it.
private final class BodyCollector: ResponseBodyWriter {
    private(set) var buffer = ByteBuffer()

    func write(_ buffer: ByteBuffer) async throws { self.buffer.writeImmutableBuffer(buffer) }

    func finish(_ trailingHeaders: HTTPFields?) async throws {}
}

extension HTTPField.Name {
    /// `Idempotency-Key`.
    public static let idempotencyKey = HTTPField.Name("Idempotency-Key").unsafelyUnwrapped
    /// `Last-Event-ID`.
    public static let lastEventID = HTTPField.Name("Last-Event-ID").unsafelyUnwrapped
}
