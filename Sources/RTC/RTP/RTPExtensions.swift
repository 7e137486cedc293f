// RTP header extensions in their one-byte and two-byte forms (RFC 8285).

/// The extensions that we speak, with their URIs.
public enum RTPExtensionURI {
    /// The media identification (RFC 9143).
    public static let mid = "urn:ietf:params:rtp-hdrext:sdes:mid"
    /// The name of the stream among those of a section (RFC 8852).
    public static let rid = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
    /// The name of the stream that a packet repeats (RFC 8852).
    public static let repairedRid = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
    /// The client-to-mixer audio level (RFC 6464).
    public static let audioLevel = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
    /// How a picture is turned (3GPP TS 26.114, clause 7.4.5).
    public static let videoOrientation = "urn:3gpp:video-orientation"
    /// How a picture's numbers are to be read (libwebrtc, `docs/native-code/rtp-hdrext/color-space`).
    public static let colorSpace = "http://www.webrtc.org/experiments/rtp-hdrext/color-space"
    /// When it was captured (libwebrtc, `docs/native-code/rtp-hdrext/abs-capture-time`).
    public static let captureTime = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time"
    /// Which frame a packet is part of, and to which it refers (RTP Payload Format For AV1, appendix A).
    public static let dependencyDescriptor =
        "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
    /// When a packet was sent (libwebrtc, `docs/native-code/rtp-hdrext/abs-send-time`).
    public static let sendTime = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
    /// How long a picture is to wait before it is shown (libwebrtc, `docs/native-code/rtp-hdrext/playout-delay`).
    public static let playoutDelay = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"
    /// The transport-wide number of a packet (draft-holmer-rmcat-transport-wide-cc-extensions-01 section 2).
    public static let transportNumber = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
}

extension RTPHeader {
    /// Finds one extension by its id; returns where its bytes lie in the packet.
    @inline(__always)
    public func range(ofExtension id: UInt8, in bytes: UnsafeRawBufferPointer) -> Range<Int>? {
        let end = extensionOffset + extensionLength
        guard extensionLength > 0, id > 0, end <= bytes.count else { return nil }
        var offset = extensionOffset
        if extensionProfile == 0xBEDE {
            while offset < end {
                let byte = bytes[offset]
                if byte == 0 {
                    offset += 1
                    continue
                }
                // 15 is reserved and ends the elements, as 0 does with a length (RFC 8285 section 4.2).
                guard (1...14).contains(byte >> 4) else { return nil }
                let length = Int(byte & 15) + 1
                guard offset + 1 + length <= end else { return nil }
                if byte >> 4 == id { return offset + 1..<offset + 1 + length }
                offset += 1 + length
            }
        } else if extensionProfile & 0xFFF0 == 0x1000 {
            while offset < end {
                let byte = bytes[offset]
                if byte == 0 {
                    offset += 1
                    continue
                }
                guard offset + 2 <= end else { return nil }
                let length = Int(bytes[offset + 1])
                guard offset + 2 + length <= end else { return nil }
                if byte == id { return offset + 2..<offset + 2 + length }
                offset += 2 + length
            }
        }
        return nil
    }
}

/// Writes a block of extensions behind a fixed header, in the one-byte form or in the two-byte form.
public struct RTPExtensionWriter {
    /// The longest element of the one-byte form.
    public static let maximumShortLength = 16

    private let bytes: UnsafeMutableRawBufferPointer
    private let start: Int
    private let isLong: Bool
    private var offset: Int

    /// Starts a block at `offset`, normally 12.
    ///
    /// - Parameter isLong: whether it has the two-byte form, for elements of up to 255 bytes; only to who allows both.
    @inline(__always)
    public init(_ bytes: UnsafeMutableRawBufferPointer, at offset: Int, isLong: Bool = false) {
        self.bytes = bytes
        self.isLong = isLong
        start = offset
        self.offset = offset + 4
    }

    /// Appends an element; left out when the id (1…14), the length (1…16, or 255) or the room does not allow it.
    @inline(__always)
    public mutating func append(id: UInt8, _ value: UnsafeRawBufferPointer) { _ = place(id: id, value) }

    /// Appends an element of at most eight bytes that is made here; nothing where it is not.
    ///
    /// - Parameter write: writes `count` bytes; returns whether it has.
    @inline(__always)
    public mutating func append(id: UInt8, count: Int, _ write: (UnsafeMutableRawBufferPointer) -> Bool) {
        var element: UInt64 = 0
        withUnsafeMutableBytes(of: &element) { bytes in
            guard count <= bytes.count, write(bytes) else { return }
            append(id: id, UnsafeRawBufferPointer(rebasing: bytes[..<count]))
        }
    }

    @inline(__always)
    private mutating func place(id: UInt8, _ value: UnsafeRawBufferPointer) -> Range<Int>? {
        let head = isLong ? 2 : 1
        guard (1...14).contains(id), (1...(isLong ? 255 : Self.maximumShortLength)).contains(value.count),
            offset + head + value.count + 3 <= bytes.count, let base = bytes.baseAddress, let source = value.baseAddress
        else { return nil }
        if isLong {
            bytes[offset] = id
            bytes[offset + 1] = UInt8(value.count)
        } else {
            bytes[offset] = id << 4 | UInt8(value.count - 1)
        }
        (base + offset + head).copyMemory(from: source, byteCount: value.count)
        defer { offset += head + value.count }
        return offset + head..<offset + head + value.count
    }

    /// Appends a dependency descriptor with another frame number.
    @inline(__always)
    public mutating func append(id: UInt8, descriptor: UnsafeRawBufferPointer, shift: UInt16) {
        guard descriptor.count >= DependencyDescriptor.mandatoryLength, let range = place(id: id, descriptor) else {
            return
        }
        let number = (UInt16(bytes[range.lowerBound + 1]) << 8 | UInt16(bytes[range.lowerBound + 2])) &+ shift
        bytes[range.lowerBound + 1] = UInt8(truncatingIfNeeded: number >> 8)
        bytes[range.lowerBound + 2] = UInt8(truncatingIfNeeded: number)
    }

    /// Pads the block and writes its length; returns where the payload begins, or nil when there is no room.
    @inline(__always)
    public mutating func finish() -> Int? {
        guard offset <= bytes.count, start >= 0 else { return nil }
        while (offset - start) & 3 != 0 {
            guard offset < bytes.count else { return nil }
            bytes[offset] = 0
            offset += 1
        }
        bytes[start] = isLong ? 0x10 : 0xBE
        bytes[start + 1] = isLong ? 0x00 : 0xDE
        let words = (offset - start - 4) / 4
        bytes[start + 2] = UInt8(truncatingIfNeeded: words >> 8)
        bytes[start + 3] = UInt8(truncatingIfNeeded: words)
        return offset
    }
}
