// Decodes a JSON tree and remembers which keys were asked for, so that unknown ones can be refused.

import Foundation

/// A decoder over a JSON tree that knows, afterwards, which keys nobody asked for.
final class StrictDecoder: Decoder {
    let value: JSONValue
    let codingPath: [any CodingKey]
    let userInfo: [CodingUserInfoKey: Any] = [:]
    private var known: Set<String> = []
    private var isKeyed = false
    private var children: [StrictDecoder] = []

    init(_ value: JSONValue, path: [any CodingKey] = []) {
        self.value = value
        codingPath = path
    }

    /// The JSON pointer of a key that was present but never asked for, the first in order of names.
    func firstUnknownKey() -> String? {
        if isKeyed, case .object(let members) = value {
            let unknown = members.keys.filter { !known.contains($0) }.sorted()
            if let key = unknown.first { return JSON.pointer(codingPath + [Key(key)]) }
        }
        for child in children {
            if let pointer = child.firstUnknownKey() { return pointer }
        }
        return nil
    }

    func child(_ value: JSONValue, _ key: any CodingKey) -> StrictDecoder {
        let child = StrictDecoder(value, path: codingPath + [key])
        children.append(child)
        return child
    }

    func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
        guard case .object(let members) = value else { throw mismatch("An object is expected.") }
        isKeyed = true
        return KeyedDecodingContainer(Keyed<Key>(decoder: self, members: members))
    }

    func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
        guard case .array(let elements) = value else { throw mismatch("An array is expected.") }
        return Unkeyed(decoder: self, elements: elements)
    }

    func singleValueContainer() throws -> any SingleValueDecodingContainer { Single(decoder: self) }

    func mismatch(_ text: String) -> DecodingError {
        .typeMismatch(Any.self, .init(codingPath: codingPath, debugDescription: text))
    }

    func read<T: Decodable>(_ type: T.Type) throws -> T {
        switch type {
        case is String.Type:
            guard case .string(let text) = value, let result = text as? T else {
                throw mismatch("A string is expected.")
            }
            return result
        case is Bool.Type:
            guard case .bool(let flag) = value, let result = flag as? T else {
                throw mismatch("true or false is expected.")
            }
            return result
        case is Double.Type:
            guard let result = number as? T else { throw mismatch("A number is expected.") }
            return result
        case is Float.Type:
            // What only a Double can hold is no infinity.
            guard let narrow = number.map({ Float($0) }), narrow.isFinite, let result = narrow as? T else {
                throw mismatch("A number in range is expected.")
            }
            return result
        case is Date.Type:
            guard case .string(let text) = value, let result = JSON.date(text) as? T else {
                throw mismatch("A time in RFC 3339 form is expected.")
            }
            return result
        case is JSONValue.Type:
            guard let result = value as? T else { throw mismatch("A value is expected.") }
            return result
        case let type as any FixedWidthInteger.Type:
            guard let result = integer(type) as? T else { throw mismatch("A whole number in range is expected.") }
            return result
        default:
            return try T(from: self)
        }
    }

    private var number: Double? {
        switch value {
        case .integer(let whole): Double(whole)
        case .number(let real): real
        default: nil
        }
    }

    private func integer<I: FixedWidthInteger>(_ type: I.Type) -> I? {
        switch value {
        case .integer(let whole): I(exactly: whole)
        case .number(let real): I(exactly: real)
        default: nil
        }
    }

    fileprivate func ask(_ key: String) { known.insert(key) }

    fileprivate struct Key: CodingKey {
        let stringValue: String
        let intValue: Int?
        init(_ text: String) { (stringValue, intValue) = (text, nil) }
        init?(stringValue: String) { self.init(stringValue) }
        init?(intValue: Int) { (stringValue, self.intValue) = (String(intValue), intValue) }
    }

    private struct Keyed<K: CodingKey>: KeyedDecodingContainerProtocol {
        let decoder: StrictDecoder
        let members: [String: JSONValue]
        var codingPath: [any CodingKey] { decoder.codingPath }
        var allKeys: [K] {
            for key in members.keys where K(stringValue: key) != nil { decoder.ask(key) }
            return members.keys.compactMap { K(stringValue: $0) }
        }

        func contains(_ key: K) -> Bool {
            decoder.ask(key.stringValue)
            return members[key.stringValue] != nil
        }

        func decodeNil(forKey key: K) throws -> Bool { try member(key) == .null }

        func decode<T: Decodable>(_ type: T.Type, forKey key: K) throws -> T {
            try decoder.child(member(key), key).read(type)
        }

        func nestedContainer<N: CodingKey>(keyedBy type: N.Type, forKey key: K) throws -> KeyedDecodingContainer<N> {
            try decoder.child(member(key), key).container(keyedBy: type)
        }

        func nestedUnkeyedContainer(forKey key: K) throws -> any UnkeyedDecodingContainer {
            try decoder.child(member(key), key).unkeyedContainer()
        }

        func superDecoder() throws -> any Decoder { decoder }

        func superDecoder(forKey key: K) throws -> any Decoder { try decoder.child(member(key), key) }

        private func member(_ key: K) throws -> JSONValue {
            decoder.ask(key.stringValue)
            guard let value = members[key.stringValue] else {
                throw DecodingError.keyNotFound(key, .init(codingPath: codingPath, debugDescription: "missing"))
            }
            return value
        }
    }

    private struct Unkeyed: UnkeyedDecodingContainer {
        let decoder: StrictDecoder
        let elements: [JSONValue]
        var currentIndex = 0
        var codingPath: [any CodingKey] { decoder.codingPath }
        var count: Int? { elements.count }
        var isAtEnd: Bool { currentIndex >= elements.count }

        mutating func next() throws -> StrictDecoder {
            guard !isAtEnd else { throw decoder.mismatch("More elements are expected.") }
            defer { currentIndex += 1 }
            return decoder.child(elements[currentIndex], Key(String(currentIndex)))
        }

        mutating func decodeNil() throws -> Bool {
            guard !isAtEnd, elements[currentIndex] == .null else { return false }
            currentIndex += 1
            return true
        }

        mutating func decode<T: Decodable>(_ type: T.Type) throws -> T { try next().read(type) }

        mutating func nestedContainer<N: CodingKey>(keyedBy type: N.Type) throws -> KeyedDecodingContainer<N> {
            try next().container(keyedBy: type)
        }

        mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer { try next().unkeyedContainer() }

        mutating func superDecoder() throws -> any Decoder { try next() }
    }

    private struct Single: SingleValueDecodingContainer {
        let decoder: StrictDecoder
        var codingPath: [any CodingKey] { decoder.codingPath }
        func decodeNil() -> Bool { decoder.value == .null }
        func decode<T: Decodable>(_ type: T.Type) throws -> T { try decoder.read(type) }
    }
}
