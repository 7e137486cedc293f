// Protecting what leaves: SRTP and SRTCP of one direction.

/// Encrypts RTP and RTCP; confined to one thread.
///
/// The caller keeps the 48-bit packet index (rollover counter and sequence number) of each SSRC, and never uses one twice:
/// a repeated index under GCM gives the authentication key away.
public final class SRTPSender {
    private let rtp: SRTPStreamKeys, rtcp: SRTPStreamKeys
    private var rtcpIndex: UInt32 = 0

    /// Derives the session keys.
    public init(_ keys: SRTPKeys) {
        rtp = SRTPStreamKeys(keys, isRTCP: false, isSender: true)
        rtcp = SRTPStreamKeys(keys, isRTCP: true, isSender: true)
    }

    init(rtp: consuming SRTPStreamKeys, rtcp: consuming SRTPStreamKeys, rtcpIndex: UInt32) {
        self.rtp = rtp
        self.rtcp = rtcp
        self.rtcpIndex = rtcpIndex
    }

    /// The profile in use.
    public var profile: SRTPProfile { rtp.profile }

    /// Encrypts a payload behind a header that lies in `out` already; this is the only copy of a forwarded packet.
    ///
    /// - Parameters:
    ///   - out: begins with the RTP header and its extensions, and has room for the rest and the tag.
    ///   - headerLength: bytes of header and extensions.
    ///   - prefix: bytes before the payload, such as the original sequence number of RTX; may be empty.
    ///   - payload: the plain payload, in other memory or at its place in `out`.
    ///   - ssrc: the SSRC in the header.
    ///   - index: the 48-bit packet index, whose low 16 bits are the header's sequence number.
    /// - Returns: the packet's length, or nil when `out` is too small.
    @inline(__always)
    public func protect(
        _ out: UnsafeMutableRawBufferPointer, headerLength: Int,
        prefix: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0),
        payload: UnsafeRawBufferPointer, ssrc: UInt32, index: Int64
    ) -> Int? {
        var roc = UInt32(truncatingIfNeeded: index >> 16).bigEndian
        return withUnsafeBytes(of: &roc) { roc in
            rtp.seal(
                out, clear: headerLength, prefix: prefix, payload: payload, ssrc: ssrc,
                index: UInt64(bitPattern: index) & 0xFFFF_FFFF_FFFF,
                extraAAD: UnsafeRawBufferPointer(start: nil, count: 0), trailer: roc)
        }
    }

    /// Encrypts a compound RTCP packet.
    ///
    /// - Returns: the protected packet; empty when the input is not RTCP or the 2^31 indices are used up.
    public func protectRTCP(_ packet: [UInt8]) -> [UInt8] {
        guard packet.count >= 8, rtcpIndex < 0x8000_0000 else { return [] }
        let ssrc = packet[4..<8].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        let word = 0x8000_0000 | rtcpIndex
        var out = packet + [UInt8](repeating: 0, count: profile.rtpOverhead + 4)
        var bigEndian = word.bigEndian
        let index = UInt64(rtcpIndex)
        rtcpIndex += 1
        let isGCM = profile == .aeadAES128GCM
        let length: Int? = withUnsafeBytes(of: &bigEndian) { word in
            packet.withUnsafeBytes { source in
                out.withUnsafeMutableBytes { target -> Int? in
                    if isGCM {
                        let sealed = UnsafeMutableRawBufferPointer(rebasing: target[..<(target.count - 4)])
                        guard
                            let length = rtcp.seal(
                                sealed, clear: 8, prefix: UnsafeRawBufferPointer(start: nil, count: 0),
                                payload: UnsafeRawBufferPointer(rebasing: source[8...]), ssrc: ssrc, index: index,
                                extraAAD: word, trailer: UnsafeRawBufferPointer(start: nil, count: 0))
                        else { return nil }
                        UnsafeMutableRawBufferPointer(rebasing: target[length...]).copyMemory(from: word)
                        return length + 4
                    }
                    // The index word stands before the tag and is covered by it (RFC 3711 section 3.4).
                    guard
                        let length = rtcp.seal(
                            target, clear: 8, prefix: UnsafeRawBufferPointer(start: nil, count: 0),
                            payload: UnsafeRawBufferPointer(rebasing: source[8...]), ssrc: ssrc, index: index,
                            extraAAD: UnsafeRawBufferPointer(start: nil, count: 0), trailer: word),
                        let base = target.baseAddress
                    else { return nil }
                    (base + length - 6).copyMemory(from: base + length - 10, byteCount: 10)
                    UnsafeMutableRawBufferPointer(rebasing: target[(length - 10)..<(length - 6)]).copyMemory(from: word)
                    return length + 4
                }
            }
        }
        guard let length else { return [] }
        out.removeLast(out.count - length)
        return out
    }
}
