// What the first bytes of a VP8 frame tell (RFC 6386 section 9.1).

/// The beginning of a VP8 frame.
public enum VP8FrameHeader {
    /// Whether a frame refers to no other.
    public static func isKeyframe(_ frame: UnsafeRawBufferPointer) -> Bool { frame.count >= 1 && frame[0] & 1 == 0 }

    /// Width and height of a key frame; nil for every other.
    public static func size(_ frame: UnsafeRawBufferPointer) -> PictureSize? {
        guard frame.count >= 10, isKeyframe(frame), frame[3] == 0x9D, frame[4] == 0x01, frame[5] == 0x2A else {
            return nil
        }
        return PictureSize(
            width: (Int(frame[7]) << 8 | Int(frame[6])) & 0x3FFF, height: (Int(frame[9]) << 8 | Int(frame[8])) & 0x3FFF)
    }
}
