// A background picture, written as a PNG by hand.

import Foundation

/// Writes a gradient as PNG (W3C PNG specification), uncompressed.
enum BackgroundPNG {
    /// Returns a picture that goes from one colour at the upper left to another at the lower right.
    ///
    /// - Parameters:
    ///   - width: in pixels, 1…2048.
    ///   - height: in pixels, 1…2048.
    ///   - from: red, green and blue at the upper left, 0…255.
    ///   - to: at the lower right.
    static func gradient(
        width: Int, height: Int, from: (Int, Int, Int), to: (Int, Int, Int)
    ) -> Data {
        let width = min(max(1, width), 2048), height = min(max(1, height), 2048)
        var rows: [UInt8] = []
        rows.reserveCapacity(height * (1 + 3 * width))
        let steps = max(1, width + height - 2)
        for y in 0..<height {
            rows.append(0)  // no filter
            for x in 0..<width {
                for (a, b) in [(from.0, to.0), (from.1, to.1), (from.2, to.2)] {
                    rows.append(UInt8(clamping: a + (b - a) * (x + y) / steps))
                }
            }
        }
        var file = Data([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A])
        // 8 bits, RGB, deflate, adaptive filters, not interlaced.
        append("IHDR", big(UInt32(width)) + big(UInt32(height)) + [8, 2, 0, 0, 0], to: &file)
        append("IDAT", stored(rows), to: &file)
        append("IEND", [], to: &file)
        return file
    }

    /// A zlib stream of stored blocks (RFC 1950, RFC 1951 §3.2.4).
    private static func stored(_ bytes: [UInt8]) -> [UInt8] {
        var stream: [UInt8] = [0x78, 0x01]
        var start = 0
        repeat {
            let end = min(start + 65_535, bytes.count), length = UInt16(end - start)
            stream.append(end == bytes.count ? 1 : 0)
            for value in [length, ~length] { stream += [UInt8(value & 255), UInt8(value >> 8)] }
            stream += bytes[start..<end]
            start = end
        } while start < bytes.count
        var low: UInt32 = 1, high: UInt32 = 0
        for byte in bytes {
            low = (low + UInt32(byte)) % 65_521
            high = (high + low) % 65_521
        }
        return stream + big(high << 16 | low)
    }

    private static func append(_ type: String, _ content: [UInt8], to file: inout Data) {
        let body = Array(type.utf8) + content
        file.append(contentsOf: big(UInt32(content.count)))
        file.append(contentsOf: body)
        file.append(contentsOf: big(checksum(body)))
    }

    private static func big(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(value >> (24 - 8 * $0) & 255) } }

    private static let table: [UInt32] = (0..<256).map { index in
        (0..<8).reduce(UInt32(index)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1 }
    }

    /// CRC-32 of ITU-T V.42.
    private static func checksum(_ bytes: [UInt8]) -> UInt32 {
        ~bytes.reduce(UInt32.max) { table[Int(($0 ^ UInt32($1)) & 255)] ^ $0 >> 8 }
    }
}
