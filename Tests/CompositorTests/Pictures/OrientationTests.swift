import Foundation
import Media
import Testing

@testable import Compositor

@Suite("How photos are turned")
struct OrientationTests {
    /// The letter F as it is to be seen.
    static let letter = ["####", "#...", "##..", "#...", "#..."]

    /// Where each row and column of the letter is stored, as the table of TIFF 6.0 §8 has it: row 0 and column 0 lie at these
    /// sides of what is seen.
    static func stored(_ orientation: PictureOrientation) -> [String] {
        let seen = letter.map(Array.init), rows = seen.count, columns = seen[0].count
        func pixel(_ y: Int, _ x: Int) -> Character {
            switch orientation {
            case .upright: seen[y][x]
            case .mirrored: seen[y][columns - 1 - x]
            case .halfTurned: seen[rows - 1 - y][columns - 1 - x]
            case .flipped: seen[rows - 1 - y][x]
            case .transposed: seen[x][y]
            case .clockwise: seen[x][columns - 1 - y]
            case .transversed: seen[rows - 1 - x][columns - 1 - y]
            case .anticlockwise: seen[rows - 1 - x][y]
            }
        }
        let (height, width) = orientation.swapsSides ? (columns, rows) : (rows, columns)
        return (0..<height).map { y in String((0..<width).map { pixel(y, $0) }) }
    }

    private static func bitmap(_ rows: [String], scale: Int = 1) -> RGBABitmap {
        var bitmap = RGBABitmap(width: rows[0].count * scale, height: rows.count * scale, alpha: .straight)
        for (y, row) in rows.enumerated() {
            for (x, pixel) in row.enumerated() {
                let value: UInt8 = pixel == "#" ? 255 : 0
                for at in 0..<(scale * scale) {
                    let to = 4 * ((y * scale + at / scale) * bitmap.width + x * scale + at % scale)
                    bitmap.pixels.replaceSubrange(to..<(to + 4), with: [value, value, value, 255])
                }
            }
        }
        return bitmap
    }

    /// A block of EXIF with an entry before and one behind the orientation.
    static func exif(_ orientation: UInt16, isLittle: Bool) -> [UInt8] {
        func bytes(_ value: Int, _ count: Int) -> [UInt8] {
            let big = Self.big(value, count)
            return isLittle ? big.reversed() : big
        }
        var block = Array((isLittle ? "II" : "MM").utf8)
        func entry(_ tag: Int, _ type: Int, _ value: [UInt8]) {
            block += bytes(tag, 2)
            block += bytes(type, 2)
            block += bytes(1, 4)
            block += value
        }
        block += bytes(42, 2)
        block += bytes(8, 4)
        block += bytes(3, 2)
        entry(0x0100, 4, bytes(7, 4))
        entry(0x0112, 3, bytes(Int(orientation), 2) + [0, 0])
        entry(0x0128, 3, bytes(2, 2) + [0, 0])
        block += bytes(0, 4)
        return block
    }

