// A ZIP archive of pictures, read from memory: nothing of it ever becomes a path.

import CZlib
import Foundation

/// Why an archive can't be read.
public enum ZipError: Error, Equatable, Sendable {
    /// It is damaged, or of a kind that is not read; the text says what is wrong.
    case unreadable(String)
    /// It claims more than is allowed.
    case tooLarge(String)

    /// One sentence for people.
    public var reason: String {
        switch self {
        case .unreadable(let text), .tooLarge(let text): text
        }
    }
}

/// The files of an archive (PKWARE APPNOTE 6.3.10), with every claim checked before memory is taken.
struct ZipArchive {
    /// What an archive may hold.
    struct Limits {
        var entries = 2000
        var fileBytes = 24 << 20
        var allBytes = 2 << 30
    }

    /// One file.
    struct Entry: Equatable {
        var name: String
        fileprivate var method: UInt16
        fileprivate var checksum: UInt32
        fileprivate var packed: Int, length: Int
        fileprivate var header: Int
    }

    /// The files, in their natural order: `2.png` before `10.png`.
    let entries: [Entry]
    private let data: Data

    /// Reads the directory of an archive.
    ///
    /// - Throws: `ZipError` when anything in it is not as it should be, and for a file that wants out of the archive.
    init(_ data: Data, limits: Limits = Limits()) throws(ZipError) {
        let data = data.startIndex == 0 ? data : Data(data)
        self.data = data
        let end = try Self.end(data)
        let count = Self.small(data, end + 10), size = Self.long(data, end + 12), start = Self.long(data, end + 16)
        guard count != 0xFFFF, size != 0xFFFF_FFFF, start != 0xFFFF_FFFF else {
            throw .tooLarge("The archive claims more than 4 GB.")
        }
        guard Self.small(data, end + 4) == 0, Self.small(data, end + 6) == 0, Self.small(data, end + 8) == count else {
            throw .unreadable("The archive is one part of several.")
        }
        guard start + size <= end else { throw .unreadable("The archive's directory is damaged.") }
        guard count <= limits.entries else { throw .tooLarge("The archive has \(count) files.") }
        var at = start, found: [Entry] = [], packed = 0, length = 0
        for _ in 0..<count {
            guard let entry = try Self.entry(data, &at, start + size, limits) else { continue }
            packed += entry.packed
            length += entry.length
            found.append(entry)
        }
        // Files that share their bytes are how a small archive becomes a huge one.
        guard packed <= data.count else { throw .tooLarge("The archive's files overlap.") }
        guard length <= limits.allBytes else { throw .tooLarge("The archive unpacks to \(length) bytes.") }
        entries = found.sorted { $0.name.compare($1.name, options: [.numeric, .caseInsensitive]) == .orderedAscending }
    }

    /// Unpacks one file.
    ///
    /// - Throws: `ZipError.unreadable` when it does not come to what the directory says.
    func read(_ entry: Entry) throws(ZipError) -> Data {
        guard entry.header + 30 <= data.count, Self.long(data, entry.header) == 0x0403_4B50 else {
            throw .unreadable("\(entry.name) is damaged.")
        }
        let begin = entry.header + 30 + Self.small(data, entry.header + 26) + Self.small(data, entry.header + 28)
        guard begin + entry.packed <= data.count else { throw .unreadable("\(entry.name) is cut off.") }
        let packed = data[begin..<(begin + entry.packed)]
        var file: Data
        if entry.method == 0 {
            guard entry.packed == entry.length else { throw .unreadable("\(entry.name) is damaged.") }
            file = Data(packed)
        } else {
            file = Data(count: entry.length)
            let code = file.withUnsafeMutableBytes { target in
                packed.withUnsafeBytes { source in
                    proscenium_inflate(
                        source.bindMemory(to: UInt8.self).baseAddress, UInt32(source.count),
                        target.bindMemory(to: UInt8.self).baseAddress, UInt32(target.count))
                }
            }
            guard code == 0 else { throw .unreadable("\(entry.name) is damaged, or larger than it says.") }
        }
        let checksum = file.withUnsafeBytes { raw in
            crc32(0, raw.bindMemory(to: UInt8.self).baseAddress, UInt32(raw.count))
        }
        guard UInt32(truncatingIfNeeded: checksum) == entry.checksum || entry.length == 0 else {
            throw .unreadable("\(entry.name) is damaged.")
        }
        return file
    }

