// The body of an FLV audio tag: legacy AAC and the mp4a form of Enhanced RTMP.

/// An audio message, parsed to its parts (Video File Format 10.1, E.4.2; Enhanced RTMP v2).
enum AudioTag: Equatable, Sendable {
    /// An AudioSpecificConfig lies there.
    case configuration(Range<Int>)
    /// One raw AAC frame lies there.
    case frame(Range<Int>)
    /// Nothing that concerns a decoder.
    case nothing

    init(_ payload: [UInt8]) throws(RTMPError) {
        var reader = ByteReader(payload)
        guard let first = reader.byte() else {
            self = .nothing
            return
        }
        let packetType: UInt8
        switch first >> 4 {
        case 10:
            guard let type = reader.byte() else { throw .malformedTag }
            packetType = type
        case 9:
            guard let codec = reader.big32() else { throw .malformedTag }
            guard codec == 0x6D70_3461 else { throw .unsupportedCodec }
            packetType = first & 0x0F
        default: throw .unsupportedCodec
        }
        let rest = reader.offset..<payload.count
        switch packetType {
        case 0: self = .configuration(rest)
        case 1: self = rest.isEmpty ? .nothing : .frame(rest)
        default: self = .nothing
        }
    }

    /// AAC is always marked as 44.1 kHz, 16 bits, stereo; the AudioSpecificConfig holds the truth.
    static let configurationHeader: [UInt8] = [0xAF, 0]
    static let frameHeader: [UInt8] = [0xAF, 1]
}
