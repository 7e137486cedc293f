// Fonts by fontconfig: which face draws which cluster.

import CText

/// The weight of a text.
public enum FontWeight: Hashable, Sendable {
    /// Running text.
    case regular
    /// Names.
    case bold
}

/// Opens faces as they are needed; confined to the thread that draws text.
final class FontCollection {
    /// One face of one file, at one size.
    final class Face {
        let face: FT_Face
        let font: OpaquePointer
        /// Whether glyphs are pictures in colour, and the factor from their size to the one asked for.
        let isBitmap: Bool
        let scale: Double
        private let library: Library
        /// What FreeType reads of a font that is no file.
        private let bytes: FontBytes?

        convenience init?(_ library: Library, path: String, index: Int, pixels: Double) {
            var face: FT_Face?
            guard FT_New_Face(library.handle, path, FT_Long(index), &face) == 0, let face else { return nil }
            self.init(library, face, pixels: pixels)
        }

        convenience init?(_ library: Library, bytes: FontBytes, pixels: Double) {
            var face: FT_Face?
            guard FT_New_Memory_Face(library.handle, bytes.bytes.baseAddress, bytes.bytes.count, 0, &face) == 0,
                let face
            else { return nil }
            self.init(library, face, bytes, pixels: pixels)
        }

        private init?(_ library: Library, _ face: FT_Face, _ bytes: FontBytes? = nil, pixels: Double) {
            isBitmap = face.pointee.face_flags & FT_Long(FT_FACE_FLAG_SCALABLE) == 0
            if isBitmap {
                // The smallest strike that need not be enlarged, else the largest.
                let strikes = (0..<Int(face.pointee.num_fixed_sizes)).map {
                    Int(face.pointee.available_sizes[$0].y_ppem) >> 6
                }
                let wanted = Int(pixels.rounded(.up))
                guard
                    let best = strikes.indices.filter({ strikes[$0] >= wanted }).min(by: { strikes[$0] < strikes[$1] })
                        ?? strikes.indices.max(by: { strikes[$0] < strikes[$1] }), strikes[best] > 0,
                    FT_Select_Size(face, Int32(best)) == 0
                else {
                    FT_Done_Face(face)
                    return nil
                }
                // A colour glyph fills more than the em square of letters: this makes it as high as a capital with descender.
                scale = pixels / Double(strikes[best])
            } else {
                guard FT_Set_Char_Size(face, 0, FT_F26Dot6((pixels * 64).rounded()), 72, 72) == 0 else {
                    FT_Done_Face(face)
                    return nil
                }
                scale = 1
            }
            guard let font = hb_ft_font_create_referenced(face) else {
                FT_Done_Face(face)
                return nil
            }
            hb_ft_font_set_load_flags(font, Face.loadFlags)
            self.face = face
            self.font = font
            self.library = library
            self.bytes = bytes
        }

        /// Outlines without hinting, so that widths scale; pictures in colour where there are any.
        static let loadFlags = Int32(FT_LOAD_NO_HINTING) | Int32(FT_LOAD_COLOR)

        deinit {
            hb_font_destroy(font)
            FT_Done_Face(face)
        }
    }

    final class Library {
        let handle: FT_Library
        init?() {
            var handle: FT_Library?
            guard FT_Init_FreeType(&handle) == 0, let handle else { return nil }
            self.handle = handle
        }
        deinit { FT_Done_FreeType(handle) }
    }

    /// One file of a sorted list, with the characters it has.
    private struct Candidate {
        let path: String, index: Int, isColor: Bool
        let characters: OpaquePointer
        var bytes: FontBytes?
    }

    private struct ListKey: Hashable {
        let family: String, weight: FontWeight, language: String
    }

    private struct ClusterKey: Hashable {
        let list: ListKey, cluster: [UInt32]
    }

    private struct FaceKey: Hashable {
        let path: String, index: Int, quarterPixels: Int
    }

    /// An event has few fonts of its own; what came first goes first.
    static let uploadLimit = 8
    private var uploaded: [(family: String, font: Candidate)] = []

