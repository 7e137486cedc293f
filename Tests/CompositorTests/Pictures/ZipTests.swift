import Foundation
import Testing

@testable import Compositor

/// Writes archives byte by byte, also such as no tool writes.
private struct ZipWriter {
    struct File {
        var name: String
        var data: Data
        var isDeflated = false
        var mode: UInt32 = 0x81A4
        var flags: UInt16 = 0
        var claimedLength: UInt32?
    }

    static func checksum(_ data: Data) -> UInt32 {
        var crc: UInt32 = 0xFFFF_FFFF
        for byte in data {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
        }
        return ~crc
    }

    /// One stored block of deflate (RFC 1951 section 3.2.4) for each 65535 bytes.
    static func deflated(_ data: Data) -> Data {
        var out = Data(), rest = data[...]
        repeat {
            let piece = rest.prefix(65535)
            rest = rest.dropFirst(piece.count)
            let count = UInt16(piece.count)
            out.append(contentsOf: [rest.isEmpty ? 1 : 0])
            for value in [count, ~count] { out.append(contentsOf: [UInt8(value & 255), UInt8(value >> 8)]) }
            out.append(piece)
        } while !rest.isEmpty
        return out
    }

    static func archive(_ files: [File], entries: UInt16? = nil) -> Data {
        var out = Data(), directory = Data()
        func small(_ data: inout Data, _ values: UInt16...) {
            for value in values { data.append(contentsOf: [UInt8(value & 255), UInt8(value >> 8)]) }
        }
        func long(_ data: inout Data, _ values: UInt32...) {
            for value in values { small(&data, UInt16(value & 0xFFFF), UInt16(value >> 16)) }
        }
        for file in files {
            let packed = file.isDeflated ? deflated(file.data) : file.data, name = Data(file.name.utf8)
            let start = UInt32(out.count), sum = checksum(file.data)
            let length = file.claimedLength ?? UInt32(file.data.count), method: UInt16 = file.isDeflated ? 8 : 0
            long(&out, 0x0403_4B50)
            small(&out, 20, file.flags, method, 0, 0)
            long(&out, sum, UInt32(packed.count), length)
            small(&out, UInt16(name.count), 0)
            out.append(name + packed)
            long(&directory, 0x0201_4B50)
            small(&directory, 3 << 8 | 20, 20, file.flags, method, 0, 0)
            long(&directory, sum, UInt32(packed.count), length)
            small(&directory, UInt16(name.count), 0, 0, 0, 0)
            long(&directory, file.mode << 16, start)
            directory.append(name)
        }
        let start = UInt32(out.count)
        out.append(directory)
        long(&out, 0x0605_4B50)
        let count = entries ?? UInt16(files.count)
        small(&out, 0, 0, count, count)
        long(&out, UInt32(directory.count), start)
        small(&out, 0)
        return out
    }
}

