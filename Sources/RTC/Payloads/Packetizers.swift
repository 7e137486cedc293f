// Cutting encoded frames into RTP payloads: VP8 (RFC 7741) and Opus (RFC 7587).

/// Cuts VP8 frames into payloads of nearly equal size.
public struct VP8Packetizer: Sendable {
    /// The largest payload, with its descriptor of 4 bytes.
    public static let maximumPayload = 1120
    private var pictureID: UInt16

    /// Starts with a picture id.
    public init(pictureID: UInt16) { self.pictureID = pictureID & 0x7FFF }

    /// Returns the payloads of one frame, in order; the last one's packet carries the marker.
    public mutating func packetize(_ frame: UnsafeRawBufferPointer) -> [[UInt8]] {
        guard frame.count > 0 else { return [] }
        let room = Self.maximumPayload - 4
        let pieces = (frame.count + room - 1) / room
        var payloads: [[UInt8]] = [], start = 0
        for piece in 0..<pieces {
            let end = frame.count * (piece + 1) / pieces
            var writer = ByteWriter(capacity: end - start + 4)
            VP8Descriptor.write(startsFrame: piece == 0, pictureID: pictureID, to: &writer)
            writer.append(frame[start..<end])
            payloads.append(writer.bytes)
            start = end
        }
        pictureID = (pictureID + 1) & 0x7FFF
        return payloads
    }
}

/// What Opus packets tell of themselves (RFC 6716 section 3.1).
public enum OpusPacket {
    /// The number of samples at 48 kHz; nil when the packet is damaged.
    public static func samples(_ packet: UnsafeRawBufferPointer) -> Int? {
        guard let toc = packet.first else { return nil }
        let configuration = Int(toc >> 3)
        let perFrame: Int
        switch configuration {
        case 0..<12: perFrame = [480, 960, 1920, 2880][configuration & 3]
        case 12..<16: perFrame = [480, 960][configuration & 1]
        default: perFrame = [120, 240, 480, 960][configuration & 3]
        }
        let frames: Int
        switch toc & 3 {
        case 0: frames = 1
        case 1, 2: frames = 2
        default:
            guard packet.count >= 2 else { return nil }
            frames = Int(packet[1] & 63)
        }
        let samples = perFrame * frames
        return samples > 0 && samples <= 5760 ? samples : nil
    }
}