    private let library: Library
    private let configuration: OpaquePointer
    private var lists: [ListKey: [Candidate]] = [:]
    /// The results of sorting, which own the character sets of the candidates.
    private var sets: [UnsafeMutablePointer<FcFontSet>] = []
    private var faces: [FaceKey: Face] = [:]
    /// Which candidate draws a cluster; going through all fonts for each letter would take longer than drawing it.
    private var chosen: [ClusterKey: Candidate] = [:]

    /// Opens fonts.
    ///
    /// - Parameter configurationFile: a fontconfig file that says which there are; nil for the machine's.
    /// - Returns: nil when fontconfig or FreeType cannot be set up.
    init?(configurationFile: String? = nil) {
        guard let library = Library() else { return nil }
        if let configurationFile {
            guard let configuration = FcConfigCreate() else { return nil }
            guard FcConfigParseAndLoad(configuration, configurationFile, 1) != 0, FcConfigBuildFonts(configuration) != 0
            else {
                FcConfigDestroy(configuration)
                return nil
            }
            self.configuration = configuration
        } else {
            guard let configuration = FcInitLoadConfigAndFonts() else { return nil }
            self.configuration = configuration
        }
        self.library = library
    }

    /// For outlines, which need FreeType itself.
    var freeType: FT_Library { library.handle }

    deinit {
        faces.removeAll()
        for set in sets { FcFontSetDestroy(set) }
        for upload in uploaded { FcCharSetDestroy(upload.font.characters) }
        FcConfigDestroy(configuration)
    }

    /// Takes in a font that was uploaded and checked, as a family of its own.
    ///
    /// - Parameters:
    ///   - font: what `FontFile.checked` made of it.
    ///   - family: the name by which styles ask for it; scripts that it lacks are drawn with others.
    /// - Returns: false when it can't be opened.
    func add(_ font: some Collection<UInt8>, family: String) -> Bool {
        guard let bytes = FontBytes(font), let face = Face(library, bytes: bytes, pixels: 16),
            let characters = FcFreeTypeCharSet(face.face, nil)
        else { return false }
        // Lists hold what goes.
        forget()
        uploaded.removeAll { upload in
            if upload.family == family { FcCharSetDestroy(upload.font.characters) }
            return upload.family == family
        }
        if uploaded.count >= Self.uploadLimit { FcCharSetDestroy(uploaded.removeFirst().font.characters) }
        uploaded.append(
            (family, Candidate(path: family, index: 0, isColor: false, characters: characters, bytes: bytes)))
        return true
    }

    private func forget() {
        lists.removeAll()
        chosen.removeAll()
        faces.removeAll()
        for set in sets { FcFontSetDestroy(set) }
        sets.removeAll()
    }

    /// The face for a cluster of characters that are drawn together; the first of the list when none has them all.
    ///
    /// - Parameters:
    ///   - cluster: Unicode scalars.
    ///   - pixels: the size of the em square.
    ///   - family: the font that is asked first.
    ///   - weight: regular or bold.
    ///   - language: a BCP 47 tag that chooses between the forms of Han characters, or empty.
    func face(
        for cluster: ArraySlice<UInt32>, pixels: Double, family: String, weight: FontWeight, language: String
    ) -> Face? {
        let list = ListKey(family: family, weight: weight, language: language)
        let known = ClusterKey(list: list, cluster: Array(cluster))
        let best: Candidate
        if let candidate = chosen[known] {
            best = candidate
        } else {
            guard let candidate = candidate(for: cluster, in: candidates(list)) else { return nil }
            if chosen.count >= 4096 { chosen.removeAll() }
            chosen[known] = candidate
            best = candidate
        }
        let key = FaceKey(path: best.path, index: best.index, quarterPixels: Int((pixels * 4).rounded()))
        if let face = faces[key] { return face }
        // Every size of every script keeps a file open.
        if faces.count >= 96 { faces.removeAll() }
        let size = Double(key.quarterPixels) / 4
        let face =
            best.bytes.map { Face(library, bytes: $0, pixels: size) }
            ?? Face(library, path: best.path, index: best.index, pixels: size)
        faces[key] = face
        return face
    }

