// Cutting encoded frames into RTP payloads: VP8 (RFC 7741), VP9 (RFC 9628), H.264 (RFC 6184) and Opus (RFC 7587).

public import Media

/// Cuts frames of one codec into payloads.
public struct FramePacketizer: Sendable {
    private let codec: Codec
    private var vp8: VP8Packetizer, vp9: VP9Packetizer

    /// Starts with a picture id, which VP8 and VP9 count.
    public init(codec: Codec, pictureID: UInt16) {
        self.codec = codec
        vp8 = VP8Packetizer(pictureID: pictureID)
        vp9 = VP9Packetizer(pictureID: pictureID)
    }

    /// Returns the payloads of one frame, in order; none for a frame that is damaged.
    public mutating func packetize(_ frame: UnsafeRawBufferPointer) -> [[UInt8]] {
        switch codec {
        case .vp8: vp8.packetize(frame)
        case .vp9: vp9.packetize(frame)
        case .h264: H264Packetizer.packetize(frame)
        case .opus, .aac: frame.isEmpty ? [] : [Array(frame)]
        }
    }
}

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

/// Cuts VP9 frames of one layer into payloads of nearly equal size.
public struct VP9Packetizer: Sendable {
    /// The largest payload, with its descriptor of 3 bytes.
    public static let maximumPayload = 1120
    private var pictureID: UInt16

    /// Starts with a picture id.
    public init(pictureID: UInt16) { self.pictureID = pictureID & 0x7FFF }

    /// Returns the payloads of one frame, in order; the last one's packet carries the marker.
    public mutating func packetize(_ frame: UnsafeRawBufferPointer) -> [[UInt8]] {
        guard let header = VP9FrameHeader(frame) else { return [] }
        let room = Self.maximumPayload - 3
        let pieces = (frame.count + room - 1) / room
        var payloads: [[UInt8]] = [], start = 0
        for piece in 0..<pieces {
            let end = frame.count * (piece + 1) / pieces
            var writer = ByteWriter(capacity: end - start + 3)
            VP9Descriptor.write(
                isPredicted: !header.isKeyframe, startsFrame: piece == 0, endsFrame: piece == pieces - 1,
                pictureID: pictureID, to: &writer)
            writer.append(frame[start..<end])
            payloads.append(writer.bytes)
            start = end
        }
        pictureID = (pictureID + 1) & 0x7FFF
        return payloads
    }
}

/// Cuts access units of H.264 into payloads of packetization mode 1.
public enum H264Packetizer {
    /// The largest payload.
    public static let maximumPayload = 1120

    /// Returns the payloads of one access unit, in order; the last one's packet carries the marker.
    ///
    /// Units that fit go together into STAP-A packets, larger ones into FU-A packets of nearly equal size.
    ///
    /// - Parameter frame: units with 4-byte lengths before them.
    /// - Returns: none when a length does not fit.
    public static func packetize(_ frame: UnsafeRawBufferPointer) -> [[UInt8]] {
        var reader = ByteReader(frame), payloads: [[UInt8]] = [], waiting: [UnsafeRawBufferPointer] = []
        func flush() {
            if waiting.count == 1 { payloads.append(Array(waiting[0])) }
            if waiting.count > 1 {
                // The highest importance of the units goes onto the packet (section 5.3).
                let importance = waiting.map { $0[0] & 0x60 }.max() ?? 0
                var writer = ByteWriter(capacity: maximumPayload)
                writer.u8(importance | H264Payload.aggregation)
                for unit in waiting {
                    writer.u16(UInt16(truncatingIfNeeded: unit.count))
                    writer.append(unit[...])
                }
                payloads.append(writer.bytes)
            }
            waiting = []
        }
        while reader.remaining > 0 {
            guard let length = reader.u32(), length > 0, let unit = reader.take(Int(length)) else { return [] }
            if waiting.reduce(1, { $0 + $1.count + 2 }) + unit.count + 2 > maximumPayload { flush() }
            // In two parts at least: one that begins and ends a unit is none (section 5.8).
            if unit.count <= maximumPayload {
                waiting.append(unit)
            } else {
                flush()
                payloads += fragments(unit)
            }
        }
        flush()
        return payloads
    }

    private static func fragments(_ unit: UnsafeRawBufferPointer) -> [[UInt8]] {
        let body = unit.count - 1, room = maximumPayload - 2
        let pieces = (body + room - 1) / room
        return (0..<pieces).map { piece in
            let begin = 1 + body * piece / pieces, end = 1 + body * (piece + 1) / pieces
            var writer = ByteWriter(capacity: end - begin + 2)
            writer.u8(unit[0] & 0xE0 | H264Payload.fragmentation)
            writer.u8((piece == 0 ? 0x80 : 0) | (piece == pieces - 1 ? 0x40 : 0) | unit[0] & 31)
            writer.append(unit[begin..<end])
            return writer.bytes
        }
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
