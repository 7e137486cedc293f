// SRTP against libsrtp2, against replays, wraps and changed bytes.

import CSRTP
import Testing

@testable import RTC

/// libsrtp2 as a second opinion; it works in place on a buffer with room for its trailer.
private final class Oracle {
    private var session: srtp_t?
    private var key: [UInt8]

    private static let isReady: Bool = srtp_init() == srtp_err_status_ok

    init(_ profile: SRTPProfile, key: [UInt8], salt: [UInt8], outbound: Bool) {
        #expect(Self.isReady)
        self.key = key + salt
        var policy = srtp_policy_t()
        if profile == .aeadAES128GCM {
            srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtp)
            srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtcp)
        } else {
            srtp_crypto_policy_set_rtp_default(&policy.rtp)
            srtp_crypto_policy_set_rtcp_default(&policy.rtcp)
        }
        policy.ssrc.type = outbound ? ssrc_any_outbound : ssrc_any_inbound
        policy.window_size = 1024
        self.key.withUnsafeMutableBufferPointer {
            policy.key = $0.baseAddress
            #expect(srtp_create(&session, &policy) == srtp_err_status_ok)
        }
    }

    deinit { srtp_dealloc(session) }

    func run(
        _ packet: [UInt8],
        _ operation: (srtp_t?, UnsafeMutableRawPointer?, UnsafeMutablePointer<Int32>?) -> srtp_err_status_t
    ) -> [UInt8]? {
        var bytes = packet + [UInt8](repeating: 0, count: 64)
        var length = Int32(packet.count)
        guard bytes.withUnsafeMutableBytes({ operation(session, $0.baseAddress, &length) }) == srtp_err_status_ok else {
            return nil
        }
        return Array(bytes.prefix(Int(length)))
    }

    func protect(_ packet: [UInt8]) -> [UInt8]? { run(packet, srtp_protect) }
    func unprotect(_ packet: [UInt8]) -> [UInt8]? { run(packet, srtp_unprotect) }
    func protectRTCP(_ packet: [UInt8]) -> [UInt8]? { run(packet, srtp_protect_rtcp) }
    func unprotectRTCP(_ packet: [UInt8]) -> [UInt8]? { run(packet, srtp_unprotect_rtcp) }
}

private func packet(_ index: Int64, ssrc: UInt32 = 0xDEC0_DED0, payload: Int, withExtension: Bool) -> [UInt8] {
    let header = RTPHeader(
        payloadType: 96, sequenceNumber: UInt16(truncatingIfNeeded: index),
        timestamp: UInt32(truncatingIfNeeded: index &* 3000),
        ssrc: ssrc)
    var bytes = [UInt8](repeating: 0, count: 12)
    bytes.withUnsafeMutableBytes { _ = header.write(to: $0, hasExtension: withExtension) }
    if withExtension { bytes += [0xBE, 0xDE, 0, 1, 0x10, 0x42, 0, 0] }
    return bytes + (0..<payload).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ Int(index)) }
}

private func protect(_ sender: SRTPSender, _ plain: [UInt8], index: Int64) -> [UInt8] {
    var out = plain + [UInt8](repeating: 0, count: 16)
    let header = plain.withUnsafeBytes { RTPHeader($0) }!
    let length = out.withUnsafeMutableBytes { out in
        plain.withUnsafeBytes { plain in
            sender.protect(
                out, headerLength: header.payloadOffset,
                payload: UnsafeRawBufferPointer(rebasing: plain[header.payloadOffset...]), ssrc: header.ssrc,
                index: index)
        }
    }
    return Array(out.prefix(length ?? 0))
}

private func unprotect(_ receiver: SRTPReceiver, _ sealed: [UInt8]) throws(SRTPError) -> [UInt8] {
    var bytes = sealed
    guard let header = sealed.withUnsafeBytes({ RTPHeader($0) }) else { throw .malformed }
    let result = bytes.withUnsafeMutableBytes { raw -> Result<Int, SRTPError> in
        do throws(SRTPError) { return .success(try receiver.unprotect(raw, header: header).length) } catch {
            return .failure(error)
        }
    }
    return Array(bytes.prefix(try result.get()))
}

private func unprotectRTCP(_ receiver: SRTPReceiver, _ sealed: [UInt8]) throws(SRTPError) -> [UInt8] {
    var bytes = sealed
    let result = bytes.withUnsafeMutableBytes { raw -> Result<Int, SRTPError> in
        do throws(SRTPError) { return .success(try receiver.unprotectRTCP(raw)) } catch { return .failure(error) }
    }
    return Array(bytes.prefix(try result.get()))
}

