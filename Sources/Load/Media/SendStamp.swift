// When a packet was sent, told inside it: the last twelve bytes of the last payload of each picture.

/// The stamp by which a receiver tells how long a packet was on its way.
///
/// It follows the picture's own bytes: four letters, then the moment in nanoseconds since the Unix epoch, in network order. A
/// VP8 decoder does not look at what follows the last partition (RFC 6386 section 9.5), and no SFU changes payloads.
enum SendStamp {
    static let length = 12
    private static let mark: UInt32 = 0x5053_4C54

    /// Writes the stamp; `bytes` has room for it.
    @inline(__always)
    static func write(_ nanoseconds: Int64, to bytes: UnsafeMutableRawPointer) {
        bytes.storeBytes(of: mark.bigEndian, as: UInt32.self)
        bytes.storeBytes(of: nanoseconds.bigEndian, toByteOffset: 4, as: Int64.self)
    }

    /// Reads the stamp at the end of a payload; nil where there is none.
    @inline(__always)
    static func read(_ payload: UnsafeRawBufferPointer) -> Int64? {
        guard payload.count > length, let base = payload.baseAddress else { return nil }
        let start = payload.count - length
        guard base.loadUnaligned(fromByteOffset: start, as: UInt32.self).bigEndian == mark else { return nil }
        return base.loadUnaligned(fromByteOffset: start + 4, as: Int64.self).bigEndian
    }
}
