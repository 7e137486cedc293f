// One line of text to positioned glyphs: levels by FriBidi, runs by script and font, shapes by HarfBuzz.

import CText

/// A glyph and where it stands, in pixels from the left end of the line's base line.
struct PlacedGlyph {
    let face: FontCollection.Face
    let index: UInt32
    let x: Double, y: Double
}

/// A shaped line.
struct ShapedLine {
    var glyphs: [PlacedGlyph] = []
    var width = 0.0
    /// How far ink reaches above and below the base line.
    var inkTop = 0.0, inkBottom = 0.0
    /// Whether the line as a whole runs from right to left.
    var isRightToLeft = false
}

/// Shapes lines; confined to the thread that draws text.
final class TextShaper {
    /// Longer texts are cut: no overlay shows more.
    static let maximumScalars = 2048

    private let fonts: FontCollection
    private let buffer: OpaquePointer

    init?(_ fonts: FontCollection) {
        guard let buffer = hb_buffer_create() else { return nil }
        self.fonts = fonts
        self.buffer = buffer
    }

    deinit { hb_buffer_destroy(buffer) }

    private struct Run {
        var range: Range<Int>
        var level: FriBidiLevel
        var script: hb_script_t
        var face: FontCollection.Face
    }

    /// Shapes a line.
    ///
    /// - Parameters:
    ///   - text: line breaks and controls become spaces.
    ///   - style: size, font, language.
    func shape(_ text: String, style: TextStyle) -> ShapedLine {
        let (scalars, clusters) = Self.prepare(text)
        guard !scalars.isEmpty else { return ShapedLine() }
        let (levels, isRightToLeft) = Self.levels(scalars)
        let language = style.language.isEmpty ? Self.language(of: scalars) : style.language
        let runs = runs(scalars, clusters, levels, style, language: language)
        var line = ShapedLine(isRightToLeft: isRightToLeft)
        for run in Self.visualOrder(runs) {
            append(run, of: scalars, to: &line, language: language, hasTabularDigits: style.hasTabularDigits)
        }
        return line
    }

    /// Whether a text runs from right to left as a whole: whether its first strong character does (UAX #9, P2).
    static func isRightToLeft(_ text: String) -> Bool {
        for scalar in text.unicodeScalars.prefix(maximumScalars) {
            let type = fribidi_get_bidi_type(scalar.value).rawValue
            // FRIBIDI_MASK_STRONG, then FRIBIDI_MASK_RTL; an embedding is no letter.
            if type & 0x0000_0010 != 0, type & 0x0000_1000 == 0 { return type & 1 == 1 }
        }
        return false
    }

    /// The language that the letters themselves give away; empty when they do not.
    private static func language(of scalars: [UInt32]) -> String {
        for scalar in scalars {
            switch scalar {
            case 0x3041...0x30FF, 0x31F0...0x31FF: return "ja"
            case 0xAC00...0xD7A3, 0x1100...0x11FF, 0x3131...0x318E: return "ko"
            case 0x3105...0x312F, 0x31A0...0x31BF: return "zh-tw"
            default: break
            }
        }
        return ""
    }

    /// The scalars, and for each grapheme its range, so that no cluster is torn apart.
    private static func prepare(_ text: String) -> ([UInt32], [Range<Int>]) {
        var scalars: [UInt32] = [], clusters: [Range<Int>] = []
        for character in text {
            guard scalars.count < maximumScalars else { break }
            let start = scalars.count
            // Somebody may pile a thousand marks on one letter.
            for scalar in character.unicodeScalars.prefix(32) {
                // Who embeds or overrides the direction makes a name read as another one.
                if (0x202A...0x202E).contains(scalar.value) { continue }
                let isControl =
                    scalar.properties.generalCategory == .control || scalar == "\u{2028}" || scalar == "\u{2029}"
                scalars.append(isControl ? 32 : scalar.value)
            }
            if start < scalars.count { clusters.append(start..<scalars.count) }
        }
        return (scalars, clusters)
    }

    /// Embedding levels by the Unicode bidirectional algorithm (UAX #9).
    private static func levels(_ scalars: [UInt32]) -> ([FriBidiLevel], Bool) {
        let count = scalars.count
        var types = [FriBidiCharType](repeating: FriBidiCharType(rawValue: 0), count: count)
        var brackets = [FriBidiBracketType](repeating: 0, count: count)
        var levels = [FriBidiLevel](repeating: 0, count: count)
        fribidi_get_bidi_types(scalars, FriBidiStrIndex(count), &types)
        fribidi_get_bracket_types(scalars, FriBidiStrIndex(count), types, &brackets)
        // FRIBIDI_PAR_ON: the first strong character decides.
        var direction: FriBidiParType = FriBidiParType(rawValue: 0x0000_0040)
        let highest = fribidi_get_par_embedding_levels_ex(types, brackets, FriBidiStrIndex(count), &direction, &levels)
        guard highest > 0 else { return ([FriBidiLevel](repeating: 0, count: count), false) }
        return (levels, direction.rawValue & 1 == 1)
    }

