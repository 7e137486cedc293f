// Glyphs as pictures: rasterised once for each size and quarter of a pixel, kept within a bound.

import CText

/// A glyph as it is laid on a picture.
final class GlyphImage {
    /// Where its upper left corner lies from the pen, in pixels to the right and upwards.
    let left: Int, top: Int
    let width: Int, rows: Int
    /// Coverage, one byte for each pixel, or premultiplied RGBA.
    let pixels: [UInt8]
    let isColor: Bool

    init(left: Int, top: Int, width: Int, rows: Int, pixels: [UInt8], isColor: Bool = false) {
        self.left = left
        self.top = top
        self.width = width
        self.rows = rows
        self.pixels = pixels
        self.isColor = isColor
    }
}

/// Keeps rasterised glyphs; confined to the thread that draws text.
final class GlyphCache {
    private struct Key: Hashable {
        let face: ObjectIdentifier, glyph: UInt32, phase: Int, outline: Int
    }

    private struct Entry {
        /// Kept, so that no other face gets its identity.
        let face: FontCollection.Face
        let image: GlyphImage?
    }

    /// When more is kept, all of it is forgotten: what is needed comes back at once.
    static let limitBytes = 8 << 20
    private let library: FT_Library
    private var stroker: FT_Stroker?
    private var entries: [Key: Entry] = [:]
    private(set) var bytes = 0

    init(_ library: FT_Library) { self.library = library }

    deinit { if let stroker { FT_Stroker_Done(stroker) } }

    /// The picture of a glyph; nil when it has no ink.
    ///
    /// - Parameters:
    ///   - glyph: which one.
    ///   - phase: by how many quarters of a pixel the pen stands to the right of a whole one.
    ///   - outline: how far the letter is widened on all sides, in 1/64 pixels; 0 for the letter itself.
    func image(_ glyph: PlacedGlyph, phase: Int, outline: Int) -> GlyphImage? {
        let isBitmap = glyph.face.isBitmap
        let key = Key(
            face: ObjectIdentifier(glyph.face), glyph: glyph.index, phase: isBitmap ? 0 : phase,
            outline: isBitmap ? 0 : outline)
        if let entry = entries[key] { return entry.image }
        if bytes > Self.limitBytes || entries.count > 16_384 {
            entries.removeAll()
            bytes = 0
        }
        let image = render(glyph, phase: key.phase, outline: key.outline)
        bytes += (image?.pixels.count ?? 0) + 128
        entries[key] = Entry(face: glyph.face, image: image)
        return image
    }

    private func render(_ placed: PlacedGlyph, phase: Int, outline: Int) -> GlyphImage? {
        let face = placed.face.face
        guard FT_Load_Glyph(face, placed.index, FontCollection.Face.loadFlags) == 0, let slot = face.pointee.glyph
        else {
            return nil
        }
        if slot.pointee.format == FT_GLYPH_FORMAT_BITMAP {
            let image = slot.pointee.bitmap
            guard image.pixel_mode == UInt8(FT_PIXEL_MODE_BGRA.rawValue) else { return coverage(slot, image) }
            return color(image, slot.pointee.bitmap_left, slot.pointee.bitmap_top, scale: placed.face.scale)
        }
        guard slot.pointee.format == FT_GLYPH_FORMAT_OUTLINE else { return nil }
        var glyph: FT_Glyph?
        guard FT_Get_Glyph(slot, &glyph) == 0 else { return nil }
        defer { FT_Done_Glyph(glyph) }
        if outline > 0 {
            if stroker == nil { FT_Stroker_New(library, &stroker) }
            guard let stroker else { return nil }
            FT_Stroker_Set(
                stroker, FT_Fixed(outline), FT_STROKER_LINECAP_ROUND, FT_STROKER_LINEJOIN_ROUND, 0)
            guard FT_Glyph_StrokeBorder(&glyph, stroker, 0, 1) == 0 else { return nil }
        }
        var origin = FT_Vector(x: FT_Pos(phase * 16), y: 0)
        guard FT_Glyph_To_Bitmap(&glyph, FT_RENDER_MODE_NORMAL, &origin, 1) == 0, let glyph else { return nil }
        return glyph.withMemoryRebound(to: FT_BitmapGlyphRec.self, capacity: 1) { made in
            copy(made.pointee.bitmap, left: Int(made.pointee.left), top: Int(made.pointee.top))
        }
    }

    private func coverage(_ slot: FT_GlyphSlot, _ image: FT_Bitmap) -> GlyphImage? {
        guard image.pixel_mode == UInt8(FT_PIXEL_MODE_GRAY.rawValue) else { return nil }
        return copy(image, left: Int(slot.pointee.bitmap_left), top: Int(slot.pointee.bitmap_top))
    }

    private func copy(_ image: FT_Bitmap, left: Int, top: Int) -> GlyphImage? {
        let width = Int(image.width), rows = Int(image.rows), pitch = Int(image.pitch)
        guard let from = image.buffer, (1...4096).contains(width), (1...4096).contains(rows), pitch >= width else {
            return nil
        }
        var pixels = [UInt8](repeating: 0, count: width * rows)
        for row in 0..<rows { for column in 0..<width { pixels[row * width + column] = from[row * pitch + column] } }
        return GlyphImage(left: left, top: top, width: width, rows: rows, pixels: pixels)
    }

    /// A picture in colour, made as large as the letters beside it.
    private func color(_ image: FT_Bitmap, _ left: Int32, _ top: Int32, scale: Double) -> GlyphImage? {
        let width = Int(image.width), rows = Int(image.rows), pitch = Int(image.pitch)
        let outWidth = Int((Double(width) * scale).rounded(.up)), outRows = Int((Double(rows) * scale).rounded(.up))
        guard let from = image.buffer, (1...1024).contains(width), (1...1024).contains(rows), pitch >= width * 4,
            (1...1024).contains(outWidth), (1...1024).contains(outRows)
        else { return nil }
        var picture = RGBABitmap(width: width, height: rows)
        for row in 0..<rows {
            for column in 0..<width {
                let source = from + row * pitch + column * 4, at = (row * width + column) * 4
                picture.pixels[at] = source[2]
                picture.pixels[at + 1] = source[1]
                picture.pixels[at + 2] = source[0]
                picture.pixels[at + 3] = source[3]
            }
        }
        return GlyphImage(
            left: Int((Double(left) * scale).rounded()), top: Int((Double(top) * scale).rounded()), width: outWidth,
            rows: outRows, pixels: picture.scaled(width: outWidth, height: outRows).pixels, isColor: true)
    }
}
