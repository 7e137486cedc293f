// The H.264 decoder configuration, checked before anybody downstream trusts it.

/// What a demuxer needs of an AVCDecoderConfigurationRecord (ISO/IEC 14496-15, 5.3.3.1).
struct AVCConfiguration: Equatable, Sendable {
    /// How many bytes hold the length before each NAL unit: 1, 2 or 4.
    let lengthSize: Int

    /// Walks the record; all of its parameter sets have to lie inside, with one SPS and one PPS at least.
    init(_ record: ArraySlice<UInt8>) throws(RTMPError) {
        var reader = ByteReader(Array(record))
        guard reader.byte() == 1, reader.big24() != nil, let size = reader.byte(), let spsCount = reader.byte() else {
            throw .malformedConfiguration
        }
        lengthSize = Int(size & 3) + 1
        guard lengthSize != 3, spsCount & 0x1F > 0 else { throw .malformedConfiguration }
        try Self.skipSets(Int(spsCount & 0x1F), kind: 7, &reader)
        guard let ppsCount = reader.byte(), ppsCount > 0 else { throw .malformedConfiguration }
        try Self.skipSets(Int(ppsCount), kind: 8, &reader)
    }

    private static func skipSets(_ count: Int, kind: UInt8, _ reader: inout ByteReader) throws(RTMPError) {
        for _ in 0..<count {
            guard let length = reader.big16(), let range = reader.range(Int(length)), !range.isEmpty,
                reader.bytes[range.lowerBound] & 0x1F == kind
            else { throw .malformedConfiguration }
        }
    }
}
