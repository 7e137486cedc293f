// A rendered playlist as an HTTP face serves it.

public import Media

/// The bytes of a playlist and a tag that changes when they do.
public struct PlaylistResource: Sendable {
    /// The text in UTF-8.
    public let bytes: ByteBlock
    /// A strong entity tag with its quotes.
    public let etag: String

    init(_ text: String) {
        bytes = ByteBlock(Array(text.utf8))
        // FNV-1a, 64 bits: a change detector, not a signature.
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        etag = "\"\(String(hash, radix: 16))\""
    }
}
