// The number of a picture as the payloads of VP8 and of VP9 have it alike (RFC 7741 section 4.2, RFC 9628 section 4.2).

extension ByteReader {
    /// Reads the number of a picture: 7 bits, or 15 where the first bit says so.
    ///
    /// - Returns: the number, and whether it has 15 bits; nil where the bytes end.
    mutating func pictureID() -> (id: UInt16, isLong: Bool)? {
        guard let first = u8() else { return nil }
        guard first & 0x80 != 0 else { return (UInt16(first), false) }
        guard let second = u8() else { return nil }
        return (UInt16(first & 0x7F) << 8 | UInt16(second), true)
    }
}
