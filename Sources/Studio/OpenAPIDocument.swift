// The description of the API, written in YAML and served as JSON.

internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import HummingbirdCore
internal import Logging
internal import NIOCore
internal import Web
internal import Yams

/// `/openapi.json`: the file as it was when Studio started.
struct OpenAPIDocument: Sendable {
    private let json: ByteBuffer?

    /// Reads the description; a file that is missing or can't be read costs the route, never the start.
    ///
    /// - Parameters:
    ///   - file: OpenAPI in YAML.
    ///   - logger: told of a file that can't be read.
    init(file: URL, logger: Logger) {
        guard let text = try? String(contentsOf: file, encoding: .utf8) else {
            json = nil
            return
        }
        do {
            json = ByteBuffer(bytes: try JSON.encoder.encode(try Self.value(of: text)))
        } catch {
            logger.error("the description of the API can't be read", metadata: ["error": "\(error)"])
            json = nil
        }
    }

    func add(to book: RouteBook) {
        book.add(.get, "/openapi.json", .open) { [json] _, _ in
            guard let json else { throw Problem.notFound("This installation has no description of its API.") }
            let headers: HTTPFields = [.contentType: "application/json", .cacheControl: "no-cache"]
            return Response(status: .ok, headers: headers, body: .init(byteBuffer: json))
        }
    }

    /// Converts YAML to the JSON value that it stands for.
    ///
    /// - Throws: what the parser says of text that is not YAML, of an alias or of a key that is no text.
    static func value(of yaml: String) throws -> JSONValue {
        guard let root = try Yams.compose(yaml: yaml) else { return .null }
        return try value(of: root)
    }

    private static func value(of node: Node) throws -> JSONValue {
        switch node {
        case .mapping(let mapping):
            var object: [String: JSONValue] = [:]
            for (key, item) in mapping {
                guard let name = key.scalar?.string else { throw OpenAPIDocumentError.unusable("\(key)") }
                object[name] = try value(of: item)
            }
            return .object(object)
        case .sequence(let sequence): return .array(try sequence.map { try value(of: $0) })
        case .scalar(let scalar): return value(of: scalar, node)
        case .alias: throw OpenAPIDocumentError.unusable("\(node)")
        }
    }

    /// What is quoted is text; moments are text too, as JSON has no type for them.
    private static func value(of scalar: Node.Scalar, _ node: Node) -> JSONValue {
        guard scalar.style == .plain else { return .string(scalar.string) }
        switch Resolver.default.resolveTag(of: node) {
        case .null: return .null
        case .bool: return node.bool.map { .bool($0) } ?? .string(scalar.string)
        case .int: return node.int.map { .integer(Int64($0)) } ?? .string(scalar.string)
        case .float: return node.float.map { .number($0) } ?? .string(scalar.string)
        default: return .string(scalar.string)
        }
    }
}

private enum OpenAPIDocumentError: Error {
    /// A part of the YAML that has no counterpart in JSON.
    case unusable(String)
}
