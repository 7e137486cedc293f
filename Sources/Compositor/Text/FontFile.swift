// A font that somebody uploads: checked glyph by glyph in the process that may be harmed, and written anew.

import CText
public import Foundation

/// Why a font can't be taken.
public enum FontError: Error, Equatable, Sendable {
    /// It is none, or of a kind that is not read; the text says what is wrong.
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

/// TrueType and OpenType files (ISO/IEC 14496-22).
public enum FontFile {
    /// What is kept of a font: outlines, widths, characters, and how letters join.
    ///
    /// No programs that fit outlines to
    /// pixels, which nothing here runs, no pictures, no names.
    private static let kept: Set<String> = [
        "CFF ", "GDEF", "GPOS", "GSUB", "OS/2", "cmap", "glyf", "head", "hhea", "hmtx", "kern", "loca", "maxp", "post",
        "vhea", "vmtx",
    ]
    /// The size at which every glyph is drawn once, and how far beyond its em square it may reach.
    private static let pixels = 40, reach = 100

    /// Checks a font: for a process of its own that may be ended by what it reads.
    ///
    /// - Parameter data: the file.
    /// - Returns: the font with nothing in it but what is used, for `FontCollection`.
    /// - Throws: `FontError` when it is none, is damaged, or one of its glyphs can't be drawn.
    public static func checked(_ data: Data) throws(FontError) -> Data {
        let bytes = [UInt8](data)
        let font = try rewritten(bytes)
        try draw(font)
        return Data(font)
    }

    private static func long(_ bytes: [UInt8], _ at: Int) -> Int {
        at >= 0 && at + 4 <= bytes.count ? bytes[at..<at + 4].reduce(0) { $0 << 8 | Int($1) } : 0
    }

    private static func rewritten(_ bytes: [UInt8]) throws(FontError) -> [UInt8] {
        let isOutline: Bool
        switch long(bytes, 0) {
        case 0x0001_0000, 0x7472_7565: isOutline = false
        case 0x4F54_544F: isOutline = true
        case 0x7474_6366: throw .unreadable("The file is a collection of fonts; one of them is taken.")
        case 0x774F_4646, 0x774F_4632:
            throw .unreadable("The file is a WOFF, packed for browsers; the TTF or OTF that it was made from is taken.")
        default: throw .unreadable("The file is neither TTF nor OTF.")
        }
        let count = long(bytes, 4) >> 16
        guard (1...64).contains(count), 12 + 16 * count <= bytes.count else {
            throw .unreadable("The font's list of tables is damaged.")
        }
        var tables: [String: Range<Int>] = [:]
        for index in 0..<count {
            let entry = 12 + 16 * index
            let name = String(decoding: bytes[entry..<entry + 4], as: UTF8.self)
            let start = long(bytes, entry + 8), length = long(bytes, entry + 12)
            guard start <= bytes.count, length <= bytes.count - start else {
                throw .unreadable("The font is cut off, or its list of tables is damaged.")
            }
            guard kept.contains(name), tables[name] == nil else { continue }
            tables[name] = start..<start + length
        }
        let needed = ["cmap", "head", "hhea", "hmtx", "maxp"] + (isOutline ? ["CFF "] : ["glyf", "loca"])
        for name in needed where tables[name] == nil {
            throw .unreadable("The font lacks its table \(name.trimmingCharacters(in: .whitespaces)).")
        }
        // Tables that share their bytes are how a small file becomes a large one.
        guard tables.values.reduce(0, { $0 + $1.count }) <= bytes.count else {
            throw .tooLarge("The font's tables overlap.")
        }
        return assembled(tables.map { ($0.key, bytes[$0.value]) }.sorted { $0.0 < $1.0 }, head: bytes[0..<4])
    }