    private func runs(
        _ scalars: [UInt32], _ clusters: [Range<Int>], _ levels: [FriBidiLevel], _ style: TextStyle, language: String
    ) -> [Run] {
        let functions = hb_unicode_funcs_get_default()
        var runs: [Run] = []
        var script = HB_SCRIPT_COMMON
        for cluster in clusters {
            let own = hb_unicode_script(functions, scalars[cluster.lowerBound])
            let isNeutral = own == HB_SCRIPT_COMMON || own == HB_SCRIPT_INHERITED || own == HB_SCRIPT_UNKNOWN
            if !isNeutral {
                // Neutral characters before the first letter go with it.
                if script == HB_SCRIPT_COMMON { for at in runs.indices { runs[at].script = own } }
                script = own
            }
            let level = levels[cluster.lowerBound]
            let isSpace = scalars[cluster.lowerBound] == 32
            let face: FontCollection.Face
            if isSpace, let last = runs.last, !last.face.isBitmap {
                face = last.face
            } else if let found = fonts.face(
                for: scalars[cluster], pixels: style.pixels, family: style.family, weight: style.weight,
                language: language)
            {
                face = found
            } else {
                continue
            }
            if let last = runs.last, last.level == level, last.script == script, last.face === face,
                last.range.upperBound == cluster.lowerBound
            {
                runs[runs.count - 1].range = last.range.lowerBound..<cluster.upperBound
            } else {
                runs.append(Run(range: cluster, level: level, script: script, face: face))
            }
        }
        return runs
    }

    /// Rule L2 of UAX #9 on whole runs.
    private static func visualOrder(_ runs: [Run]) -> [Run] {
        var runs = runs
        let highest = runs.map(\.level).max() ?? 0
        guard highest > 0 else { return runs }
        for level in stride(from: highest, through: 1, by: -1) {
            var start = 0
            while start < runs.count {
                guard runs[start].level >= level else {
                    start += 1
                    continue
                }
                var end = start
                while end < runs.count && runs[end].level >= level { end += 1 }
                runs[start..<end].reverse()
                start = end
            }
        }
        return runs
    }

    private func append(
        _ run: Run, of scalars: [UInt32], to line: inout ShapedLine, language: String, hasTabularDigits: Bool
    ) {
        hb_buffer_clear_contents(buffer)
        hb_buffer_add_utf32(
            buffer, scalars, Int32(scalars.count), UInt32(run.range.lowerBound), Int32(run.range.count))
        hb_buffer_set_direction(buffer, run.level & 1 == 1 ? HB_DIRECTION_RTL : HB_DIRECTION_LTR)
        hb_buffer_set_script(buffer, run.script)
        hb_buffer_set_language(
            buffer, language.isEmpty ? hb_language_get_default() : hb_language_from_string(language, -1))
        var feature = hb_feature_t(tag: 0x746E_756D, value: 1, start: 0, end: UInt32.max)  // tnum
        hb_shape(run.face.font, buffer, &feature, hasTabularDigits ? 1 : 0)
        var infoCount: UInt32 = 0, positionCount: UInt32 = 0
        guard let infos = hb_buffer_get_glyph_infos(buffer, &infoCount),
            let positions = hb_buffer_get_glyph_positions(buffer, &positionCount)
        else { return }
        for at in 0..<Int(min(infoCount, positionCount)) {
            let position = positions[at], unit = run.face.scale / 64
            let glyph = PlacedGlyph(
                face: run.face, index: infos[at].codepoint, x: line.width + Double(position.x_offset) * unit,
                y: Double(position.y_offset) * unit)
            line.glyphs.append(glyph)
            var extents = hb_glyph_extents_t()
            if hb_font_get_glyph_extents(run.face.font, glyph.index, &extents) != 0 {
                let top = glyph.y + Double(extents.y_bearing) * unit
                line.inkTop = max(line.inkTop, top)
                line.inkBottom = max(line.inkBottom, -(top + Double(extents.height) * unit))
            }
            line.width += Double(position.x_advance) * unit
        }
    }
}