@Suite("SRTP", .serialized)
struct SRTPTests {
    static let profiles: [SRTPProfile] = [.aeadAES128GCM, .aes128CMHMACSHA1]

    private func keys(_ profile: SRTPProfile) -> SRTPKeys {
        SRTPKeys(
            profile: profile, key: (0..<16).map { UInt8($0 * 3 + 1) },
            salt: (0..<profile.saltLength).map { UInt8($0 * 5 + 2) })!
    }

    @Test(
        "libsrtp2 opens what we seal, byte for byte the same, over a wrap of the sequence number", arguments: profiles)
    func sealsLikeLibsrtp(profile: SRTPProfile) throws {
        let keys = keys(profile)
        let ours = SRTPSender(keys)
        let theirs = Oracle(profile, key: keys.key, salt: keys.salt, outbound: true)
        let opener = Oracle(profile, key: keys.key, salt: keys.salt, outbound: false)
        for index in Int64(65_300)...65_800 {
            let plain = packet(index, payload: Int(index % 1100), withExtension: index % 3 == 0)
            let sealed = protect(ours, plain, index: index)
            #expect(sealed == theirs.protect(plain))
            #expect(opener.unprotect(sealed) == plain)
        }
    }

    @Test("we open what libsrtp2 seals, with loss and disorder over a wrap", arguments: profiles)
    func opensLibsrtp(profile: SRTPProfile) throws {
        let keys = keys(profile)
        let theirs = Oracle(profile, key: keys.key, salt: keys.salt, outbound: true)
        let receiver = SRTPReceiver(keys)
        var random = SeededGenerator(7)
        var sealed: [(plain: [UInt8], sealed: [UInt8])] = []
        for index in Int64(65_000)...66_000 {
            let plain = packet(index, payload: 50, withExtension: index % 2 == 0)
            if let bytes = theirs.protect(plain), Int.random(in: 0..<10, using: &random) > 0 {
                sealed.append((plain, bytes))
            }
        }
        // Neighbours change places, as on a real path.
        for position in stride(from: 0, to: sealed.count - 8, by: 8) {
            sealed[position..<position + 8].shuffle(using: &random)
        }
        for pair in sealed { #expect(try unprotect(receiver, pair.sealed) == pair.plain) }
        #expect(sealed.count > 800)
    }

    /// What comes of seven times 2^16 packets: all around each wrap and few between, less what is lost in another way around each.
    private func overWraps() -> [Int64] {
        var random = SeededGenerator(11), indices: [Int64] = []
        for index in Int64(64_900)..<7 * 65_536 - 400 {
            let wrap = (index + 32_768) >> 16, distance = index - wrap << 16
            let isLost: Bool
            switch wrap {
            case 2: isLost = Int.random(in: 0..<5, using: &random) == 0
            // All for a while, and only before or only behind it.
            case 3: isLost = abs(distance) < 200
            case 4: isLost = (-300..<0).contains(distance)
            case 5: isLost = (0..<300).contains(distance)
            // As much as a receiver can count across (RFC 3711 section 3.3.1).
            case 6: isLost = (-16_000..<16_000).contains(distance)
            default: isLost = false
            }
            if !isLost, abs(distance) < 400 || index % 97 == 0 { indices.append(index) }
        }
        // Around the second and the fourth wrap neighbours change places, and one packet comes long behind the first wrap.
        for start in stride(from: 0, to: indices.count - 16, by: 16) {
            let wrap = (indices[start] + 32_768) >> 16
            guard wrap == 2 || wrap == 4, abs(indices[start] - indices[start + 15]) < 200 else { continue }
            indices[start..<start + 16].shuffle(using: &random)
        }
        indices.removeAll { $0 == 65_535 }
        if let place = indices.firstIndex(of: 65_536 + 399) { indices.insert(65_535, at: place) }
        return indices
    }

    @Test(
        "over six wraps of the sequence number all that comes is opened, whatever is lost around them",
        arguments: profiles)
    func manyWraps(profile: SRTPProfile) throws {
        let keys = keys(profile), sender = SRTPSender(keys), receiver = SRTPReceiver(keys)
        let theirs = Oracle(profile, key: keys.key, salt: keys.salt, outbound: false)
        let indices = overWraps()
        #expect(indices.count > 6000 && Set(indices.map { $0 >> 16 }) == [0, 1, 2, 3, 4, 5, 6])
        var wrong: [Int64] = [], newest: (plain: [UInt8], sealed: [UInt8])?, former: [UInt8] = []
        for index in indices {
            let plain = packet(index, payload: 24, withExtension: index % 5 == 0)
            let sealed = protect(sender, plain, index: index)
            if (try? unprotect(receiver, sealed)) != plain || theirs.unprotect(sealed) != plain { wrong.append(index) }
            if index & 0xFFFF < 400, let newest { former = newest.sealed }
            newest = (plain, sealed)
        }
        #expect(wrong.isEmpty, "\(wrong.prefix(10))")
        // Under the same number of another turn nothing is opened twice, nor what is altered.
        let last = try #require(newest)
        #expect(throws: SRTPError.replayed) { _ = try unprotect(receiver, last.sealed) }
        #expect((try? unprotect(receiver, former)) == nil)
        let other = protect(sender, last.plain, index: (indices.last ?? 0) - 65_536)
        #expect(
            other != last.sealed && (try? unprotect(SRTPReceiver(keys), other)) == nil, "the counter is part of the key"
        )
    }

