// One OpenSSL cipher with its key schedule kept: per packet only the IV is set.

import COpenSSL

struct CipherContext: ~Copyable {
    enum Mode { case counter, gcmSeal, gcmOpen }

    private let handle: OpaquePointer
    private let mode: Mode

    init(_ mode: Mode, key: [UInt8]) {
        guard let handle = EVP_CIPHER_CTX_new() else { preconditionFailure("out of memory") }
        let cipher = mode == .counter ? EVP_aes_128_ctr() : EVP_aes_128_gcm()
        let status =
            mode == .gcmOpen
            ? EVP_DecryptInit_ex(handle, cipher, nil, key, nil) : EVP_EncryptInit_ex(handle, cipher, nil, key, nil)
        precondition(status == 1, "AES-128 is missing from OpenSSL")
        self.handle = handle
        self.mode = mode
    }

    deinit { EVP_CIPHER_CTX_free(handle) }

    @inline(__always)
    func begin(iv: UnsafePointer<UInt8>) {
        if mode == .gcmOpen {
            EVP_DecryptInit_ex(handle, nil, nil, nil, iv)
        } else {
            EVP_EncryptInit_ex(handle, nil, nil, nil, iv)
        }
    }

    /// Adds bytes that are authenticated and not encrypted.
    @inline(__always)
    func authenticate(_ bytes: UnsafeRawBufferPointer) {
        var written: Int32 = 0
        let input = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
        if mode == .gcmOpen {
            EVP_DecryptUpdate(handle, nil, &written, input, Int32(bytes.count))
        } else {
            EVP_EncryptUpdate(handle, nil, &written, input, Int32(bytes.count))
        }
    }

    /// Encrypts or decrypts; `target` holds as many bytes as `source`, and may be the same memory.
    @inline(__always)
    func update(_ source: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer) -> Bool {
        guard source.count > 0 else { return true }
        guard target.count >= source.count else { return false }
        var written: Int32 = 0
        let input = source.baseAddress?.assumingMemoryBound(to: UInt8.self)
        let output = target.baseAddress?.assumingMemoryBound(to: UInt8.self)
        if mode == .gcmOpen {
            return EVP_DecryptUpdate(handle, output, &written, input, Int32(source.count)) == 1
        }
        return EVP_EncryptUpdate(handle, output, &written, input, Int32(source.count)) == 1
    }

    /// Ends a GCM encryption; writes 16 bytes.
    @inline(__always)
    func seal(tag: UnsafeMutableRawPointer) -> Bool {
        var written: Int32 = 0, spare: UInt64 = 0
        return withUnsafeMutablePointer(to: &spare) { spare in
            spare.withMemoryRebound(to: UInt8.self, capacity: 8) { EVP_EncryptFinal_ex(handle, $0, &written) == 1 }
        } && EVP_CIPHER_CTX_ctrl(handle, EVP_CTRL_AEAD_GET_TAG, 16, tag) == 1
    }

    /// Ends a GCM decryption; returns whether the 16 bytes of the tag are right.
    @inline(__always)
    func open(tag: UnsafeRawPointer) -> Bool {
        var written: Int32 = 0, spare: UInt64 = 0
        guard EVP_CIPHER_CTX_ctrl(handle, EVP_CTRL_AEAD_SET_TAG, 16, UnsafeMutableRawPointer(mutating: tag)) == 1 else {
            return false
        }
        return withUnsafeMutablePointer(to: &spare) { spare in
            spare.withMemoryRebound(to: UInt8.self, capacity: 8) { EVP_DecryptFinal_ex(handle, $0, &written) == 1 }
        }
    }
}