    // MARK: - Inside

    private static func small(_ data: Data, _ at: Int) -> Int {
        at >= 0 && at + 2 <= data.count ? Int(data[at]) | Int(data[at + 1]) << 8 : 0
    }

    private static func long(_ data: Data, _ at: Int) -> Int { small(data, at) | small(data, at + 2) << 16 }

    /// The end of central directory record stands last, before a comment of at most 65535 bytes.
    private static func end(_ data: Data) throws(ZipError) -> Int {
        var at = data.count - 22
        while at >= max(0, data.count - 22 - 65535) {
            if long(data, at) == 0x0605_4B50, at + 22 + small(data, at + 20) == data.count { return at }
            at -= 1
        }
        throw .unreadable("The archive has no end, so it is cut off or none.")
    }

    /// Reads one entry of the directory; nil for folders and for what systems leave behind.
    private static func entry(
        _ data: Data, _ at: inout Int, _ end: Int, _ limits: Limits
    ) throws(ZipError) -> Entry? {
        guard at + 46 <= end, long(data, at) == 0x0201_4B50 else {
            throw .unreadable("The archive's directory is damaged.")
        }
        let nameLength = small(data, at + 28), attributes = long(data, at + 38)
        let next = at + 46 + nameLength + small(data, at + 30) + small(data, at + 32)
        guard next <= end else { throw .unreadable("The archive's directory is damaged.") }
        let name = String(decoding: data[(at + 46)..<(at + 46 + nameLength)], as: UTF8.self)
        let flags = small(data, at + 8), system = small(data, at + 4) >> 8
        let entry = Entry(
            name: name, method: UInt16(small(data, at + 10)), checksum: UInt32(long(data, at + 16)),
            packed: long(data, at + 20), length: long(data, at + 24), header: long(data, at + 42))
        at = next
        // Names are only shown and sorted; what tries to be a path out of here is still not taken from anybody.
        let parts = name.split(separator: "/", omittingEmptySubsequences: false)
        guard !name.hasPrefix("/"), !name.contains("\\"), !name.contains("\0"), !parts.contains(".."),
            !name.dropFirst().hasPrefix(":"), (1...1024).contains(nameLength)
        else { throw .unreadable("The archive names a place outside: \(name.prefix(80)).") }
        // System 3 is Unix, whose mode stands in the upper half; 0xA000 is a symbolic link.
        if system == 3, attributes >> 16 & 0xF000 == 0xA000 {
            throw .unreadable("\(name.prefix(80)) is a link, and no file.")
        }
        let last = parts.last.map(String.init) ?? ""
        if name.hasSuffix("/") || parts.first == "__MACOSX" || last.hasPrefix(".") || last == "Thumbs.db" { return nil }
        guard entry.packed != 0xFFFF_FFFF, entry.length != 0xFFFF_FFFF, entry.header != 0xFFFF_FFFF else {
            throw .tooLarge("\(name.prefix(80)) claims more than 4 GB.")
        }
        guard entry.length <= limits.fileBytes else { throw .tooLarge("\(name.prefix(80)) has \(entry.length) bytes.") }
        guard flags & 1 == 0 else { throw .unreadable("The archive is protected by a password.") }
        guard entry.method == 0 || entry.method == 8 else {
            throw .unreadable("\(name.prefix(80)) is packed in a way that is not read.")
        }
        return entry
    }
}
