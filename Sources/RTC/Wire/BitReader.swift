// Fields of so many bits, most significant first, as header extensions of video have them.

/// Bits of an element, most significant first; every read is checked.
struct BitReader {
    private let bytes: UnsafeRawBufferPointer
    /// How many bits have been read.
    private(set) var position = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    /// Reads up to 32 bits; nil when there are fewer.
    mutating func read(_ count: Int) -> UInt32? {
        guard count >= 0, count <= 32, position + count <= bytes.count * 8 else { return nil }
        var value: UInt32 = 0
        for _ in 0..<count {
            value = value << 1 | UInt32(bytes[position >> 3] >> UInt8(7 - position & 7) & 1)
            position += 1
        }
        return value
    }

    /// Steps over bits; false when there are fewer.
    mutating func skip(_ count: Int) -> Bool {
        guard count >= 0, count <= bytes.count * 8 - position else { return false }
        position += count
        return true
    }

    /// Reads a number below `count` in as few bits as tell it (`ns(n)`).
    mutating func readUneven(_ count: Int) -> Int? {
        guard count > 0 else { return nil }
        let width = Int.bitWidth - count.leadingZeroBitCount, short = (1 << width) - count
        guard let value = read(width - 1) else { return nil }
        if Int(value) < short { return Int(value) }
        guard let last = read(1) else { return nil }
        return (Int(value) << 1) - short + Int(last)
    }
}

/// Writes bits into a buffer, most significant first; what does not fit is left out, and said.
struct BitWriter {
    private let bytes: UnsafeMutableRawBufferPointer
    private var position = 0
    /// Whether all has fitted so far.
    private(set) var fits = true

    init(_ bytes: UnsafeMutableRawBufferPointer) { self.bytes = bytes }

    /// The bytes that were begun.
    var count: Int { (position + 7) / 8 }

    /// Writes the lowest bits of a value, up to 32.
    mutating func put(_ value: UInt32, _ count: Int) {
        guard fits, count >= 0, count <= 32, position + count <= bytes.count * 8 else {
            fits = false
            return
        }
        for bit in stride(from: count - 1, through: 0, by: -1) {
            let place = UInt8(7 - position & 7)
            if place == 7 { bytes[position >> 3] = 0 }
            bytes[position >> 3] |= UInt8(truncatingIfNeeded: value >> UInt32(bit) & 1) << place
            position += 1
        }
    }

    /// Writes what a reader has next.
    mutating func put(_ count: Int, from reader: inout BitReader) {
        var left = count
        while left > 0 {
            guard let value = reader.read(min(left, 32)) else {
                fits = false
                return
            }
            put(value, min(left, 32))
            left -= 32
        }
    }
}