    /// A font file of tables (ISO/IEC 14496-22, 4.5).
    private static func assembled(_ tables: [(String, ArraySlice<UInt8>)], head: ArraySlice<UInt8>) -> [UInt8] {
        func big(_ value: Int, _ count: Int) -> [UInt8] {
            (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * (count - 1 - $0))) }
        }
        let power = tables.count.bitWidth - 1 - tables.count.leadingZeroBitCount, range = 16 << power
        var list = Array(head) + big(tables.count, 2) + big(range, 2) + big(power, 2)
        list += big(tables.count * 16 - range, 2)
        var body: [UInt8] = []
        for (name, bytes) in tables {
            var sum: UInt32 = 0
            for (at, byte) in bytes.enumerated() { sum &+= UInt32(byte) << UInt32(24 - 8 * (at & 3)) }
            list += Array(name.utf8) + big(Int(sum), 4) + big(12 + 16 * tables.count + body.count, 4)
            list += big(bytes.count, 4)
            body += bytes
            body += [UInt8](repeating: 0, count: -bytes.count & 3)
        }
        return list + body
    }

    /// Draws every glyph, and lets HarfBuzz put letters together.
    private static func draw(_ font: [UInt8]) throws(FontError) {
        guard let library = FontCollection.Library(), let bytes = FontBytes(font),
            let opened = FontCollection.Face(library, bytes: bytes, pixels: Double(pixels)), !opened.isBitmap
        else { throw .unreadable("The font can't be opened, or has no outlines.") }
        let face = opened.face
        guard FT_Select_Charmap(face, FT_ENCODING_UNICODE) == 0 else {
            throw .unreadable("The font does not say which of its glyphs are which characters.")
        }
        let count = Int(face.pointee.num_glyphs), limit = pixels * 64 * reach
        guard (1...65_535).contains(count) else { throw .unreadable("The font has \(count) glyphs.") }
        for glyph in 0..<count {
            guard FT_Load_Glyph(face, UInt32(glyph), FontCollection.Face.loadFlags) == 0, let slot = face.pointee.glyph
            else { throw .unreadable("Glyph \(glyph) of the font is damaged.") }
            var box = FT_BBox()
            FT_Outline_Get_CBox(&slot.pointee.outline, &box)
            guard [box.xMin, box.xMax, box.yMin, box.yMax].allSatisfy({ abs($0) <= limit }) else {
                throw .unreadable("Glyph \(glyph) of the font is drawn far from its place.")
            }
            // What lies far out is drawn once it is known to be small: this is a picture of its own.
            guard box.xMax - box.xMin <= limit / 4, box.yMax - box.yMin <= limit / 4 else {
                throw .unreadable("Glyph \(glyph) of the font is far larger than a letter.")
            }
            guard FT_Render_Glyph(slot, FT_RENDER_MODE_NORMAL) == 0 else {
                throw .unreadable("Glyph \(glyph) of the font can't be drawn.")
            }
        }
        try shape(opened)
    }

    private static func shape(_ face: FontCollection.Face) throws(FontError) {
        guard let buffer = hb_buffer_create() else { throw .unreadable("The font can't be opened.") }
        defer { hb_buffer_destroy(buffer) }
        var glyph: UInt32 = 0, characters = 0, line: [UInt32] = []
        var character = FT_Get_First_Char(face.face, &glyph)
        while glyph != 0, characters < 4096 {
            line.append(UInt32(truncatingIfNeeded: character))
            characters += 1
            let next = FT_Get_Next_Char(face.face, character, &glyph)
            if line.count == 64 || glyph == 0 {
                hb_buffer_clear_contents(buffer)
                hb_buffer_add_utf32(buffer, line, Int32(line.count), 0, Int32(line.count))
                hb_buffer_guess_segment_properties(buffer)
                hb_shape(face.font, buffer, nil, 0)
                guard hb_buffer_get_length(buffer) <= 64 * 64 else {
                    throw .unreadable("The font makes thousands of glyphs of a line.")
                }
                line = []
            }
            character = next
        }
        guard characters > 0 else { throw .unreadable("The font has no characters.") }
    }
}

/// The bytes of a font, at one place for as long as FreeType reads them.
final class FontBytes {
    let bytes: UnsafeMutableBufferPointer<UInt8>

    init?(_ font: some Collection<UInt8>) {
        guard !font.isEmpty else { return nil }
        bytes = .allocate(capacity: font.count)
        _ = bytes.initialize(from: font)
    }

    deinit { bytes.deallocate() }
}
