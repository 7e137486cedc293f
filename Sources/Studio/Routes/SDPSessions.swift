// What WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep) have in common: a session made by an offer, and told of ICE by fragments.

internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import HummingbirdCore
internal import NIOCore
internal import Web

/// The types of the two protocols, and answers in their forms.
enum SDPSessions {
    static let description = "application/sdp", fragment = "application/trickle-ice-sdpfrag"
    static let offerLimitBytes = 64 * 1024

    /// A session that was made.
    ///
    /// - Parameters:
    ///   - answer: the SDP answer.
    ///   - location: the session's path.
    ///   - entityTag: names its generation of ICE.
    ///   - relays: values of `Link` (RFC 9725 section 4.6).
    static func created(_ answer: String, location: String, entityTag: String, relays: [String]) -> Response {
        var headers: HTTPFields = [
            .contentType: description, .location: location, .eTag: entityTag, .cacheControl: "no-store",
        ]
        headers[.acceptPatch] = fragment
        headers[values: .link] = relays
        return Response(status: .created, headers: headers, body: .init(byteBuffer: ByteBuffer(string: answer)))
    }

    /// What became of a fragment: nothing to say of candidates, and our side of a restart.
    static func patched(_ result: (entityTag: String, answer: String?)) -> Response {
        guard let answer = result.answer else { return .empty() }
        let headers: HTTPFields = [.contentType: fragment, .eTag: result.entityTag, .cacheControl: "no-store"]
        return Response(status: .ok, headers: headers, body: .init(byteBuffer: ByteBuffer(string: answer)))
    }

    /// Reads a body whole.
    ///
    /// - Throws: `Problem` 413.
    static func text(_ request: Request) async throws -> String {
        var request = request
        do {
            return String(buffer: try await request.collectBody(upTo: offerLimitBytes))
        } catch {
            throw Problem(.contentTooLarge, "too-large", "The body is too large")
        }
    }
}

/// Which generation of ICE a fragment is for (RFC 9725 section 4.3.1).
enum ICEGeneration: Sendable, Equatable {
    /// A new one: ICE begins anew.
    case next
    /// The one with one of these entity tags.
    case tagged([String])

    /// Reads `If-Match`.
    ///
    /// - Throws: `Problem` 428 where there is none.
    init(_ request: Request) throws(Problem) {
        guard let given = request.headers[.ifMatch] else {
            throw Problem(
                .preconditionRequired, "precondition-required", "If-Match is needed",
                detail: "Candidates name the session's ETag in If-Match, and a restart of ICE names *.")
        }
        let tags = given.split(separator: ",").prefix(16).map { $0.trimmingCharacters(in: .whitespaces) }
        self = tags == ["*"] ? .next : .tagged(tags)
    }

    /// Checks that a fragment is for the generation that there is.
    ///
    /// - Throws: `Problem` 412 where it is for another.
    func check(_ current: String) throws(Problem) {
        guard case .tagged(let tags) = self, !tags.contains(current) else { return }
        throw Problem(
            .preconditionFailed, "changed", "ICE was restarted",
            detail: "If-Match names another generation of ICE than the session's.")
    }
}

/// Lets programs of other origins in by WHIP and WHEP, and says what can be done there.
///
/// Who calls is told by a token that a program adds by itself, and cookies are not taken from other origins, so any may ask.
struct SDPDoor: RouterMiddleware {
    typealias Context = WebContext

    /// What a path of the two protocols answers.
    private struct Place {
        let methods: [HTTPRequest.Method]
        let accept: (name: HTTPField.Name, type: String)

        init?(_ path: String) {
            let parts = path.split(separator: "/", maxSplits: 6, omittingEmptySubsequences: false)
            guard parts.count >= 5, parts[0].isEmpty, parts[1] == "v1", parts[2] == "events",
                parts[4] == "whip" || parts[4] == "whep"
            else { return nil }
            switch parts.count {
            case 5: (methods, accept) = ([.post], (.acceptPost, SDPSessions.description))
            case 6: (methods, accept) = ([.patch, .delete], (.acceptPatch, SDPSessions.fragment))
            default: return nil
            }
        }

        var allow: String { ([.get, .head] + methods + [.options]).map(\.rawValue).joined(separator: ", ") }
    }

    @concurrent
    func handle(
        _ request: Request, context: WebContext, next: @concurrent (Request, WebContext) async throws -> Response
    ) async throws -> Response {
        guard let place = Place(request.uri.path) else { return try await next(request, context) }
        var response: Response
        if request.method == .options {
            response = Response(status: .ok)
            response.headers[.allow] = place.allow
            response.headers[place.accept.name] = place.accept.type
            response.headers[.accessControlAllowMethods] = place.allow
            response.headers[.accessControlAllowHeaders] = "Authorization, Content-Type, Idempotency-Key, If-Match"
            response.headers[.accessControlMaxAge] = "86400"
        } else if request.method == .get || request.method == .head {
            // There is nothing to show, whether such a session is there or not, and that is a success (RFC 9725 section 4.1).
            response = .empty()
        } else if place.methods.contains(request.method) {
            response = try await next(request, context)
            if response.status == .unsupportedMediaType { response.headers[place.accept.name] = place.accept.type }
        } else {
            var problem = Problem(
                .methodNotAllowed, "method", "Not a method of this", detail: "It takes \(place.allow).")
            problem.extraHeaders[.allow] = place.allow
            response = try problem.response(from: request, context: context)
        }
        response.headers[.accessControlAllowOrigin] = "*"
        response.headers[.accessControlExposeHeaders] = "Accept-Patch, ETag, Link, Location, Retry-After"
        return response
    }
}

extension HTTPField.Name {
    fileprivate static let acceptPost = Self("Accept-Post").unsafelyUnwrapped
    fileprivate static let acceptPatch = Self("Accept-Patch").unsafelyUnwrapped
    fileprivate static let link = Self("Link").unsafelyUnwrapped
}
