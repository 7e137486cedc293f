// SRTP against what RFC 3711 gives in appendix B, and against packets that libsrtp and Pion have sealed, read from their sources.

import Testing

@testable import RTC

@Suite("Outside keys")
struct OutsideKeyTests {
    private struct Vector {
        var profile: SRTPProfile
        var master: [UInt8]
        var plain: [UInt8], sealed: [UInt8]

        var keys: SRTPKeys? {
            let end = profile.keyLength + profile.saltLength
            guard master.count >= end else { return nil }
            return SRTPKeys(
                profile: profile, key: Array(master[..<profile.keyLength]), salt: Array(master[profile.keyLength..<end])
            )
        }
    }

    private static func seal(_ vector: Vector, index: Int64) throws -> [UInt8] {
        let sender = SRTPSender(try #require(vector.keys))
        var out = vector.plain + [UInt8](repeating: 0, count: vector.profile.rtpOverhead)
        let ssrc = vector.plain[8..<12].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        let length = out.withUnsafeMutableBytes { out in
            vector.plain.withUnsafeBytes {
                sender.protect(
                    out, headerLength: 12, payload: UnsafeRawBufferPointer(rebasing: $0[12...]), ssrc: ssrc,
                    index: index)
            }
        }
        return Array(out.prefix(length ?? 0))
    }

    @Test("RFC 3711 B.2: libsrtp's key stream of AES-CM is ours")
    func keyStream() throws {
        func bytes(_ name: String) throws -> [UInt8] {
            try OutsideCase.bytes("libsrtp2-vectors", "cipher_test_cases", "", "srtp_aes_icm_128_test_case_0_\(name)")
        }
        let key = try bytes("key"), plain = try bytes("plaintext")
        try #require(key.count == 30)
        let cipher = CipherContext(.counter, key: Array(key[..<16]))
        cipher.begin(iv: key[16...] + [0, 0])
        var out = plain
        out.withUnsafeMutableBytes { target in plain.withUnsafeBytes { _ = cipher.update($0, into: target) } }
        #expect(out == (try bytes("ciphertext")))
    }

    @Test("RFC 3711 B.3: Pion's session keys are ours")
    func keyDerivation() throws {
        func bytes(_ name: String) throws -> [UInt8] {
            try OutsideCase.bytes("pion-srtp", "key_derivation", "TestValidSessionKeys", name)
        }
        let keys = try #require(
            SRTPKeys(profile: .aes128CMHMACSHA1, key: try bytes("masterKey"), salt: try bytes("masterSalt")))
        #expect(keys.derive(label: 0, count: 16) == (try bytes("expectedSessionKey")))
        #expect(keys.derive(label: 2, count: 14) == (try bytes("expectedSessionSalt")))
        #expect(keys.derive(label: 1, count: 20) == (try bytes("expectedSessionAuthTag")))
    }

    @Test("what libsrtp seals we seal to the byte, and open, in both profiles")
    func libsrtp() throws {
        let profiles: [(SRTPProfile, test: String, key: String, plain: String)] = [
            (.aes128CMHMACSHA1, "srtp_validate", "test_key", "srtp_plaintext_ref"),
            (.aeadAES128GCM, "srtp_validate_gcm", "test_key_gcm", "rtp_plaintext_ref"),
        ]
        let all = try OutsideCase.all("libsrtp2-vectors").filter { $0.file == "srtp_driver" }
        for (profile, test, key, plain) in profiles {
            func bytes(_ name: String) throws -> [UInt8] {
                try #require(all.first { $0.test == test && $0.name == name }?.value.bytes, "\(test): \(name)")
            }
            let master = try #require(all.first { $0.name == key }?.value.bytes)
            let media = Vector(
                profile: profile, master: master, plain: try bytes(plain), sealed: try bytes("srtp_ciphertext"))
            #expect(try Self.seal(media, index: 0x1234) == media.sealed)
            let receiver = SRTPReceiver(try #require(media.keys))
            var packet = media.sealed
            let header = try #require(packet.withUnsafeBytes { RTPHeader($0) })
            let opened = try packet.withUnsafeMutableBytes { try receiver.unprotect($0, header: header) }
            #expect(opened.index == 0x1234)
            #expect(Array(packet.prefix(opened.length)) == media.plain)
            // libsrtp's first number is 1.
            let report = try bytes("rtcp_plaintext_ref"), sender = SRTPSender(try #require(media.keys))
            _ = sender.protectRTCP(report)
            #expect(sender.protectRTCP(report) == (try bytes("srtcp_ciphertext")))
        }
    }

    @Test("RTP that Pion seals we seal to the byte, up to the last sequence number")
    func pionMedia() throws {
        let all = try OutsideCase.all("pion-srtp").filter { $0.file == "srtp" }
        let cases = try #require(all.first { $0.test == "rtpTestCases" }?.value.list)
        let payload = try #require(all.first { $0.test == "rtpTestCaseDecrypted" }?.value.bytes)
        func context(_ name: String) throws -> [UInt8] {
            try #require(all.first { $0.test == "buildTestContext" && $0.name == name }?.value.bytes)
        }
        let key = try context("masterKey"), salt = try context("masterSalt")
        #expect(cases.count == 6)
        for one in cases {
            let number = one["sequenceNumber"].number
            let header = [0, 0, UInt8(number >> 8), UInt8(number & 255)] + [UInt8](repeating: 0, count: 8)
            for (profile, name) in [(SRTPProfile.aes128CMHMACSHA1, "encryptedCTR"), (.aeadAES128GCM, "encryptedGCM")] {
                let sealed = try #require(one[name].bytes)
                let vector = Vector(
                    profile: profile, master: key + salt.prefix(profile.saltLength), plain: header + payload,
                    sealed: header + sealed)
                #expect(try Self.seal(vector, index: Int64(number)) == vector.sealed, "\(name) \(number)")
            }
        }
    }

    @Test("RTCP that Pion seals we open, up to the last index there is, and no changed byte of it")
    func pionReports() throws {
        var opened = 0
        for (test, name) in [("rtcpTestCases", ""), ("TestRTCPMaxPackets", "testCases")] {
            let table = try #require(try OutsideCase.all("pion-srtp", "srtcp", test, name).first)
            for (name, one) in table.fields {
                let profile: SRTPProfile = name.contains("GCM") ? .aeadAES128GCM : .aes128CMHMACSHA1
                let master = try #require(one["masterKey"].bytes) + (try #require(one["masterSalt"].bytes))
                for packet in one["packets"].list {
                    let vector = Vector(
                        profile: profile, master: master, plain: try #require(packet["decrypted"].bytes),
                        sealed: try #require(packet["encrypted"].bytes))
                    let keys = try #require(vector.keys)
                    var bytes = vector.sealed
                    let length = try bytes.withUnsafeMutableBytes { try SRTPReceiver(keys).unprotectRTCP($0) }
                    #expect(Array(bytes.prefix(length)) == vector.plain, "\(test) \(name)")
                    for place in vector.sealed.indices {
                        var changed = vector.sealed
                        changed[place] ^= 1
                        let isTaken = changed.withUnsafeMutableBytes {
                            (try? SRTPReceiver(keys).unprotectRTCP($0)) != nil
                        }
                        #expect(!isTaken, "\(test) \(name): byte \(place)")
                    }
                    opened += 1
                }
            }
        }
        #expect(opened == 7)
    }
}
