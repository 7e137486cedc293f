// Reading AMF0 with a bound on everything that can grow.

/// Reads AMF0 values.
///
/// Counts on the wire are not believed; depth, strings and the number of values are capped.
struct AMF0Reader {
    static let maximumDepth = 16
    static let maximumProperties = 256
    static let maximumValues = 2048
    static let maximumStringLength = 65_535

    private var reader: ByteReader
    private var values = 0

    /// Reads all the values of a payload.
    ///
    /// - Parameter skipping: bytes in front that are not AMF0.
    static func values(_ payload: [UInt8], skipping: Int = 0) throws(AMF0Error) -> [AMF0Value] {
        var reader = AMF0Reader(reader: ByteReader(payload, offset: skipping))
        var result: [AMF0Value] = []
        while reader.reader.remaining > 0 { result.append(try reader.value(depth: 0)) }
        return result
    }

    private mutating func value(depth: Int) throws(AMF0Error) -> AMF0Value {
        values += 1
        guard depth <= Self.maximumDepth else { throw .tooDeep }
        guard values <= Self.maximumValues else { throw .tooManyValues }
        let marker = try need(reader.byte())
        switch marker {
        case 0x00: return .number(try need(reader.double()))
        case 0x01: return .boolean(try need(reader.byte()) != 0)
        case 0x02: return .string(try shortString())
        case 0x03: return .object(try properties(depth: depth))
        case 0x05: return .null
        case 0x06: return .undefined
        case 0x08:
            _ = try need(reader.big32())
            return .ecmaArray(try properties(depth: depth))
        case 0x0A:
            // An item needs at least one byte.
            let count = Int(try need(reader.big32()))
            guard count <= reader.remaining else { throw .truncated }
            guard count <= Self.maximumValues else { throw .tooManyValues }
            var items: [AMF0Value] = []
            for _ in 0..<count { items.append(try value(depth: depth + 1)) }
            return .strictArray(items)
        case 0x0B:
            let milliseconds = try need(reader.double())
            _ = try need(reader.big16())
            return .date(milliseconds)
        case 0x0C, 0x0F:
            let length = Int(try need(reader.big32()))
            guard length <= Self.maximumStringLength else { throw .stringTooLong }
            return .string(try need(reader.string(length)))
        case 0x10:
            _ = try shortString()
            return .object(try properties(depth: depth))
        default: throw .unsupportedMarker(marker)
        }
    }

    private mutating func properties(depth: Int) throws(AMF0Error) -> [AMF0Property] {
        var result: [AMF0Property] = []
        while true {
            let name = try shortString()
            if name.isEmpty {
                // The end is an empty name and marker 9; anything else is a value under an empty name.
                guard reader.remaining > 0 else { throw .truncated }
                if reader.bytes[reader.offset] == 0x09 {
                    _ = reader.byte()
                    return result
                }
            }
            guard result.count < Self.maximumProperties else { throw .tooManyValues }
            result.append(AMF0Property(name, try value(depth: depth + 1)))
        }
    }

    private mutating func shortString() throws(AMF0Error) -> String {
        let length = Int(try need(reader.big16()))
        return try need(reader.string(length))
    }

    private func need<Value>(_ value: Value?) throws(AMF0Error) -> Value {
        guard let value else { throw .truncated }
        return value
    }
}
