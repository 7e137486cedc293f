// SRTP against the vectors of RFC 3711 and RFC 7714.

import Testing

@testable import RTC

@Suite("SRTP vectors")
struct SRTPVectorTests {
    @Test("RFC 3711 B.2: the AES-CM key stream")
    func keyStream() {
        let cipher = CipherContext(.counter, key: hex("2B7E151628AED2A6ABF7158809CF4F3C"))
        cipher.begin(iv: hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD0000"))
        var out = [UInt8](repeating: 0, count: 48)
        let zeros = out
        out.withUnsafeMutableBytes { target in zeros.withUnsafeBytes { _ = cipher.update($0, into: target) } }
        #expect(
            out
                == hex(
                    "E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB 41E95B3BB0A2E8DD477901E4FCA894C0"
                ))
    }

    @Test("RFC 3711 B.3: session keys from the master key")
    func keyDerivation() throws {
        let keys = try #require(
            SRTPKeys(
                profile: .aes128CMHMACSHA1, key: hex("E1F97A0D3E018BE0D64FA32C06DE4139"),
                salt: hex("0EC675AD498AFEEBB6960B3AABE6")))
        #expect(keys.derive(label: 0, count: 16) == hex("C61E7A93744F39EE10734AFE3FF7A087"))
        #expect(keys.derive(label: 2, count: 14) == hex("30CBBC08863D8C85D49DB34A9AE1"))
        #expect(keys.derive(label: 1, count: 20) == hex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"))
    }

    @Test("RFC 7714 16.1: an AEAD_AES_128_GCM packet, both ways")
    func gcmPacket() throws {
        let key = hex("000102030405060708090a0b0c0d0e0f"), salt = hex("517569642070726f2071756f")
        let plain = hex(
            """
            8040f17b8041f8d35501a0b2 47616c6c696120657374206f6d6e697320646976697361
            20696e207061727465732074726573
            """)
        let sealed = hex(
            """
            8040f17b8041f8d35501a0b2 f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b
            36de3adf8833899d7f27beb16a9152cf765ee4390cce
            """)
        func keys(_ isSender: Bool) -> SRTPStreamKeys {
            SRTPStreamKeys(
                profile: .aeadAES128GCM, cipherKey: key, salt: salt, authenticationKey: [], isSender: isSender)
        }
        let sender = SRTPSender(rtp: keys(true), rtcp: keys(true), rtcpIndex: 0)
        var out = plain + [UInt8](repeating: 0, count: 16)
        let length = out.withUnsafeMutableBytes { out in
            plain.withUnsafeBytes { plain in
                sender.protect(
                    out, headerLength: 12, payload: UnsafeRawBufferPointer(rebasing: plain[12...]), ssrc: 0x5501_A0B2,
                    index: 0xF17B)
            }
        }
        #expect(length == sealed.count)
        #expect(out == sealed)
        let receiver = SRTPReceiver(rtp: keys(false), rtcp: keys(false))
        let header = try #require(sealed.withUnsafeBytes { RTPHeader($0) })
        let result = out.withUnsafeMutableBytes { bytes in try? receiver.unprotect(bytes, header: header) }
        #expect(result?.length == plain.count)
        #expect(Array(out.prefix(plain.count)) == plain)
    }
}
