// A self-signed certificate, and what its fingerprint looks like in a session description.

import CMediaShims

/// A certificate's hash (RFC 8122).
public struct DTLSFingerprint: Hashable, Sendable {
    /// The hash function's name in lower case: `sha-256`.
    public var algorithm: String
    /// The hash.
    public var bytes: [UInt8]

    /// Creates a fingerprint.
    public init(algorithm: String, bytes: [UInt8]) {
        self.algorithm = algorithm.lowercased()
        self.bytes = bytes
    }

    /// Reads `sha-256 AB:CD:…`; nil when it is not that, or the function is not one of SHA-2.
    public init?(text: some StringProtocol) {
        let parts = text.split(separator: " ")
        guard parts.count == 2 else { return nil }
        let algorithm = parts[0].lowercased()
        guard let count = Self.lengths[algorithm] else { return nil }
        var bytes: [UInt8] = []
        for part in parts[1].split(separator: ":", omittingEmptySubsequences: false) {
            guard part.utf8.count == 2, let byte = UInt8(part, radix: 16), bytes.count < count else { return nil }
            bytes.append(byte)
        }
        guard bytes.count == count else { return nil }
        self.init(algorithm: algorithm, bytes: bytes)
    }

    static let lengths = ["sha-256": 32, "sha-384": 48, "sha-512": 64]

    /// The form of session descriptions.
    public var text: String {
        let digits = Array("0123456789ABCDEF")
        return algorithm + " " + bytes.map { "\(digits[Int($0 >> 4)])\(digits[Int($0 & 15)])" }.joined(separator: ":")
    }
}

/// An ECDSA P-256 certificate made in memory; confined to one thread, as the endpoints that use it are.
public final class DTLSIdentity {
    let handle: OpaquePointer
    /// The SHA-256 fingerprint.
    public let fingerprint: DTLSFingerprint

    /// Makes a key and a certificate; nil when OpenSSL can't.
    ///
    /// - Parameter profiles: the SRTP profiles that its endpoints agree to, best first.
    public init?(profiles: [SRTPProfile] = [.aeadAES128GCM, .aes128CMHMACSHA1]) {
        let names = profiles.map { $0 == .aeadAES128GCM ? "SRTP_AEAD_AES_128_GCM" : "SRTP_AES128_CM_SHA1_80" }
        guard let handle = proscenium_dtls_identity_new(names.joined(separator: ":")) else { return nil }
        self.handle = handle
        var hash = [UInt8](repeating: 0, count: 32)
        proscenium_dtls_identity_fingerprint(handle, &hash)
        fingerprint = DTLSFingerprint(algorithm: "sha-256", bytes: hash)
    }

    deinit { proscenium_dtls_identity_free(handle) }
}
