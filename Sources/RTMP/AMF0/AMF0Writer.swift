// Writing AMF0.

/// Writes AMF0 values.
enum AMF0Writer {
    static func write(_ value: AMF0Value, into output: inout [UInt8]) {
        switch value {
        case .number(let number):
            output.append(0x00)
            output.appendBig64(number.bitPattern)
        case .boolean(let boolean):
            output.append(0x01)
            output.append(boolean ? 1 : 0)
        case .string(let string):
            let bytes = Array(string.utf8)
            if bytes.count <= 0xFFFF {
                output.append(0x02)
                output.appendBig16(UInt16(bytes.count))
            } else {
                output.append(0x0C)
                output.appendBig32(UInt32(truncatingIfNeeded: bytes.count))
            }
            output += bytes
        case .object(let properties):
            output.append(0x03)
            write(properties, into: &output)
        case .null: output.append(0x05)
        case .undefined: output.append(0x06)
        case .ecmaArray(let properties):
            output.append(0x08)
            output.appendBig32(UInt32(truncatingIfNeeded: properties.count))
            write(properties, into: &output)
        case .strictArray(let items):
            output.append(0x0A)
            output.appendBig32(UInt32(truncatingIfNeeded: items.count))
            for item in items { write(item, into: &output) }
        case .date(let milliseconds):
            output.append(0x0B)
            output.appendBig64(milliseconds.bitPattern)
            output.appendBig16(0)
        }
    }

    private static func write(_ properties: [AMF0Property], into output: inout [UInt8]) {
        for property in properties {
            let name = Array(property.name.utf8.prefix(0xFFFF))
            output.appendBig16(UInt16(name.count))
            output += name
            write(property.value, into: &output)
        }
        output += [0, 0, 9]
    }
}
