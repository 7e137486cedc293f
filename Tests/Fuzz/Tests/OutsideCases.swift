// What other people's tests write down, read from what `scripts/corpora.py` has made of it.

import Foundation
import Testing

/// A value of a test's source: a literal of Go, an array of C++.
enum OutsideValue: Decodable, Sendable {
    case nothing
    case flag(Bool)
    case number(Int)
    case large(UInt64)
    case real(Double)
    case text(String)
    case list([OutsideValue])
    case fields([String: OutsideValue])

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .nothing
        } else if let flag = try? container.decode(Bool.self) {
            self = .flag(flag)
        } else if let number = try? container.decode(Int.self) {
            self = .number(number)
        } else if let number = try? container.decode(UInt64.self) {
            self = .large(number)
        } else if let number = try? container.decode(Double.self) {
            self = .real(number)
        } else if let text = try? container.decode(String.self) {
            self = .text(text)
        } else if let list = try? container.decode([OutsideValue].self) {
            self = .list(list)
        } else {
            self = .fields(try container.decode([String: OutsideValue].self))
        }
    }

    /// A field; nothing where there is none.
    subscript(_ name: String) -> OutsideValue {
        if case .fields(let fields) = self { return fields[name] ?? .nothing }
        return .nothing
    }

    /// The elements; none where it is no list.
    var list: [OutsideValue] {
        if case .list(let list) = self { return list }
        return []
    }

    /// The fields with their names, in the order of these; none where it has none.
    var fields: [(name: String, value: OutsideValue)] {
        if case .fields(let fields) = self { return fields.sorted { $0.key < $1.key }.map { ($0.key, $0.value) } }
        return []
    }

    var text: String? {
        if case .text(let text) = self { return text }
        return nil
    }

    var isNothing: Bool {
        if case .nothing = self { return true }
        return false
    }

    var isTrue: Bool {
        if case .flag(let flag) = self { return flag }
        return false
    }

    /// A number that is not negative; 0 where nothing is said, as in Go.
    var number: UInt64 {
        switch self {
        case .number(let number): UInt64(clamping: number)
        case .large(let number): number
        case .real(let number): UInt64(number)
        default: 0
        }
    }

    /// Bytes, of their hexadecimal digits.
    var bytes: [UInt8]? {
        guard case .text(let text) = self, text.utf8.count % 2 == 0 else { return nil }
        let digits = text.compactMap(\.hexDigitValue)
        guard digits.count == text.utf8.count else { return nil }
        return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
    }
}

/// A literal, and where it stands.
struct OutsideCase: Decodable, Sendable {
    var file: String, test: String, name: String
    var value: OutsideValue

    /// Those of one origin.
    static func all(_ origin: String) throws -> [OutsideCase] {
        let files = try OutsideCorpusTests.files(origin, "cases.json")
        return try JSONDecoder().decode([OutsideCase].self, from: Data(try #require(files.first).bytes))
    }

    /// Every literal with this name in a test; an empty name is one that nothing is given.
    static func all(_ origin: String, _ file: String, _ test: String, _ name: String = "") throws -> [OutsideValue] {
        try all(origin).filter { $0.file == file && $0.test == test && $0.name == name }.map(\.value)
    }

    /// The bytes with this name in a test.
    static func bytes(_ origin: String, _ file: String, _ test: String, _ name: String) throws -> [UInt8] {
        try #require(try all(origin, file, test, name).first?.bytes, "\(origin): \(file), \(test), \(name)")
    }
}
