// The NAL units of one access unit: their bounds checked, their lengths made 4 bytes.

import Media

/// One access unit in AVC form with 4-byte lengths.
struct NALUnits {
    let payload: ByteBlock
    let hasIDR: Bool

    /// Copies an access unit, or gives nil when its lengths do not add up or it is empty.
    init?(_ bytes: [UInt8], _ range: Range<Int>, lengthSize: Int) {
        var offset = range.lowerBound
        var units = 0
        var hasIDR = false
        while offset < range.upperBound {
            guard let length = Self.length(bytes, offset, lengthSize, end: range.upperBound) else { return nil }
            offset += lengthSize
            guard length > 0, length <= range.upperBound - offset else { return nil }
            hasIDR = hasIDR || bytes[offset] & 0x1F == 5
            units += 1
            offset += length
        }
        guard units > 0 else { return nil }
        self.hasIDR = hasIDR
        guard lengthSize != 4 else {
            payload = bytes.withUnsafeBytes { ByteBlock(copying: UnsafeRawBufferPointer(rebasing: $0[range])) }
            return
        }
        var rewritten: [UInt8] = []
        rewritten.reserveCapacity(range.count + units * (4 - lengthSize))
        offset = range.lowerBound
        while let length = Self.length(bytes, offset, lengthSize, end: range.upperBound) {
            rewritten.appendBig32(UInt32(truncatingIfNeeded: length))
            rewritten += bytes[offset + lengthSize..<offset + lengthSize + length]
            offset += lengthSize + length
        }
        payload = ByteBlock(rewritten)
    }

    private static func length(_ bytes: [UInt8], _ offset: Int, _ size: Int, end: Int) -> Int? {
        guard end - offset >= size else { return nil }
        return bytes[offset..<offset + size].reduce(0) { $0 << 8 | Int($1) }
    }
}
