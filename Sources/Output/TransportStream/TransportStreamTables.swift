// The program tables of a transport stream: one program, one H.264 and one AAC stream.

enum TransportStreamTables {
    static let patPID: UInt16 = 0, pmtPID: UInt16 = 0x1000, videoPID: UInt16 = 0x100, audioPID: UInt16 = 0x101

    /// The program association section (ISO/IEC 13818-1, 2.4.4.3).
    static let pat = section([
        0x00, 0xB0, 13, 0, 1, 0xC1, 0, 0, 0, 1, 0xE0 | UInt8(pmtPID >> 8), UInt8(pmtPID & 255),
    ])

    /// The program map section (2.4.4.8): H.264 is stream type 0x1B, AAC in ADTS 0x0F; the PCR rides with the video.
    static let pmt = section([
        0x02, 0xB0, 23, 0, 1, 0xC1, 0, 0, 0xE0 | UInt8(videoPID >> 8), UInt8(videoPID & 255), 0xF0, 0,
        0x1B, 0xE0 | UInt8(videoPID >> 8), UInt8(videoPID & 255), 0xF0, 0,
        0x0F, 0xE0 | UInt8(audioPID >> 8), UInt8(audioPID & 255), 0xF0, 0,
    ])

    private static func section(_ bytes: [UInt8]) -> [UInt8] {
        let crc = crc32(bytes)
        return bytes + [UInt8(crc >> 24), UInt8(crc >> 16 & 255), UInt8(crc >> 8 & 255), UInt8(crc & 255)]
    }

    /// The CRC of annex A: polynomial 0x04C11DB7, all ones at the start, nothing reflected.
    static func crc32(_ bytes: [UInt8]) -> UInt32 {
        var crc: UInt32 = 0xFFFF_FFFF
        for byte in bytes {
            crc ^= UInt32(byte) << 24
            for _ in 0..<8 { crc = crc & 0x8000_0000 != 0 ? crc << 1 ^ 0x04C1_1DB7 : crc << 1 }
        }
        return crc
    }
}
