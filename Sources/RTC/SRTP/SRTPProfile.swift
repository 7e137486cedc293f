// The two SRTP protection profiles that browsers agree on, and their key material.

/// A protection profile (RFC 5764 section 4.1.2, RFC 7714 section 14.2); raw values are the numbers of DTLS.
public enum SRTPProfile: Int, Sendable {
    case aes128CMHMACSHA1 = 0x0001
    case aeadAES128GCM = 0x0007

    /// What it is called (RFC 5764 section 4.1.2, RFC 7714 section 14.2).
    public var name: String {
        self == .aeadAES128GCM ? "SRTP_AEAD_AES_128_GCM" : "SRTP_AES128_CM_HMAC_SHA1_80"
    }
    /// Bytes of the master key.
    public var keyLength: Int { 16 }
    /// Bytes of the master salt.
    public var saltLength: Int { self == .aeadAES128GCM ? 12 : 14 }
    /// What an RTP packet grows by.
    public var rtpOverhead: Int { self == .aeadAES128GCM ? 16 : 10 }
    /// What an RTCP packet grows by, with its index word.
    public var rtcpOverhead: Int { rtpOverhead + 4 }
}

/// One direction's master key and salt.
public struct SRTPKeys: Sendable {
    /// The profile they are for.
    public let profile: SRTPProfile
    let key: [UInt8], salt: [UInt8]

    /// Creates keys; nil when the lengths are not the profile's.
    public init?(profile: SRTPProfile, key: [UInt8], salt: [UInt8]) {
        guard key.count == profile.keyLength, salt.count == profile.saltLength else { return nil }
        self.profile = profile
        self.key = key
        self.salt = salt
    }

    /// Splits exported DTLS keying material (RFC 5764 section 4.2) into the client's and the server's keys.
    public static func split(_ material: [UInt8], profile: SRTPProfile) -> (client: SRTPKeys, server: SRTPKeys)? {
        let key = profile.keyLength, salt = profile.saltLength
        guard material.count == 2 * (key + salt),
            let client = SRTPKeys(
                profile: profile, key: Array(material[..<key]), salt: Array(material[2 * key..<2 * key + salt])),
            let server = SRTPKeys(
                profile: profile, key: Array(material[key..<2 * key]), salt: Array(material[(2 * key + salt)...]))
        else { return nil }
        return (client, server)
    }

    /// Derives one session key with the AES-CM function and a key derivation rate of 0 (RFC 3711 section 4.3).
    func derive(label: UInt8, count: Int) -> [UInt8] {
        var block = salt + [UInt8](repeating: 0, count: 16 - salt.count)
        block[7] ^= label
        let cipher = CipherContext(.counter, key: key)
        var output = [UInt8](repeating: 0, count: count)
        let zeros = output
        cipher.begin(iv: block)
        output.withUnsafeMutableBytes { target in zeros.withUnsafeBytes { _ = cipher.update($0, into: target) } }
        return output
    }
}