    @Test("SRTCP works both ways with libsrtp2", arguments: profiles)
    func rtcp(profile: SRTPProfile) throws {
        let keys = keys(profile)
        let ours = SRTPSender(keys), receiver = SRTPReceiver(keys)
        let theirs = Oracle(profile, key: keys.key, salt: keys.salt, outbound: true)
        let opener = Oracle(profile, key: keys.key, salt: keys.salt, outbound: false)
        for index in 0..<50 {
            let plain = hex("81CE000311223344AABBCCDD") + [UInt8(index), 2, 3, 4]
            let sealed = ours.protectRTCP(plain)
            #expect(opener.unprotectRTCP(sealed) == plain)
            let other = try #require(theirs.protectRTCP(plain))
            #expect(try unprotectRTCP(receiver, other) == plain)
            #expect(throws: SRTPError.replayed) { _ = try unprotectRTCP(receiver, other) }
        }
    }

    @Test("a replayed packet is refused, one as old as the window too", arguments: profiles)
    func replay(profile: SRTPProfile) throws {
        let sender = SRTPSender(keys(profile)), receiver = SRTPReceiver(keys(profile))
        let first = protect(sender, packet(100, payload: 20, withExtension: false), index: 100)
        _ = try unprotect(receiver, first)
        #expect(throws: SRTPError.replayed) { _ = try unprotect(receiver, first) }
        let late = protect(sender, packet(101, payload: 20, withExtension: false), index: 101)
        for index in Int64(102)...1126 {
            _ = try unprotect(receiver, protect(sender, packet(index, payload: 20, withExtension: false), index: index))
        }
        #expect(throws: SRTPError.replayed) { _ = try unprotect(receiver, late) }
    }

    @Test("no changed bit gets through, and none moves the window", arguments: profiles)
    func changedBits(profile: SRTPProfile) throws {
        let sender = SRTPSender(keys(profile)), receiver = SRTPReceiver(keys(profile))
        let plain = packet(5, payload: 30, withExtension: true)
        let sealed = protect(sender, plain, index: 5)
        for bit in 0..<sealed.count * 8 {
            var bytes = sealed
            bytes[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect((try? unprotect(receiver, bytes)) == nil, "bit \(bit)")
        }
        #expect(try unprotect(receiver, sealed) == plain)
        let report = sender.protectRTCP(hex("80C9000111223344"))
        for bit in 0..<report.count * 8 {
            var bytes = report
            bytes[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect((try? unprotectRTCP(receiver, bytes)) == nil, "bit \(bit)")
        }
    }

    @Test("one peer can't make us keep more than its share of sources")
    func boundedSources() throws {
        let sender = SRTPSender(keys(.aeadAES128GCM)), receiver = SRTPReceiver(keys(.aeadAES128GCM))
        for ssrc in 0..<UInt32(SRTPReceiver.maximumSources) {
            _ = try unprotect(
                receiver, protect(sender, packet(1, ssrc: ssrc, payload: 4, withExtension: false), index: 1))
        }
        let one = protect(sender, packet(1, ssrc: 70_000, payload: 4, withExtension: false), index: 1)
        #expect(throws: SRTPError.tooManySources) { _ = try unprotect(receiver, one) }
    }

    @Test("hostile packets never trap", arguments: profiles)
    func hostile(profile: SRTPProfile) {
        let receiver = SRTPReceiver(keys(profile)), sender = SRTPSender(keys(profile))
        let seeds = [
            protect(sender, packet(9, payload: 30, withExtension: true), index: 9),
            sender.protectRTCP(hex("80C9000111223344")),
        ]
        var refused = 0
        attack(seeds, rounds: 5000) { bytes in
            if (try? unprotect(receiver, bytes)) == nil { refused += 1 }
            _ = try? unprotectRTCP(receiver, bytes)
        }
        #expect(refused > 4000)
    }
}
