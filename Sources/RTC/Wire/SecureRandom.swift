// Random values that nobody can guess, from OpenSSL.

import COpenSSL

/// Random numbers and names for ports of trust: ufrag, password, SSRC, first sequence numbers.
public enum SecureRandom {
    /// Fills an array with random bytes.
    public static func bytes(_ count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: max(0, count))
        // Without randomness nothing here is safe to run; the supervisor starts the process again.
        precondition(RAND_bytes(&bytes, Int32(bytes.count)) == 1, "no randomness")
        return bytes
    }

    /// Returns a random number.
    public static func u32() -> UInt32 { bytes(4).reduce(0) { $0 << 8 | UInt32($1) } }

    /// Returns a random number.
    public static func u64() -> UInt64 { bytes(8).reduce(0) { $0 << 8 | UInt64($1) } }

    /// Returns text of the characters that ICE allows (RFC 8839 section 5.4), 6 random bits each.
    public static func iceText(_ count: Int) -> String {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        return String(decoding: bytes(count).map { alphabet[Int($0 & 63)] }, as: UTF8.self)
    }
}
