// The generic NACK: which packets to send again (RFC 4585 section 6.2.1).

/// Lost packets of one source.
public struct RTCPNACK: Sendable, Hashable {
    /// The most numbers that one message may name; a browser asks for far fewer at a time.
    public static let maximum = 17 * 64

    /// Who asks, and whose packets are lost.
    public var sender: UInt32, media: UInt32
    /// The lost sequence numbers.
    public var lost: [UInt16]

    /// Creates a message.
    public init(sender: UInt32, media: UInt32, lost: [UInt16]) {
        self.sender = sender
        self.media = media
        self.lost = lost
    }

    init?(_ body: ByteReader) {
        var reader = body
        guard let sender = reader.u32(), let media = reader.u32() else { return nil }
        self.init(sender: sender, media: media, lost: [])
        while lost.count + 17 <= Self.maximum, let first = reader.u16(), let mask = reader.u16() {
            lost.append(first)
            for bit in UInt16(0)..<16 where mask >> bit & 1 == 1 { lost.append(first &+ bit &+ 1) }
        }
    }

    func write(to writer: inout ByteWriter) {
        writer.rtcp(type: 205, count: 1) { writer in
            writer.u32(sender)
            writer.u32(media)
            var index = 0
            while index < lost.count, index < Self.maximum {
                let first = lost[index]
                var mask: UInt16 = 0
                index += 1
                while index < lost.count {
                    let distance = lost[index] &- first
                    guard (1...16).contains(distance) else { break }
                    mask |= 1 << (distance - 1)
                    index += 1
                }
                writer.u16(first)
                writer.u16(mask)
            }
        }
    }
}
