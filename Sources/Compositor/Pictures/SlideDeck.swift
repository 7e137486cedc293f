// PDF to pages on disk, by poppler and cairo, with bounds on everything.

import CPoppler
public import Foundation

/// Why a deck could not be drawn.
public enum SlideError: Error, Equatable, Sendable {
    /// The file cannot be read, or is larger than is allowed.
    case unreadable, fileTooLarge(bytes: Int)
    /// It is no PDF, or one that poppler cannot open; encrypted ones need a password that nobody gives.
    case notPDF(String), encrypted
    /// It has no page, or too many.
    case pageCount(Int)
    /// A page has no sensible size or could not be drawn, counted from 1.
    case page(Int)
    /// The time allowed was over before this page, counted from 1.
    case timeOver(page: Int)
    /// The cache could not be written.
    case cannotWrite
    /// The archive can't be read.
    case archive(ZipError)
    /// One of its files is no picture that can be read.
    case picture(name: String, PictureError?)
}

/// Draws decks into a folder: `1.png`, `2.png` … and, last, `deck.json`, so that a folder with it is complete.
///
/// It takes paths and holds no state, so that a worker process without network can call it.
public enum SlideDeck {
    /// What a deck may cost.
    public struct Limits: Sendable, Hashable {
        /// Bytes of the file.
        public var bytes: Int
        /// Pages.
        public var pages: Int
        /// The box that each page is drawn to fit.
        public var size: PixelSize
        /// Seconds for all pages; checked between two pages.
        public var seconds: Double

        /// Creates limits; 150 MB, 300 pages, 1920×1080 and 300 s by default.
        public init(
            bytes: Int = 150_000_000, pages: Int = 300, size: PixelSize = PixelSize(width: 1920, height: 1080),
            seconds: Double = 300
        ) {
            self.bytes = bytes
            self.pages = pages
            self.size = size
            self.seconds = seconds
        }
    }

    /// What `deck.json` says.
    public struct Description: Codable, Sendable, Hashable {
        /// The size of each page in pixels, both even.
        public var pages: [PixelSize]
    }

    /// The file of a page, counted from 1.
    public static func page(_ number: Int, in folder: URL) -> URL { folder.appendingPathComponent("\(number).png") }

    /// Reads what a complete folder holds; nil when it is not complete.
    public static func description(of folder: URL) -> Description? {
        (try? Data(contentsOf: folder.appendingPathComponent("deck.json"))).flatMap {
            try? JSONDecoder().decode(Description.self, from: $0)
        }
    }

