// A compound RTCP packet (RFC 3550 section 6.1, RFC 5506) as a list of the messages that we act on.

/// One RTCP message.
public enum RTCPPacket: Sendable, Hashable {
    case senderReport(RTCPSenderReport)
    case receiverReport(RTCPReceiverReport)
    case sourceDescription(RTCPSourceDescription)
    case goodbye(RTCPGoodbye)
    case nack(RTCPNACK)
    case pictureLoss(RTCPPictureLoss)
    case fullIntraRequest(RTCPFullIntraRequest)
    case bitrateEstimate(RTCPBitrateEstimate)
    case bitrateLimit(RTCPBitrateLimit)
    case transportFeedback(RTCPTransportFeedback)
    case extendedReport(RTCPExtendedReport)

    /// Parses a compound packet; messages of other types and damaged ones are stepped over.
    ///
    /// - Parameter bytes: the decrypted packet.
    /// - Returns: the messages up to the first one whose length can't be right.
    public static func parse(_ bytes: UnsafeRawBufferPointer) -> [RTCPPacket] {
        var reader = ByteReader(bytes), packets: [RTCPPacket] = [], told = 0
        while reader.remaining >= 4, packets.count < 64 {
            guard let first = reader.u8(), let type = reader.u8(), let words = reader.u16(), first >> 6 == 2,
                let body = reader.take(Int(words) * 4)
            else { break }
            var content = body
            if first & 0x20 != 0 {
                guard let padding = body.last, padding > 0, Int(padding) <= body.count else { break }
                content = UnsafeRawBufferPointer(rebasing: body[..<(body.count - Int(padding))])
            }
            // A few bytes can tell of thousands of packets: all of a datagram together tell of no more than one message may.
            if type == 205, first & 31 == 15, content.count >= 12 {
                told += Int(content[10]) << 8 | Int(content[11])
                guard told <= RTCPTransportFeedback.maximum else { continue }
            }
            if let packet = message(type: type, count: first & 31, ByteReader(content)) { packets.append(packet) }
        }
        return packets
    }

    private static func message(type: UInt8, count: UInt8, _ body: ByteReader) -> RTCPPacket? {
        switch (type, count) {
        case (200, _): RTCPSenderReport(body, blocks: Int(count)).map { .senderReport($0) }
        case (201, _): RTCPReceiverReport(body, blocks: Int(count)).map { .receiverReport($0) }
        case (202, _): RTCPSourceDescription(body, chunks: Int(count)).map { .sourceDescription($0) }
        case (203, _): RTCPGoodbye(body, sources: Int(count)).map { .goodbye($0) }
        case (205, 1): RTCPNACK(body).map { .nack($0) }
        case (205, 3): RTCPBitrateLimit(body).map { .bitrateLimit($0) }
        case (205, 15): RTCPTransportFeedback(body).map { .transportFeedback($0) }
        case (206, 1): RTCPPictureLoss(body).map { .pictureLoss($0) }
        case (206, 4): RTCPFullIntraRequest(body).map { .fullIntraRequest($0) }
        case (206, 15): RTCPBitrateEstimate(body).map { .bitrateEstimate($0) }
        case (207, _): RTCPExtendedReport(body).map { .extendedReport($0) }
        default: nil
        }
    }

    /// Writes messages one behind the other.
    public static func write(_ packets: [RTCPPacket]) -> [UInt8] {
        var writer = ByteWriter(capacity: 256)
        for packet in packets {
            switch packet {
            case .senderReport(let message): message.write(to: &writer)
            case .receiverReport(let message): message.write(to: &writer)
            case .sourceDescription(let message): message.write(to: &writer)
            case .goodbye(let message): message.write(to: &writer)
            case .nack(let message): message.write(to: &writer)
            case .pictureLoss(let message): message.write(to: &writer)
            case .fullIntraRequest(let message): message.write(to: &writer)
            case .bitrateEstimate(let message): message.write(to: &writer)
            case .bitrateLimit(let message): message.write(to: &writer)
            case .transportFeedback(let message): message.write(to: &writer)
            case .extendedReport(let message): message.write(to: &writer)
            }
        }
        return writer.bytes
    }
}

extension ByteWriter {
    /// Writes a message's header, the body, then the header's length.
    mutating func rtcp(type: UInt8, count: UInt8, _ body: (inout ByteWriter) -> Void) {
        let start = self.count
        u8(0x80 | count & 31)
        u8(type)
        u16(0)
        body(&self)
        pad()
        patch(u16: UInt16(truncatingIfNeeded: (self.count - start) / 4 - 1), at: start + 2)
    }
}
