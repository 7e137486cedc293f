// HMAC-SHA1 with the key's blocks hashed once (RFC 2104).

import CMediaShims

struct HMACSHA1: ~Copyable {
    private let handle: OpaquePointer

    init(key: [UInt8]) {
        guard let handle = proscenium_hmac_new(key, key.count) else {
            // A few hundred bytes could not be had: the process can't go on.
            preconditionFailure("out of memory")
        }
        self.handle = handle
    }

    deinit { proscenium_hmac_free(handle) }

    func sign(_ bytes: [UInt8]) -> [UInt8] {
        var tag = [UInt8](repeating: 0, count: 20)
        proscenium_hmac_sign(handle, bytes, bytes.count, nil, 0, &tag)
        return tag
    }

    /// Writes 20 bytes to `tag`.
    @inline(__always)
    func sign(
        _ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer, tag: UnsafeMutablePointer<UInt8>
    ) {
        proscenium_hmac_sign(
            handle, first.baseAddress?.assumingMemoryBound(to: UInt8.self), first.count,
            second.baseAddress?.assumingMemoryBound(to: UInt8.self), second.count, tag)
    }
}
