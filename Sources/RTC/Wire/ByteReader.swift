// Bounds-checked reading of network bytes: a short buffer gives nil, never a trap.

/// A cursor over bytes that the caller keeps alive; every read is checked.
public struct ByteReader {
    /// The bytes.
    public let bytes: UnsafeRawBufferPointer
    /// How many bytes have been read.
    public private(set) var offset = 0

    /// Starts at the first byte.
    public init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    /// How many bytes are left.
    public var remaining: Int { bytes.count - offset }

    /// Reads one byte.
    @inline(__always)
    public mutating func u8() -> UInt8? {
        guard remaining >= 1 else { return nil }
        defer { offset += 1 }
        return bytes[offset]
    }

    /// Reads a big-endian number of 2 bytes.
    @inline(__always)
    public mutating func u16() -> UInt16? { load(UInt16.self) }

    /// Reads a big-endian number of 3 bytes.
    public mutating func u24() -> UInt32? {
        guard let high = remaining >= 3 ? u8() : nil, let low = u16() else { return nil }
        return UInt32(high) << 16 | UInt32(low)
    }

    /// Reads a big-endian number of 4 bytes.
    @inline(__always)
    public mutating func u32() -> UInt32? { load(UInt32.self) }

    /// Reads a big-endian number of 8 bytes.
    @inline(__always)
    public mutating func u64() -> UInt64? { load(UInt64.self) }

    /// Takes the next `count` bytes as a view into the same memory.
    public mutating func take(_ count: Int) -> UnsafeRawBufferPointer? {
        guard count >= 0, remaining >= count else { return nil }
        defer { offset += count }
        return UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count])
    }

    /// Steps over bytes; returns whether there were enough.
    @discardableResult
    public mutating func skip(_ count: Int) -> Bool { take(count) != nil }

    @inline(__always)
    private mutating func load<Number: FixedWidthInteger & BitwiseCopyable>(_ type: Number.Type) -> Number? {
        let size = MemoryLayout<Number>.size
        guard remaining >= size else { return nil }
        defer { offset += size }
        return Number(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: type))
    }
}
