// Opening what arrives: SRTP and SRTCP of one direction, with rollover counters and replay windows per SSRC.

/// Why a protected packet was not taken.
public enum SRTPError: Error, Hashable, Sendable {
    case malformed, replayed, notAuthentic, tooManySources
}

/// Decrypts RTP and RTCP; confined to one thread.
public final class SRTPReceiver {
    private struct Source {
        var ssrc: UInt32
        var window = ReplayWindow()
    }

    /// How many SSRCs one peer may use.
    public static let maximumSources = 256

    private let rtp: SRTPStreamKeys, rtcp: SRTPStreamKeys
    private var sources: [Source] = [], rtcpSources: [Source] = []
    private var last = 0

    /// Derives the session keys.
    public init(_ keys: SRTPKeys) {
        rtp = SRTPStreamKeys(keys, isRTCP: false, isSender: false)
        rtcp = SRTPStreamKeys(keys, isRTCP: true, isSender: false)
    }

    init(rtp: consuming SRTPStreamKeys, rtcp: consuming SRTPStreamKeys) {
        self.rtp = rtp
        self.rtcp = rtcp
    }

    /// Decrypts an RTP packet in place.
    ///
    /// - Parameters:
    ///   - packet: the whole datagram.
    ///   - header: its parsed header.
    /// - Returns: the packet's length without the tag, and its 48-bit index.
    /// - Throws: `SRTPError`; the bytes are then of no use.
    @inline(__always)
    public func unprotect(
        _ packet: UnsafeMutableRawBufferPointer, header: RTPHeader
    ) throws(SRTPError) -> (length: Int, index: Int64) {
        guard header.payloadOffset + rtp.profile.rtpOverhead <= packet.count else { throw .malformed }
        let position = find(header.ssrc)
        let highest = position.map { sources[$0].window.highest } ?? -1
        let index = Self.index(of: header.sequenceNumber, near: highest)
        if let position, !sources[position].window.admits(index) { throw .replayed }
        guard index >= 0 else { throw .replayed }
        if position == nil, sources.count >= Self.maximumSources { throw .tooManySources }
        var roc = UInt32(truncatingIfNeeded: index >> 16).bigEndian
        let isAuthentic = withUnsafeBytes(of: &roc) { roc in
            rtp.open(
                packet, clear: header.payloadOffset, ssrc: header.ssrc, index: UInt64(bitPattern: index),
                extraAAD: UnsafeRawBufferPointer(start: nil, count: 0), trailer: roc)
        }
        guard isAuthentic else { throw .notAuthentic }
        if let position {
            sources[position].window.insert(index)
        } else {
            var source = Source(ssrc: header.ssrc)
            source.window.insert(index)
            last = sources.count
            sources.append(source)
        }
        return (packet.count - rtp.profile.rtpOverhead, index)
    }

    /// Decrypts a compound RTCP packet in place; returns its length.
    ///
    /// - Throws: `SRTPError`; unencrypted SRTCP is refused.
    public func unprotectRTCP(_ packet: UnsafeMutableRawBufferPointer) throws(SRTPError) -> Int {
        let profile = rtcp.profile
        guard packet.count >= 8 + profile.rtcpOverhead, let base = packet.baseAddress else { throw .malformed }
        var reader = ByteReader(UnsafeRawBufferPointer(packet))
        reader.skip(4)
        let isGCM = profile == .aeadAES128GCM
        var tail = ByteReader(UnsafeRawBufferPointer(packet))
        tail.skip(packet.count - (isGCM ? 4 : 14))
        guard let ssrc = reader.u32(), let word = tail.u32(), word & 0x8000_0000 != 0 else { throw .malformed }
        let index = Int64(word & 0x7FFF_FFFF)
        let position = rtcpSources.firstIndex { $0.ssrc == ssrc }
        if let position, !rtcpSources[position].window.admits(index) { throw .replayed }
        if position == nil, rtcpSources.count >= Self.maximumSources { throw .tooManySources }
        var bigEndian = word.bigEndian
        let isAuthentic = withUnsafeBytes(of: &bigEndian) { word -> Bool in
            if isGCM {
                return rtcp.open(
                    UnsafeMutableRawBufferPointer(rebasing: packet[..<(packet.count - 4)]), clear: 8, ssrc: ssrc,
                    index: UInt64(index), extraAAD: word, trailer: UnsafeRawBufferPointer(start: nil, count: 0))
            }
            // The tag moves over the index word, which the HMAC then covers as a trailer.
            let start = packet.count - 14
            (base + start).copyMemory(from: base + start + 4, byteCount: 10)
            return rtcp.open(
                UnsafeMutableRawBufferPointer(rebasing: packet[..<(packet.count - 4)]), clear: 8, ssrc: ssrc,
                index: UInt64(index), extraAAD: UnsafeRawBufferPointer(start: nil, count: 0), trailer: word)
        }
        guard isAuthentic else { throw .notAuthentic }
        if let position {
            rtcpSources[position].window.insert(index)
        } else {
            var source = Source(ssrc: ssrc)
            source.window.insert(index)
            rtcpSources.append(source)
        }
        return packet.count - profile.rtcpOverhead
    }

    /// Guesses the index of a sequence number: the one nearest to the highest seen (RFC 3711 section 3.3.1).
    @inline(__always)
    static func index(of sequenceNumber: UInt16, near highest: Int64) -> Int64 {
        guard highest >= 0 else { return Int64(sequenceNumber) }
        let index = highest &+ Int64(Int16(bitPattern: sequenceNumber &- UInt16(truncatingIfNeeded: highest)))
        return index < 0 ? Int64(sequenceNumber) : index
    }

    @inline(__always)
    private func find(_ ssrc: UInt32) -> Int? {
        if last < sources.count, sources[last].ssrc == ssrc { return last }
        for index in sources.indices where sources[index].ssrc == ssrc {
            last = index
            return index
        }
        return nil
    }
}
