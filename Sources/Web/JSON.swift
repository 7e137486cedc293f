// One way to read and write JSON, with RFC 3339 times in milliseconds.

public import Foundation
import HTTPTypes

/// JSON as the contract has it: UTF-8, camelCase, times as RFC 3339 UTC with milliseconds.
public enum JSON {
    /// Encodes with sorted keys, so that equal values give equal bytes.
    public static var encoder: JSONEncoder {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.dateEncodingStrategy = .custom { date, encoder in
            var container = encoder.singleValueContainer()
            try container.encode(timestamp(date))
        }
        return encoder
    }

    /// Writes a moment as RFC 3339 UTC with milliseconds.
    public static func timestamp(_ date: Date) -> String {
        date.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
    }

    /// Writes milliseconds since the Unix epoch as RFC 3339 UTC with milliseconds.
    public static func timestamp(milliseconds: Int64) -> String {
        timestamp(Date(timeIntervalSince1970: Double(milliseconds) / 1000))
    }

    /// Reads an RFC 3339 time with or without fractions; nil where it is none.
    public static func date(_ text: String) -> Date? {
        (try? Date(text, strategy: Date.ISO8601FormatStyle(includingFractionalSeconds: true)))
            ?? (try? Date(text, strategy: .iso8601))
    }

    /// Reads a value and refuses keys that it does not know.
    ///
    /// - Parameters:
    ///   - type: the type to read.
    ///   - data: UTF-8 JSON.
    /// - Throws: `Problem` 400 for malformed JSON, 422 naming the key or the pointer for anything else.
    public static func decodeStrictly<Value: Decodable>(_ type: Value.Type, from data: Data) throws(Problem) -> Value {
        let tree: JSONValue
        do {
            tree = try JSONDecoder().decode(JSONValue.self, from: data)
        } catch {
            throw Problem(
                .badRequest, "malformed-json", "The body is not JSON", detail: "The body could not be read as JSON.")
        }
        let decoder = StrictDecoder(tree)
        do {
            let value = try Value(from: decoder)
            if let pointer = decoder.firstUnknownKey() {
                throw Problem.invalid("Unknown key \"\(pointer.split(separator: "/").last ?? "")\".", pointer: pointer)
            }
            return value
        } catch let problem as Problem {
            throw problem
        } catch let DecodingError.keyNotFound(key, context) {
            throw .invalid("The key \"\(key.stringValue)\" is missing.", pointer: pointer(context.codingPath + [key]))
        } catch let DecodingError.typeMismatch(_, context), let DecodingError.valueNotFound(_, context),
            let DecodingError.dataCorrupted(context)
        {
            throw .invalid(context.debugDescription, pointer: pointer(context.codingPath))
        } catch {
            throw .invalid("The body does not fit.")
        }
    }

    static func pointer(_ path: [any CodingKey]) -> String {
        path.map { "/" + $0.stringValue.replacing("~", with: "~0").replacing("/", with: "~1") }.joined()
    }
}

/// Any JSON value.
public indirect enum JSONValue: Hashable, Sendable, Codable {
    case null, bool(Bool), integer(Int64), number(Double), string(String), array([JSONValue]), object(
        [String: JSONValue])

    /// Reads any JSON value.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? container.decode(Int64.self) {
            self = .integer(value)
        } else if let value = try? container.decode(Double.self) {
            self = .number(value)
        } else if let value = try? container.decode(String.self) {
            self = .string(value)
        } else if let value = try? container.decode([JSONValue].self) {
            self = .array(value)
        } else {
            self = .object(try container.decode([String: JSONValue].self))
        }
    }

    /// Writes the value.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .null: try container.encodeNil()
        case .bool(let value): try container.encode(value)
        case .integer(let value): try container.encode(value)
        case .number(let value): try container.encode(value)
        case .string(let value): try container.encode(value)
        case .array(let value): try container.encode(value)
        case .object(let value): try container.encode(value)
        }
    }
}
