// The RTP header (RFC 3550 section 5.1), read and written in place.

/// A parsed header: a plain value with offsets into the packet it came from.
public struct RTPHeader: Sendable, Hashable {
    /// The marker bit.
    public var marker: Bool
    /// The payload type, 0…127.
    public var payloadType: UInt8
    /// The sequence number.
    public var sequenceNumber: UInt16
    /// The timestamp in the payload's clock.
    public var timestamp: UInt32
    /// The source.
    public var ssrc: UInt32
    /// Whether the last byte of the packet counts padding.
    public var hasPadding: Bool
    /// The `defined by profile` word of the extension, 0 when there is none.
    public var extensionProfile: UInt16
    /// Where the extension's elements begin.
    public var extensionOffset: Int
    /// Bytes of the extension's elements.
    public var extensionLength: Int
    /// Where the payload begins.
    public var payloadOffset: Int

    /// Parses the header of a packet.
    ///
    /// - Returns: nil when the bytes are not RTP version 2, or end inside the header.
    @inline(__always)
    public init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= 12, let base = bytes.baseAddress else { return nil }
        let first = bytes[0], second = bytes[1]
        guard first >> 6 == 2 else { return nil }
        hasPadding = first & 0x20 != 0
        marker = second & 0x80 != 0
        payloadType = second & 0x7F
        sequenceNumber = UInt16(bigEndian: base.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
        timestamp = UInt32(bigEndian: base.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
        ssrc = UInt32(bigEndian: base.loadUnaligned(fromByteOffset: 8, as: UInt32.self))
        var offset = 12 + Int(first & 15) * 4
        extensionProfile = 0
        extensionOffset = offset
        extensionLength = 0
        if first & 0x10 != 0 {
            guard bytes.count >= offset + 4 else { return nil }
            extensionProfile = UInt16(bigEndian: base.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
            extensionLength =
                Int(UInt16(bigEndian: base.loadUnaligned(fromByteOffset: offset + 2, as: UInt16.self))) * 4
            extensionOffset = offset + 4
            offset = extensionOffset + extensionLength
        }
        guard offset <= bytes.count else { return nil }
        payloadOffset = offset
    }

    /// Creates a header without extension for a packet to be sent.
    public init(payloadType: UInt8, sequenceNumber: UInt16, timestamp: UInt32, ssrc: UInt32, marker: Bool = false) {
        self.marker = marker
        self.payloadType = payloadType
        self.sequenceNumber = sequenceNumber
        self.timestamp = timestamp
        self.ssrc = ssrc
        hasPadding = false
        extensionProfile = 0
        extensionOffset = 12
        extensionLength = 0
        payloadOffset = 12
    }

    /// Where the payload lies in a decrypted packet of `length` bytes, padding taken off; nil when the padding is wrong.
    @inline(__always)
    public func payload(in bytes: UnsafeRawBufferPointer, length: Int) -> Range<Int>? {
        guard length <= bytes.count, payloadOffset <= length else { return nil }
        guard hasPadding else { return payloadOffset..<length }
        guard length > payloadOffset else { return nil }
        let padding = Int(bytes[length - 1])
        guard padding > 0, payloadOffset + padding <= length else { return nil }
        return payloadOffset..<length - padding
    }

    /// Writes the 12 fixed bytes; the caller writes extensions behind them.
    ///
    /// - Returns: 12, or nil when there is no room.
    @inline(__always)
    public func write(to bytes: UnsafeMutableRawBufferPointer, hasExtension: Bool) -> Int? {
        guard bytes.count >= 12, let base = bytes.baseAddress else { return nil }
        base.storeBytes(of: (hasExtension ? 0x90 : 0x80) | (hasPadding ? 0x20 : 0), as: UInt8.self)
        base.storeBytes(of: payloadType & 0x7F | (marker ? 0x80 : 0), toByteOffset: 1, as: UInt8.self)
        base.storeBytes(of: sequenceNumber.bigEndian, toByteOffset: 2, as: UInt16.self)
        base.storeBytes(of: timestamp.bigEndian, toByteOffset: 4, as: UInt32.self)
        base.storeBytes(of: ssrc.bigEndian, toByteOffset: 8, as: UInt32.self)
        return 12
    }
}