    private func candidate(for cluster: ArraySlice<UInt32>, in list: [Candidate]) -> Candidate? {
        let visible = cluster.filter { !Self.isInvisible($0) }
        let wantsColor = Self.isEmoji(cluster)
        func covers(_ candidate: Candidate) -> Bool {
            visible.allSatisfy { FcCharSetHasChar(candidate.characters, $0) != 0 }
        }
        return list.first { $0.isColor == wantsColor && covers($0) } ?? list.first(where: covers)
            ?? list.first { candidate in visible.first.map { FcCharSetHasChar(candidate.characters, $0) != 0 } ?? true }
            ?? list.first
    }

    private func candidates(_ key: ListKey) -> [Candidate] {
        if let list = lists[key] { return list }
        let list = uploaded.filter { $0.family == key.family }.map(\.font) + sort(key)
        if lists.count >= 32 {
            lists.removeAll()
            chosen.removeAll()
            for set in sets { FcFontSetDestroy(set) }
            sets.removeAll()
        }
        lists[key] = list
        return list
    }

    /// A language as fontconfig knows it: the forms of Han characters by country.
    private static func fontLanguage(_ tag: String) -> String {
        let tag = tag.lowercased()
        if tag.hasPrefix("zh-hant") { return tag.contains("hk") ? "zh-hk" : "zh-tw" }
        if tag == "zh" || tag.hasPrefix("zh-hans") { return "zh-cn" }
        return tag
    }

    private func sort(_ key: ListKey) -> [Candidate] {
        guard let pattern = FcPatternCreate() else { return [] }
        defer { FcPatternDestroy(pattern) }
        for family in [key.family, "Noto Sans", "DejaVu Sans", "sans-serif"] {
            FcPatternAddString(pattern, FC_FAMILY, family)
        }
        FcPatternAddInteger(pattern, FC_WEIGHT, key.weight == .bold ? FC_WEIGHT_BOLD : FC_WEIGHT_REGULAR)
        if !key.language.isEmpty { FcPatternAddString(pattern, FC_LANG, Self.fontLanguage(key.language)) }
        FcConfigSubstitute(configuration, pattern, FcMatchPattern)
        FcDefaultSubstitute(pattern)
        var result = FcResultMatch
        guard let set = FcFontSort(configuration, pattern, 1, nil, &result) else { return [] }
        var list: [Candidate] = []
        for at in 0..<Int(set.pointee.nfont) {
            guard let font = set.pointee.fonts[at] else { continue }
            var path: UnsafeMutablePointer<FcChar8>?, index: Int32 = 0, characters: OpaquePointer?, color: FcBool = 0
            guard FcPatternGetString(font, FC_FILE, 0, &path) == FcResultMatch, let path,
                FcPatternGetCharSet(font, FC_CHARSET, 0, &characters) == FcResultMatch, let characters
            else { continue }
            _ = FcPatternGetInteger(font, FC_INDEX, 0, &index)
            _ = FcPatternGetBool(font, FC_COLOR, 0, &color)
            list.append(
                Candidate(path: String(cString: path), index: Int(index), isColor: color != 0, characters: characters))
        }
        sets.append(set)
        return list
    }

    /// Joiners, variation selectors and marks of direction: no font need have them.
    static func isInvisible(_ scalar: UInt32) -> Bool {
        Unicode.Scalar(scalar)?.properties.isDefaultIgnorableCodePoint ?? true
    }

    /// Whether a cluster asks to be drawn in colour (UTS #51: emoji presentation, or a variation selector 16).
    static func isEmoji(_ cluster: ArraySlice<UInt32>) -> Bool {
        if cluster.contains(0xFE0E) { return false }
        if cluster.contains(0xFE0F) || cluster.contains(0x20E3) { return true }
        return cluster.contains { Unicode.Scalar($0)?.properties.isEmojiPresentation ?? false }
    }
}
