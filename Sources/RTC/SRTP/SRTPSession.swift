// The session keys of one direction: encryption and authentication of RTP and RTCP (RFC 3711, RFC 7714).

import COpenSSL

/// IVs of 16 bytes live on the stack as two words in network order.
struct InitialVector {
    var words: (UInt64, UInt64)

    /// Counter mode: salt ⊕ SSRC·2^64 ⊕ index·2^16 (RFC 3711 section 4.1.1).
    @inline(__always)
    static func counter(salt: (UInt64, UInt64), ssrc: UInt32, index: UInt64) -> Self {
        Self(
            words: (
                (salt.0 ^ UInt64(ssrc)).bigEndian,
                (salt.1 ^ (index & 0xFFFF_FFFF_FFFF) << 16).bigEndian
            ))
    }

    /// GCM: 0, 0, SSRC, 48 bits of index, then ⊕ salt (RFC 7714 sections 8.1 and 9.1).
    @inline(__always)
    static func gcm(salt: (UInt64, UInt64), ssrc: UInt32, index: UInt64) -> Self {
        let first = UInt64(ssrc) << 16 | (index >> 32 & 0xFFFF)
        let second = (index & 0xFFFF_FFFF) << 32
        return Self(words: ((salt.0 ^ first).bigEndian, (salt.1 ^ second).bigEndian))
    }

    static func salt(_ bytes: [UInt8]) -> (UInt64, UInt64) {
        let padded = bytes + [UInt8](repeating: 0, count: max(0, 16 - bytes.count))
        return (
            padded[..<8].reduce(0) { $0 << 8 | UInt64($1) }, padded[8..<16].reduce(0) { $0 << 8 | UInt64($1) }
        )
    }
}

/// Keys of RTP or of RTCP in one direction.
struct SRTPStreamKeys: ~Copyable {
    let profile: SRTPProfile
    private let cipher: CipherContext
    private let hmac: HMACSHA1
    private let salt: (UInt64, UInt64)

    /// Takes session keys, not master keys.
    init(profile: SRTPProfile, cipherKey: [UInt8], salt: [UInt8], authenticationKey: [UInt8], isSender: Bool) {
        self.profile = profile
        self.salt = InitialVector.salt(salt)
        let gcm: CipherContext.Mode = isSender ? .gcmSeal : .gcmOpen
        cipher = CipherContext(profile == .aeadAES128GCM ? gcm : .counter, key: cipherKey)
        hmac = HMACSHA1(key: authenticationKey)
    }

    /// Derives session keys; the labels of RTCP lie 3 above those of RTP.
    init(_ master: SRTPKeys, isRTCP: Bool, isSender: Bool) {
        let base: UInt8 = isRTCP ? 3 : 0
        self.init(
            profile: master.profile, cipherKey: master.derive(label: base, count: 16),
            salt: master.derive(label: base + 2, count: master.profile.saltLength),
            authenticationKey: master.profile == .aeadAES128GCM ? [] : master.derive(label: base + 1, count: 20),
            isSender: isSender)
    }

    @inline(__always)
    private func begin(ssrc: UInt32, index: UInt64) {
        var iv =
            profile == .aeadAES128GCM
            ? InitialVector.gcm(salt: salt, ssrc: ssrc, index: index)
            : InitialVector.counter(salt: salt, ssrc: ssrc, index: index)
        withUnsafeBytes(of: &iv.words) { raw in
            if let base = raw.baseAddress { cipher.begin(iv: base.assumingMemoryBound(to: UInt8.self)) }
        }
    }

    /// Encrypts in pieces: `out[..<clear]` is there already, then `prefix` (may be empty) and `payload` are encrypted behind it.
    ///
    /// - Parameter trailer: what the HMAC covers behind the packet: the ROC, or nothing.
    /// - Returns: the packet's length with its tag, or nil when `out` is too small.
    @inline(__always)
    func seal(
        _ out: UnsafeMutableRawBufferPointer, clear: Int, prefix: UnsafeRawBufferPointer,
        payload: UnsafeRawBufferPointer,
        ssrc: UInt32, index: UInt64, extraAAD: UnsafeRawBufferPointer, trailer: UnsafeRawBufferPointer
    ) -> Int? {
        let body = prefix.count + payload.count, end = clear + body
        guard clear >= 0, end + profile.rtpOverhead <= out.count else { return nil }
        begin(ssrc: ssrc, index: index)
        if profile == .aeadAES128GCM {
            cipher.authenticate(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(out)[..<clear]))
            if extraAAD.count > 0 { cipher.authenticate(extraAAD) }
        }
        guard
            cipher.update(prefix, into: UnsafeMutableRawBufferPointer(rebasing: out[clear..<clear + prefix.count])),
            cipher.update(payload, into: UnsafeMutableRawBufferPointer(rebasing: out[clear + prefix.count..<end])),
            let base = out.baseAddress
        else { return nil }
        if profile == .aeadAES128GCM { return cipher.seal(tag: base + end) ? end + 16 : nil }
        sign(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(out)[..<end]), trailer) { tag in
            (base + end).copyMemory(from: tag, byteCount: 10)
        }
        return end + 10
    }

    /// Checks and decrypts in place; `packet` ends with the tag.
    ///
    /// - Returns: whether the packet is authentic; if not, GCM leaves garbage behind `clear`.
    @inline(__always)
    func open(
        _ packet: UnsafeMutableRawBufferPointer, clear: Int, ssrc: UInt32, index: UInt64,
        extraAAD: UnsafeRawBufferPointer, trailer: UnsafeRawBufferPointer
    ) -> Bool {
        let end = packet.count - profile.rtpOverhead
        guard clear <= end, let base = packet.baseAddress else { return false }
        let body = UnsafeMutableRawBufferPointer(rebasing: packet[clear..<end])
        if profile == .aeadAES128GCM {
            begin(ssrc: ssrc, index: index)
            cipher.authenticate(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(packet)[..<clear]))
            if extraAAD.count > 0 { cipher.authenticate(extraAAD) }
            return cipher.update(UnsafeRawBufferPointer(body), into: body) && cipher.open(tag: base + end)
        }
        var isAuthentic = false
        sign(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(packet)[..<end]), trailer) { tag in
            isAuthentic = CRYPTO_memcmp(tag, base + end, 10) == 0
        }
        guard isAuthentic else { return false }
        begin(ssrc: ssrc, index: index)
        return cipher.update(UnsafeRawBufferPointer(body), into: body)
    }

    @inline(__always)
    private func sign(
        _ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer, _ body: (UnsafeRawPointer) -> Void
    ) {
        var digest: (UInt64, UInt64, UInt32) = (0, 0, 0)
        withUnsafeMutableBytes(of: &digest) { raw in
            guard let base = raw.baseAddress else { return }
            hmac.sign(first, second, tag: base.assumingMemoryBound(to: UInt8.self))
            body(base)
        }
    }
}
