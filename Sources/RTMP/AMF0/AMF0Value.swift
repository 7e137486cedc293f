// The values of AMF0.

/// A named value of an AMF0 object; order is kept, names may repeat.
struct AMF0Property: Equatable, Sendable {
    var name: String
    var value: AMF0Value

    init(_ name: String, _ value: AMF0Value) {
        self.name = name
        self.value = value
    }
}

/// A value of Action Message Format 0.
enum AMF0Value: Equatable, Sendable {
    case number(Double)
    case boolean(Bool)
    case string(String)
    case object([AMF0Property])
    case null
    case undefined
    case ecmaArray([AMF0Property])
    case strictArray([AMF0Value])
    /// Milliseconds since the Unix epoch.
    case date(Double)

    /// The first property of that name, when the value is an object or an ECMA array.
    subscript(name: String) -> AMF0Value? {
        switch self {
        case .object(let properties), .ecmaArray(let properties): properties.first { $0.name == name }?.value
        default: nil
        }
    }

    var string: String? { if case .string(let value) = self { value } else { nil } }
    var number: Double? { if case .number(let value) = self { value } else { nil } }
}

/// A fault in AMF0 bytes.
enum AMF0Error: Error, Equatable {
    case truncated
    case tooDeep
    case tooManyValues
    case stringTooLong
    case unsupportedMarker(UInt8)
}