    /// Draws all pages of a PDF.
    ///
    /// - Parameters:
    ///   - pdf: the file.
    ///   - folder: where the pages go; it is made.
    ///   - limits: what it may cost.
    /// - Returns: the sizes of the pages.
    /// - Throws: `SlideError`; the folder then has no `deck.json`.
    public static func render(
        pdf: URL, into folder: URL, limits: Limits = Limits()
    ) throws(SlideError) -> Description {
        guard let values = try? pdf.resourceValues(forKeys: [.fileSizeKey]), let bytes = values.fileSize else {
            throw .unreadable
        }
        guard bytes <= limits.bytes else { throw .fileTooLarge(bytes: bytes) }
        guard let handle = try? FileHandle(forReadingFrom: pdf), let start = try? handle.read(upToCount: 1024) else {
            throw .unreadable
        }
        try? handle.close()
        // Readers look for the header in the first kilobyte (ISO 32000-1 annex H, note 13).
        guard start.range(of: Data("%PDF-".utf8)) != nil else { throw .notPDF("no PDF header") }
        let document = try open(pdf)
        defer { g_object_unref(UnsafeMutableRawPointer(document)) }
        let count = Int(poppler_document_get_n_pages(document))
        guard count > 0, count <= limits.pages else { throw .pageCount(count) }
        do { try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true) } catch {
            throw .cannotWrite
        }
        let deadline = DispatchTime.now().uptimeNanoseconds + UInt64(max(0, limits.seconds) * 1e9)
        var sizes: [PixelSize] = []
        for index in 0..<count {
            guard DispatchTime.now().uptimeNanoseconds < deadline else { throw .timeOver(page: index + 1) }
            sizes.append(try draw(document, index, to: page(index + 1, in: folder), limits))
        }
        return try finish(sizes, in: folder)
    }

    /// Draws a deck: a PDF, or a ZIP archive of pictures.
    ///
    /// - Parameters:
    ///   - file: the file.
    ///   - folder: where the pages go; it is made.
    ///   - limits: what it may cost.
    /// - Throws: `SlideError`.
    public static func render(
        file: URL, into folder: URL, limits: Limits = Limits()
    ) throws(SlideError) -> Description {
        guard let handle = try? FileHandle(forReadingFrom: file), let start = try? handle.read(upToCount: 4) else {
            throw .unreadable
        }
        try? handle.close()
        // An archive begins with a file, or, when it is empty, with its end.
        guard start == Data("PK\u{3}\u{4}".utf8) || start == Data("PK\u{5}\u{6}".utf8) else {
            return try render(pdf: file, into: folder, limits: limits)
        }
        return try render(archive: file, into: folder, limits: limits)
    }

    /// Writes the pictures of an archive as pages, in the natural order of their names.
    ///
    /// - Throws: `SlideError`; the folder then has no `deck.json`.
    public static func render(
        archive: URL, into folder: URL, limits: Limits = Limits()
    ) throws(SlideError) -> Description {
        guard let data = try? Data(contentsOf: archive, options: .alwaysMapped) else { throw .unreadable }
        guard data.count <= limits.bytes else { throw .fileTooLarge(bytes: data.count) }
        let zip: ZipArchive
        do throws(ZipError) { zip = try ZipArchive(data) } catch { throw .archive(error) }
        guard (1...limits.pages).contains(zip.entries.count) else { throw .pageCount(zip.entries.count) }
        do { try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true) } catch {
            throw .cannotWrite
        }
        let deadline = DispatchTime.now().uptimeNanoseconds + UInt64(max(0, limits.seconds) * 1e9)
        var sizes: [PixelSize] = []
        for (index, entry) in zip.entries.enumerated() {
            guard DispatchTime.now().uptimeNanoseconds < deadline else { throw .timeOver(page: index + 1) }
            let file: Data
            do throws(ZipError) { file = try zip.read(entry) } catch { throw .archive(error) }
            guard !file.starts(with: Data("PK".utf8)) else {
                throw .archive(.unreadable("\(entry.name) is an archive in the archive."))
            }
            let bitmap: RGBABitmap
            do throws(PictureError) {
                bitmap = try PictureDecoder.decode(file, fitting: limits.size).onWhite()
            } catch { throw .picture(name: entry.name, error) }
            do { try PNGWriter.write(bitmap, to: page(index + 1, in: folder)) } catch { throw .cannotWrite }
            sizes.append(PixelSize(width: (bitmap.width + 1) & ~1, height: (bitmap.height + 1) & ~1))
        }
        return try finish(sizes, in: folder)
    }

    private static func finish(_ sizes: [PixelSize], in folder: URL) throws(SlideError) -> Description {
        let description = Description(pages: sizes)
        guard let json = try? JSONEncoder().encode(description),
            (try? json.write(to: folder.appendingPathComponent("deck.json"), options: .atomic)) != nil
        else { throw .cannotWrite }
        return description
    }

    private static func open(_ pdf: URL) throws(SlideError) -> OpaquePointer {
        var error: UnsafeMutablePointer<GError>?
        if let document = poppler_document_new_from_file(pdf.absoluteString, nil, &error) {
            return document
        }
        defer { if let error { g_error_free(error) } }
        guard let error else { throw .notPDF("unknown") }
        if error.pointee.code == Int32(POPPLER_ERROR_ENCRYPTED.rawValue), error.pointee.domain == poppler_error_quark()
        {
            throw .encrypted
        }
        throw .notPDF(error.pointee.message.map { String(cString: $0) } ?? "unknown")
    }

    private static func draw(
        _ document: OpaquePointer, _ index: Int, to file: URL, _ limits: Limits
    ) throws(SlideError) -> PixelSize {
        guard let page = poppler_document_get_page(document, Int32(index)) else { throw .page(index + 1) }
        defer { g_object_unref(UnsafeMutableRawPointer(page)) }
        var width = 0.0, height = 0.0
        poppler_page_get_size(page, &width, &height)
        guard width.isFinite, height.isFinite, width >= 1, height >= 1 else { throw .page(index + 1) }
        let scale = min(Double(limits.size.width) / width, Double(limits.size.height) / height)
        let size = PixelSize(
            width: max(2, Int((width * scale / 2).rounded()) * 2),
            height: max(2, Int((height * scale / 2).rounded()) * 2))
        guard let surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, Int32(size.width), Int32(size.height)) else {
            throw .page(index + 1)
        }
        defer { cairo_surface_destroy(surface) }
        guard let context = cairo_create(surface) else { throw .page(index + 1) }
        defer { cairo_destroy(context) }
        cairo_set_source_rgb(context, 1, 1, 1)
        cairo_paint(context)
        cairo_scale(context, Double(size.width) / width, Double(size.height) / height)
        poppler_page_render(page, context)
        guard cairo_status(context) == CAIRO_STATUS_SUCCESS else { throw .page(index + 1) }
        cairo_surface_flush(surface)
        guard cairo_surface_write_to_png(surface, file.path) == CAIRO_STATUS_SUCCESS else { throw .cannotWrite }
        return size
    }
}

extension RGBABitmap {
    /// The picture on white paper: what lets through is white, as in a document.
    func onWhite() -> RGBABitmap {
        var bitmap = premultiplied
        bitmap.pixels.withUnsafeMutableBufferPointer { pixels in
            for at in stride(from: 0, to: pixels.count - 3, by: 4) {
                let rest = 255 - pixels[at + 3]
                // Premultiplied: no channel is more than alpha, so that the sum fits.
                for channel in at..<at + 3 { pixels[channel] = pixels[channel] &+ min(rest, 255 - pixels[channel]) }
                pixels[at + 3] = 255
            }
        }
        return bitmap
    }
}
