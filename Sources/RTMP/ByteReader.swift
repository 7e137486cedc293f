// Bounds-checked reading of a small message.

/// A cursor over the bytes of one message; a read past the end gives nil and moves nothing.
struct ByteReader {
    let bytes: [UInt8]
    private(set) var offset: Int

    init(_ bytes: [UInt8], offset: Int = 0) {
        self.bytes = bytes
        self.offset = min(max(0, offset), bytes.count)
    }

    var remaining: Int { bytes.count - offset }

    mutating func byte() -> UInt8? {
        guard remaining >= 1 else { return nil }
        defer { offset += 1 }
        return bytes[offset]
    }

    mutating func big16() -> UInt16? { integer(2).map { UInt16(truncatingIfNeeded: $0) } }
    mutating func big24() -> UInt32? { integer(3).map { UInt32(truncatingIfNeeded: $0) } }
    mutating func big32() -> UInt32? { integer(4).map { UInt32(truncatingIfNeeded: $0) } }
    mutating func double() -> Double? { integer(8).map { Double(bitPattern: $0) } }

    mutating func string(_ length: Int) -> String? {
        guard length >= 0, remaining >= length else { return nil }
        defer { offset += length }
        return String(decoding: bytes[offset..<offset + length], as: UTF8.self)
    }

    /// Skips bytes and returns where they lie.
    mutating func range(_ length: Int) -> Range<Int>? {
        guard length >= 0, remaining >= length else { return nil }
        defer { offset += length }
        return offset..<offset + length
    }

    private mutating func integer(_ size: Int) -> UInt64? {
        guard remaining >= size else { return nil }
        defer { offset += size }
        return bytes[offset..<offset + size].reduce(0) { $0 << 8 | UInt64($1) }
    }
}

extension [UInt8] {
    mutating func appendBig16(_ value: UInt16) {
        append(UInt8(truncatingIfNeeded: value >> 8))
        append(UInt8(truncatingIfNeeded: value))
    }

    mutating func appendBig24(_ value: UInt32) {
        append(UInt8(truncatingIfNeeded: value >> 16))
        appendBig16(UInt16(truncatingIfNeeded: value))
    }

    mutating func appendBig32(_ value: UInt32) {
        appendBig16(UInt16(truncatingIfNeeded: value >> 16))
        appendBig16(UInt16(truncatingIfNeeded: value))
    }

    mutating func appendBig64(_ value: UInt64) {
        appendBig32(UInt32(truncatingIfNeeded: value >> 32))
        appendBig32(UInt32(truncatingIfNeeded: value))
    }
}
