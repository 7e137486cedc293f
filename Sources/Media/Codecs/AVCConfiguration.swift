// The parameter sets of an H.264 stream, as ISO/IEC 14496-15 wraps them.

/// An AVCDecoderConfigurationRecord (ISO/IEC 14496-15, 5.3.3.1), read and written.
public struct AVCConfiguration: Sendable, Equatable {
    /// profile_idc, the constraint flags and level_idc.
    public let profile: UInt8, compatibility: UInt8, level: UInt8
    /// Bytes of the length before each NAL unit: 1, 2 or 4.
    public let lengthSize: Int
    /// Sequence and picture parameter sets, without start code or length.
    public let sps: [[UInt8]], pps: [[UInt8]]

    /// Makes the record of an encoder's parameter sets; nil when the sequence parameter set is shorter than 4 bytes.
    public init?(sps: [UInt8], pps: [UInt8]) {
        guard sps.count >= 4 else { return nil }
        (profile, compatibility, level, lengthSize) = (sps[1], sps[2], sps[3], 4)
        (self.sps, self.pps) = ([sps], [pps])
    }

    /// Reads a record; throws `AVError.invalidData` when it is cut short or holds no sequence parameter set.
    public init(_ block: ByteBlock) throws(AVError) {
        let bytes = block.array
        guard bytes.count >= 7, bytes[0] == 1 else { throw AVError.invalidData }
        (profile, compatibility, level) = (bytes[1], bytes[2], bytes[3])
        lengthSize = Int(bytes[4] & 3) + 1
        var offset = 6
        func sets(_ count: Int) throws(AVError) -> [[UInt8]] {
            var result: [[UInt8]] = []
            for _ in 0..<count {
                guard offset + 2 <= bytes.count else { throw AVError.invalidData }
                let length = Int(bytes[offset]) << 8 | Int(bytes[offset + 1])
                guard length > 0, offset + 2 + length <= bytes.count else { throw AVError.invalidData }
                result.append(Array(bytes[(offset + 2)..<(offset + 2 + length)]))
                offset += 2 + length
            }
            return result
        }
        sps = try sets(Int(bytes[5] & 31))
        guard !sps.isEmpty, offset < bytes.count else { throw AVError.invalidData }
        let pictureSets = Int(bytes[offset])
        offset += 1
        pps = try sets(pictureSets)
    }

    /// The record's bytes.
    public var record: ByteBlock {
        var bytes: [UInt8] = [
            1, profile, compatibility, level, 0xFC | UInt8(lengthSize - 1), 0xE0 | UInt8(sps.count & 31),
        ]
        for set in sps {
            bytes += [UInt8(truncatingIfNeeded: set.count >> 8), UInt8(truncatingIfNeeded: set.count)] + set
        }
        bytes.append(UInt8(truncatingIfNeeded: pps.count))
        for set in pps {
            bytes += [UInt8(truncatingIfNeeded: set.count >> 8), UInt8(truncatingIfNeeded: set.count)] + set
        }
        if [100, 110, 122, 144].contains(profile) {
            // chroma_format 4:2:0, 8 bits luma and chroma, no extension sets: what our encoders write.
            bytes += [0xFD, 0xF8, 0xF8, 0]
        }
        return ByteBlock(bytes)
    }

    /// The codec string of RFC 6381, such as `avc1.640028`.
    public var codecString: String {
        let digits = Array("0123456789abcdef")
        return "avc1."
            + String([profile, compatibility, level].flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
    }

    /// The picture size after cropping, or nil when the sequence parameter set can't be read.
    public var pictureSize: PictureSize? { sps.first.flatMap(SequenceParameterSet.pictureSize(of:)) }
}

/// Width and height in pixels.
public struct PictureSize: Sendable, Hashable, Codable {
    /// Pixels.
    public var width: Int, height: Int

    /// Creates a size.
    public init(width: Int, height: Int) {
        self.width = width
        self.height = height
    }
}
