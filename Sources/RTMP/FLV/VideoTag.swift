// The body of an FLV video tag: legacy AVC and the avc1 form of Enhanced RTMP.

/// A video message, parsed to its parts (Video File Format 10.1, E.4.3; Enhanced RTMP v2).
enum VideoTag: Equatable, Sendable {
    /// An AVCDecoderConfigurationRecord lies there.
    case configuration(Range<Int>)
    /// NAL units with length prefixes lie there.
    case frame(compositionTime: Int32, Range<Int>)
    /// Nothing that concerns a decoder: an end of sequence, a command frame, metadata.
    case nothing

    init(_ payload: [UInt8]) throws(RTMPError) {
        var reader = ByteReader(payload)
        guard let first = reader.byte() else {
            self = .nothing
            return
        }
        if first & 0x80 != 0 {
            try self.init(enhanced: first, &reader)
            return
        }
        // Frame type 5 is a command to a player.
        guard first >> 4 != 5 else {
            self = .nothing
            return
        }
        guard first & 0x0F == 7 else { throw .unsupportedCodec }
        guard let packetType = reader.byte(), let time = reader.big24() else { throw .malformedTag }
        let rest = reader.offset..<payload.count
        switch packetType {
        case 0: self = .configuration(rest)
        case 1: self = .frame(compositionTime: Self.signed(time), rest)
        default: self = .nothing
        }
    }

    private init(enhanced first: UInt8, _ reader: inout ByteReader) throws(RTMPError) {
        guard let codec = reader.big32() else { throw .malformedTag }
        guard (first >> 4) & 7 != 5 else {
            self = .nothing
            return
        }
        guard codec == 0x6176_6331 else { throw .unsupportedCodec }
        switch first & 0x0F {
        case 0: self = .configuration(reader.offset..<reader.bytes.count)
        case 1:
            guard let time = reader.big24() else { throw .malformedTag }
            self = .frame(compositionTime: Self.signed(time), reader.offset..<reader.bytes.count)
        case 3: self = .frame(compositionTime: 0, reader.offset..<reader.bytes.count)
        case 2, 4: self = .nothing
        default: throw .unsupportedCodec
        }
    }

    /// SI24: B frames make it negative in some muxers.
    private static func signed(_ value: UInt32) -> Int32 { Int32(bitPattern: value << 8) >> 8 }

    static func configurationHeader() -> [UInt8] { [0x17, 0, 0, 0, 0] }

    static func frameHeader(isKeyframe: Bool, compositionTime: Int64) -> [UInt8] {
        let time = UInt32(truncatingIfNeeded: min(max(compositionTime, -0x80_0000), 0x7F_FFFF))
        var header: [UInt8] = [isKeyframe ? 0x17 : 0x27, 1]
        header.appendBig24(time)
        return header
    }
}