@Suite("Archives of pictures")
struct ZipTests {
    private func folder() throws -> URL {
        let folder = FileManager.default.temporaryDirectory.appending(path: "zip-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        return folder
    }

    private func png(_ width: Int, _ height: Int, alpha: UInt8 = 255) throws -> Data {
        let file = FileManager.default.temporaryDirectory.appending(path: "\(UUID().uuidString).png")
        defer { try? FileManager.default.removeItem(at: file) }
        var bitmap = RGBABitmap(width: width, height: height)
        for at in stride(from: 3, to: bitmap.pixels.count, by: 4) { bitmap.pixels[at] = alpha }
        try PNGWriter.write(bitmap, to: file)
        return try Data(contentsOf: file)
    }

    @Test("pictures become pages in the natural order of their names; folders and what systems leave are passed over")
    func pages() throws {
        let folder = try folder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let archive = ZipWriter.archive([
            .init(name: "deck/", data: Data(), mode: 0x41ED),
            .init(name: "deck/10.png", data: try png(40, 20)),
            .init(name: "deck/2.png", data: try png(20, 40), isDeflated: true),
            .init(name: "deck/1.png", data: try png(30, 30, alpha: 0)),
            .init(name: "__MACOSX/deck/._1.png", data: Data("x".utf8)),
            .init(name: "deck/.DS_Store", data: Data("x".utf8)),
        ])
        let file = folder.appending(path: "a.zip"), out = folder.appending(path: "out")
        try archive.write(to: file)
        let deck = try SlideDeck.render(file: file, into: out)
        #expect(deck.pages.map { [$0.width, $0.height] } == [[30, 30], [20, 40], [40, 20]])
        #expect(SlideDeck.description(of: out) == deck)
        // What lets through is white, as paper is.
        let first = try PictureDecoder.decode(Data(contentsOf: SlideDeck.page(1, in: out)))
        #expect(first.pixels.allSatisfy { $0 == 255 })
    }

    @Test("what wants out, links, nests, lies about its size or is damaged is refused with the reason")
    func refused() throws {
        let folder = try folder(), picture = try png(8, 8)
        defer { try? FileManager.default.removeItem(at: folder) }
        func reason(_ data: Data) -> String {
            let file = folder.appending(path: "a.zip")
            do {
                try data.write(to: file)
                return "taken: \(try SlideDeck.render(file: file, into: folder.appending(path: "out")))"
            } catch SlideError.archive(let error) { return error.reason } catch { return "\(error)" }
        }
        func with(_ change: (inout ZipWriter.File) -> Void) -> String {
            var file = ZipWriter.File(name: "a.png", data: picture)
            change(&file)
            return reason(ZipWriter.archive([file]))
        }
        for name in ["../a.png", "/etc/a.png", "a/../../b.png", "..\\a.png", "C:a.png"] {
            #expect(with { $0.name = name } == "The archive names a place outside: \(name).")
        }
        #expect(with { $0.mode = 0xA1FF } == "a.png is a link, and no file.")
        #expect(with { $0.data = ZipWriter.archive([]) } == "a.png is an archive in the archive.")
        #expect(with { $0.flags = 1 } == "The archive is protected by a password.")
        #expect(with { $0.claimedLength = 0xFFFF_FFFF } == "a.png claims more than 4 GB.")
        #expect(with { $0.claimedLength = 1 << 30 } == "a.png has 1073741824 bytes.")
        #expect(
            with { ($0.isDeflated, $0.claimedLength) = (true, 1000) } == "a.png is damaged, or larger than it says.")
        #expect(with { ($0.isDeflated, $0.claimedLength) = (true, 8) } == "a.png is damaged, or larger than it says.")
        #expect(
            with { $0.data = Data("text".utf8) }
                == "picture(name: \"a.png\", Optional(Compositor.PictureError.unknownFormat))")
        let whole = ZipWriter.archive([.init(name: "a.png", data: picture)])
        #expect(reason(whole.dropLast(1)) == "The archive has no end, so it is cut off or none.")
        #expect(reason(ZipWriter.archive([])) == "pageCount(0)")
        #expect(reason(ZipWriter.archive([], entries: 3)) == "The archive's directory is damaged.")
        let many = (1...301).map { ZipWriter.File(name: "\($0).png", data: picture) }
        #expect(reason(ZipWriter.archive(many)) == "pageCount(301)")
        var broken = whole
        broken[40] ^= 1
        #expect(reason(broken) == "a.png is damaged.")
        var random = SeededRandom(5)
        for _ in 0..<2000 {
            var mutated = whole
            for _ in 0..<4 {
                mutated[Int.random(in: 0..<whole.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            _ = try? ZipArchive(mutated).entries.map { try ZipArchive(mutated).read($0) }
        }
    }

    @Test("three hundred pages of a PDF are drawn")
    func long() throws {
        let folder = try folder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appending(path: "a.pdf"), out = folder.appending(path: "out")
        try PictureTests.pdf(Array(repeating: (width: 160, height: 90), count: 300)).write(to: file)
        let limits = SlideDeck.Limits(size: PixelSize(width: 192, height: 108))
        let deck = try SlideDeck.render(file: file, into: out, limits: limits)
        #expect(deck.pages.count == 300 && deck.pages.allSatisfy { $0 == limits.size })
        #expect(FileManager.default.fileExists(atPath: SlideDeck.page(300, in: out).path))
    }
}
