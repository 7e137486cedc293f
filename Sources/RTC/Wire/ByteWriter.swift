// Writing of network bytes into an array: for the control messages, not for the packet path.

/// A growing array of bytes with big-endian appends.
public struct ByteWriter {
    /// What has been written.
    public var bytes: [UInt8] = []

    /// Creates an empty writer.
    public init(capacity: Int = 128) { bytes.reserveCapacity(capacity) }

    /// How many bytes have been written.
    public var count: Int { bytes.count }

    /// Appends one byte.
    public mutating func u8(_ value: UInt8) { bytes.append(value) }

    /// Appends 2 bytes.
    public mutating func u16(_ value: UInt16) {
        bytes.append(UInt8(value >> 8))
        bytes.append(UInt8(truncatingIfNeeded: value))
    }

    /// Appends the low 3 bytes.
    public mutating func u24(_ value: UInt32) {
        bytes.append(UInt8(truncatingIfNeeded: value >> 16))
        u16(UInt16(truncatingIfNeeded: value))
    }

    /// Appends 4 bytes.
    public mutating func u32(_ value: UInt32) {
        u16(UInt16(value >> 16))
        u16(UInt16(truncatingIfNeeded: value))
    }

    /// Appends 8 bytes.
    public mutating func u64(_ value: UInt64) {
        u32(UInt32(value >> 32))
        u32(UInt32(truncatingIfNeeded: value))
    }

    /// Appends bytes as they are.
    public mutating func append(_ other: some Sequence<UInt8>) { bytes.append(contentsOf: other) }

    /// Overwrites 2 bytes that were written before.
    public mutating func patch(u16 value: UInt16, at offset: Int) {
        guard offset >= 0, offset + 2 <= bytes.count else { return }
        bytes[offset] = UInt8(value >> 8)
        bytes[offset + 1] = UInt8(truncatingIfNeeded: value)
    }

    /// Appends zeros up to a multiple of 4 bytes.
    public mutating func pad() { while bytes.count & 3 != 0 { bytes.append(0) } }
}
