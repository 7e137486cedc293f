// RGBA to PNG, by cairo.

import CPoppler
public import Foundation

/// Writes pictures as PNG.
public enum PNGWriter {
    /// Writes a picture; one without transparency is written without alpha.
    ///
    /// - Parameters:
    ///   - bitmap: the picture.
    ///   - file: where it goes.
    /// - Throws: `PictureError.cannotWrite`.
    public static func write(_ bitmap: RGBABitmap, to file: URL) throws(PictureError) {
        let bitmap = bitmap.premultiplied
        let format = bitmap.isOpaque ? CAIRO_FORMAT_RGB24 : CAIRO_FORMAT_ARGB32
        guard let surface = cairo_image_surface_create(format, Int32(bitmap.width), Int32(bitmap.height)) else {
            throw .cannotWrite
        }
        defer { cairo_surface_destroy(surface) }
        cairo_surface_flush(surface)
        guard cairo_surface_status(surface) == CAIRO_STATUS_SUCCESS, let rows = cairo_image_surface_get_data(surface)
        else { throw .cannotWrite }
        let stride = Int(cairo_image_surface_get_stride(surface)), width = bitmap.width
        bitmap.pixels.withUnsafeBufferPointer { pixels in
            for y in 0..<bitmap.height {
                for x in 0..<width {
                    let from = (y * width + x) * 4
                    // cairo's pixels are 32-bit words 0xAARRGGBB, premultiplied as ours are now.
                    let word =
                        UInt32(pixels[from + 3]) << 24 | UInt32(pixels[from]) << 16 | UInt32(pixels[from + 1]) << 8
                        | UInt32(pixels[from + 2])
                    UnsafeMutableRawPointer(rows + y * stride).storeBytes(
                        of: word, toByteOffset: x * 4, as: UInt32.self)
                }
            }
        }
        cairo_surface_mark_dirty(surface)
        guard cairo_surface_write_to_png(surface, file.path) == CAIRO_STATUS_SUCCESS else { throw .cannotWrite }
    }
}
