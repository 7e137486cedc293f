// A name of a few bytes in place, as header extensions carry it.

/// Up to 16 bytes of a name: what fits into an extension of the one-byte form (RFC 8285 section 4.2).
struct ShortName: BitwiseCopyable {
    private var bytes: (UInt64, UInt64) = (0, 0)
    private var count = 0

    /// No name.
    init() {}

    /// Takes a name; one that is longer than 16 bytes is none, because no extension can carry it.
    init(_ name: String) {
        let utf8 = Array(name.utf8)
        guard utf8.count <= 16 else { return }
        count = utf8.count
        withUnsafeMutableBytes(of: &bytes) { $0.copyBytes(from: utf8) }
    }

    /// Calls with its bytes.
    @inline(__always)
    func withBytes(_ body: (UnsafeRawBufferPointer) -> Void) {
        withUnsafeBytes(of: bytes) { body(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
    }
}
