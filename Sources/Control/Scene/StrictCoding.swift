// Decoding that refuses what it does not know, and says where.

/// A key by its text, to see all keys that a JSON object has.
struct AnyKey: CodingKey {
    var stringValue: String
    var intValue: Int?
    init(_ text: String) { stringValue = text }
    init?(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) {
        stringValue = String(intValue)
        self.intValue = intValue
    }
}

extension Decoder {
    /// Throws, naming the key, when the object has one that is not among the known ones.
    func refuseUnknownKeys<Key: CodingKey & CaseIterable>(_ known: Key.Type) throws {
        let keys = try container(keyedBy: AnyKey.self).allKeys
        for key in keys.sorted(by: { $0.stringValue < $1.stringValue })
        where !Key.allCases.contains(where: { $0.stringValue == key.stringValue }) {
            throw invalid("unknown key \"\(key.stringValue)\"", at: [key])
        }
    }

    /// An error at this place, or at a place below it.
    func invalid(_ reason: String, at path: [any CodingKey] = []) -> DecodingError {
        .dataCorrupted(.init(codingPath: codingPath + path, debugDescription: reason))
    }
}

extension KeyedDecodingContainer {
    /// An error at one of the keys.
    func invalid(_ key: Key, _ reason: String) -> DecodingError {
        .dataCorrupted(.init(codingPath: codingPath + [key], debugDescription: reason))
    }

    /// Decodes a text of at most `limit` bytes of UTF-8.
    func text(_ key: Key, limit: Int) throws -> String {
        let text = try decode(String.self, forKey: key)
        guard text.utf8.count <= limit else { throw invalid(key, "longer than \(limit) bytes") }
        return text
    }

    /// Decodes one of a few words, when it is there; the error names them all.
    func choice<Value: RawRepresentable & CaseIterable>(_ type: Value.Type, _ key: Key) throws -> Value?
    where Value.RawValue == String {
        guard contains(key), !(try decodeNil(forKey: key)) else { return nil }
        guard let value = Value(rawValue: try decode(String.self, forKey: key)) else {
            let words = Value.allCases.map(\.rawValue)
            throw invalid(key, words.dropLast().joined(separator: ", ") + " or " + (words.last ?? ""))
        }
        return value
    }

    /// Decodes a text of at most `limit` bytes of UTF-8, when it is there.
    func textIfPresent(_ key: Key, limit: Int) throws -> String? {
        guard contains(key), !(try decodeNil(forKey: key)) else { return nil }
        return try text(key, limit: limit)
    }
}

/// What is wrong with a scene or a layout, and where in its JSON.
public struct SceneError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A JSON pointer (RFC 6901), such as `/slots/0/rect`; empty for the whole document.
    public let pointer: String
    /// What is wrong, for people.
    public let reason: String

    /// Creates an error.
    public init(pointer: String, reason: String) {
        self.pointer = pointer
        self.reason = reason
    }

    /// Takes place and reason out of what a decoder threw.
    public init(_ error: any Error) {
        guard let error = error as? DecodingError else {
            self.init(pointer: "", reason: "not JSON")
            return
        }
        func pointer(_ path: [any CodingKey]) -> String {
            path.map { key in
                "/" + (key.intValue.map(String.init) ?? Self.escaped(key.stringValue))
            }.joined()
        }
        switch error {
        case .keyNotFound(let key, let context):
            self.init(pointer: pointer(context.codingPath + [key]), reason: "missing")
        case .typeMismatch(let type, let context):
            self.init(pointer: pointer(context.codingPath), reason: "expected \(Self.name(type))")
        case .valueNotFound(let type, let context):
            self.init(pointer: pointer(context.codingPath), reason: "expected \(Self.name(type)), found null")
        case .dataCorrupted(let context):
            self.init(pointer: pointer(context.codingPath), reason: context.debugDescription)
        @unknown default:
            self.init(pointer: "", reason: "not understood")
        }
    }

    /// Pointer and reason in one line.
    public var description: String { pointer.isEmpty ? reason : "\(pointer): \(reason)" }

    private static func name(_ type: any Any.Type) -> String {
        switch type {
        case is String.Type: "a string"
        case is Bool.Type: "true or false"
        case is Double.Type: "a number"
        case is Int.Type, is Int64.Type: "a whole number"
        case is [Any].Type: "an array"
        default: "an object"
        }
    }

    private static func escaped(_ text: String) -> String {
        var result = ""
        for character in text {
            switch character {
            case "~": result += "~0"
            case "/": result += "~1"
            default: result.append(character)
            }
        }
        return result
    }
}