    private static func big(_ value: Int, _ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * (count - 1 - $0))) }
    }

    /// The file with a block behind its header.
    static func jpeg(_ file: Data, _ block: [UInt8]) -> Data {
        let start = file[3] == 0xE0 ? 4 + Int(file[4]) * 256 + Int(file[5]) : 2
        var whole = Data(file.prefix(start))
        whole += [0xFF, 0xE1] as [UInt8]
        whole += big(block.count + 8, 2)
        whole += Array("Exif\0\0".utf8)
        whole += block
        whole += file.dropFirst(start)
        return whole
    }

    /// The file with a block before its end.
    static func png(_ file: Data, _ block: [UInt8]) -> Data {
        let chunk: [UInt8] = Array("eXIf".utf8) + block
        var whole = Data(file.dropLast(12))
        whole += big(block.count, 4)
        whole += chunk
        whole += big(Int(crc(chunk)), 4)
        whole += file.suffix(12)
        return whole
    }

    /// The file with a block at its end.
    static func webP(_ file: Data, _ block: [UInt8]) -> Data {
        var whole = file
        whole += Array("EXIF".utf8)
        whole += Array(big(block.count, 4).reversed())
        whole += block
        whole.replaceSubrange(4..<8, with: Array(big(whole.count - 8, 4).reversed()))
        return whole
    }

    /// ISO 3309, as PNG has it.
    private static func crc(_ bytes: [UInt8]) -> UInt32 {
        ~bytes.reduce(UInt32.max) { sum, byte in
            (0..<8).reduce(sum ^ UInt32(byte)) { sum, _ in sum & 1 == 1 ? sum >> 1 ^ 0xEDB8_8320 : sum >> 1 }
        }
    }

    private static func file(_ bitmap: RGBABitmap) throws -> Data {
        let file = FileManager.default.temporaryDirectory.appending(path: "turned-\(UUID().uuidString).png")
        defer { try? FileManager.default.removeItem(at: file) }
        try PNGWriter.write(bitmap, to: file)
        return try Data(contentsOf: file)
    }

    @Test("in all eight ways, in both byte orders, come out upright", arguments: PictureOrientation.allCases)
    func turned(orientation: PictureOrientation) throws {
        let seen = Self.bitmap(Self.letter), stored = Self.bitmap(Self.stored(orientation))
        #expect(stored.turned(orientation) == seen)
        for isLittle in [false, true] {
            let block = Self.exif(orientation.rawValue, isLittle: isLittle)
            let png = Self.png(try Self.file(stored), block)
            #expect(PictureOrientation(of: png) == orientation)
            #expect(try PictureDecoder.decode(png) == seen)
            // A quarter turn changes what the box is to the stored picture.
            let large = Self.png(try Self.file(Self.bitmap(Self.stored(orientation), scale: 8)), block)
            #expect(
                try PictureDecoder.decode(large, fitting: PixelSize(width: 100, height: 20))
                    == Self.bitmap(Self.letter, scale: 4))
        }
    }

    @Test("a JPEG from a camera held upright is higher than wide, its top above", arguments: [6, 8, 3, 1])
    func camera(orientation: UInt16) throws {
        // Bright at the left, dark at the right, as the sensor saw it.
        let sensor = VideoFrame(width: 96, height: 64)
        sensor.fill(y: 16, u: 128, v: 128)
        for row in 0..<64 { (sensor.y + row * sensor.lumaStride).update(repeating: 235, count: 48) }
        let file = Self.jpeg(
            try StillEncoder.jpeg(sensor, width: 96), Self.exif(orientation, isLittle: orientation == 6))
        let picture = try PictureDecoder.decode(file)
        func isBright(_ x: Int, _ y: Int) -> Bool { picture.pixels[4 * (y * picture.width + x)] > 128 }
        if orientation == 6 || orientation == 8 {
            try #require(picture.width == 64 && picture.height == 96)
            #expect(isBright(32, 10) == (orientation == 6) && isBright(32, 85) == (orientation == 8))
        } else {
            try #require(picture.width == 96 && picture.height == 64)
            #expect(isBright(10, 32) == (orientation == 1) && isBright(85, 32) == (orientation == 3))
        }
    }

    @Test("a WebP says it at its end, with or without a name before it")
    func webP() throws {
        let file = try #require(Data(base64Encoded: PictureTests.webP[1]))
        for name in ["", "Exif\0\0"] {
            let whole = Self.webP(file, Array(name.utf8) + Self.exif(8, isLittle: false))
            #expect(PictureOrientation(of: whole) == .anticlockwise)
            #expect(PictureOrientation(of: whole.dropLast(20)) == .upright)
            #expect(try PictureDecoder.decode(whole).width == 16)
        }
        #expect(PictureOrientation(of: file) == .upright)
    }

    @Test("a block that is cut off, points anywhere or says nonsense leaves the picture as it is stored")
    func hostile() throws {
        let plain = try #require(Data(base64Encoded: PictureTests.jpeg))
        let stored = try PictureDecoder.decode(plain)
        func seen(_ block: [UInt8]) throws -> PictureOrientation {
            let file = Self.jpeg(plain, block)
            let picture = try PictureDecoder.decode(file)
            #expect(picture.pixels.count == stored.pixels.count)
            return PictureOrientation(of: file)
        }
        let good = Self.exif(6, isLittle: false)
        #expect(try seen(good) == .clockwise)
        // The value ends with the 32nd byte.
        for count in good.indices {
            let orientation = try seen(Array(good.prefix(count)))
            #expect(orientation == (count < 32 ? .upright : .clockwise), "\(count) bytes")
        }
        func changed(_ at: Int, _ bytes: [UInt8]) -> [UInt8] {
            var block = good
            block.replaceSubrange(at..<(at + bytes.count), with: bytes)
            return block
        }
        for block in [
            changed(0, [0x49, 0x4D]), changed(0, [0x49, 0x49]), changed(2, [0, 43]),
            // The directory: in itself, at the last byte, past the end, at the end of all numbers.
            changed(4, [0, 0, 0, 0]), changed(4, [0, 0, 0, UInt8(good.count - 1)]), changed(4, [0, 0, 0, 0xFF]),
            changed(4, [0xFF, 0xFF, 0xFF, 0xFF]), changed(4, [0x7F, 0xFF, 0xFF, 0xFF]),
            // No entries; of another type; several; a value that is none.
            changed(8, [0, 0]), changed(24, [0, 4]), changed(29, [2]), changed(30, [0, 0]), changed(30, [0, 9]),
            changed(30, [6, 0]), changed(30, [0xFF, 0xFF]),
        ] { #expect(try seen(block) == .upright, "\(block)") }
        // More entries than there are, and a next directory that is this one again.
        #expect(try seen(changed(8, [0xFF, 0xFF])) == .clockwise)
        #expect(try seen(changed(46, [0, 0, 0, 8])) == .clockwise)
        var empty = changed(8, [0xFF, 0xFF])
        empty.replaceSubrange(22..<24, with: [1, 0x13])
        #expect(try seen(empty) == .upright)
    }

    @Test("files damaged at random trap nowhere, and end soon")
    func damaged() throws {
        let jpeg = try #require(Data(base64Encoded: PictureTests.jpeg))
        let png = try #require(Data(base64Encoded: PictureTests.png))
        let webP = try #require(Data(base64Encoded: PictureTests.webP[0]))
        let block = Self.exif(5, isLittle: true)
        var random = SeededRandom(21), found = 0
        for whole in [Self.jpeg(jpeg, block), Self.png(png, block), Self.webP(webP, block)] {
            #expect(PictureOrientation(of: whole) == .transposed)
            for _ in 0..<2000 {
                var changed = whole
                for _ in 0..<Int.random(in: 1...4, using: &random) {
                    changed[Int.random(in: 0..<changed.count, using: &random)] = .random(in: 0...255, using: &random)
                }
                changed = changed.prefix(Int.random(in: 0...changed.count, using: &random))
                if PictureOrientation(of: changed) != .upright { found += 1 }
                // A part of a larger one begins at another index.
                var larger = Data([1, 2, 3])
                larger += changed
                #expect(PictureOrientation(of: larger.dropFirst(3)) == PictureOrientation(of: changed))
            }
        }
        #expect(found > 0)
        // Chunks without length, as many as fit: they lead on, up to the bound.
        var empty = Data(Array("RIFF0000WEBP".utf8))
        empty += [UInt8](repeating: 0, count: 4 << 20)
        #expect(PictureOrientation(of: empty) == .upright)
        var fill = Data([0xFF, 0xD8])
        fill += [UInt8](repeating: 0xFF, count: 4 << 20)
        #expect(PictureOrientation(of: fill) == .upright)
    }
}
