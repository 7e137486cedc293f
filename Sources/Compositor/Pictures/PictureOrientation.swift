// How a photo lies in its file, read from EXIF: phones store what the sensor saw and say how to turn it.

import Foundation

/// Where the first row and the first column of a stored picture are when it is seen (TIFF 6.0 §8, tag 274; EXIF 2.3
/// §4.6.4 A).
enum PictureOrientation: UInt16, CaseIterable, Sendable {
    /// The first row above, the first column at the left: as it is stored.
    case upright = 1
    /// Left and right change places.
    case mirrored = 2
    /// By half a turn.
    case halfTurned = 3
    /// Above and below change places.
    case flipped = 4
    /// Rows become columns.
    case transposed = 5
    /// By a quarter turn, clockwise.
    case clockwise = 6
    /// Rows become columns, from the other ends.
    case transversed = 7
    /// By a quarter turn, anticlockwise.
    case anticlockwise = 8

    /// Whether width and height change places.
    var swapsSides: Bool { rawValue >= 5 }

    /// What a PNG, JPEG or WebP file says; upright when it says nothing, or nothing that can be read.
    ///
    /// Every read is checked against the end of the file and goes forwards, and no more than a number of parts is looked
    /// at: whatever the file says, this ends soon.
    ///
    /// - Parameter file: the whole file.
    init(of file: Data) {
        self = file.withUnsafeBytes { bytes in
            ExifBlock.find(in: ByteView(bytes)).flatMap(ExifBlock.orientation) ?? .upright
        }
    }
}

/// A part of a file, read with checks.
struct ByteView {
    private let bytes: UnsafeRawBufferPointer
    /// Whether numbers have their lowest byte first.
    var isLittle = false

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    var count: Int { bytes.count }

    /// An unsigned number of up to four bytes; nil when it does not lie in here wholly.
    func number(at: Int, bytes size: Int) -> Int? {
        guard at >= 0, at <= count, size <= count - at else { return nil }
        var value = 0
        for index in 0..<size {
            let byte = Int(bytes[at + index])
            value = isLittle ? value | byte << (8 * index) : value << 8 | byte
        }
        return value
    }

    func starts(with text: String, at: Int = 0) -> Bool {
        guard at >= 0, at <= count, text.utf8.count <= count - at else { return false }
        return zip(text.utf8, bytes[at...]).allSatisfy { $0 == $1 }
    }

    /// As much of a part as lies in here.
    func part(at: Int, count size: Int) -> ByteView {
        guard at >= 0, at <= count, size > 0 else { return ByteView(.init(start: nil, count: 0)) }
        return ByteView(UnsafeRawBufferPointer(rebasing: bytes[at..<(at + min(size, count - at))]))
    }
}

/// The block of EXIF in a file: where it stands in each format, and what it says of the orientation.
enum ExifBlock {
    /// More parts of a file than this are not looked at.
    private static let partLimit = 100_000

    static func find(in file: ByteView) -> ByteView? {
        if file.starts(with: "PNG", at: 1) { return inPNG(file) }
        if file.starts(with: "RIFF"), file.starts(with: "WEBP", at: 8) { return inWebP(file) }
        return file.number(at: 0, bytes: 2) == 0xFFD8 ? inJPEG(file) : nil
    }

    /// EXIF 2.3 §4.5.4: an APP1 segment that begins with its name, before the first scan.
    private static func inJPEG(_ file: ByteView) -> ByteView? {
        var at = 2
        for _ in 0..<partLimit {
            guard let marker = file.number(at: at, bytes: 2), marker >= 0xFF00 else { return nil }
            // Bytes of 0xFF may stand before a marker (ITU-T T.81 B.1.1.2).
            if marker == 0xFFFF {
                at += 1
                continue
            }
            guard marker != 0xFFDA, marker != 0xFFD9, let length = file.number(at: at + 2, bytes: 2), length >= 2 else {
                return nil
            }
            if marker == 0xFFE1, file.starts(with: "Exif\0\0", at: at + 4), length >= 8 {
                return file.part(at: at + 10, count: length - 8)
            }
            at += 2 + length
        }
        return nil
    }

    /// PNG, third edition, §11.3.4.4: the chunk eXIf, before or after the picture.
    private static func inPNG(_ file: ByteView) -> ByteView? {
        var at = 8
        for _ in 0..<partLimit {
            guard let length = file.number(at: at, bytes: 4) else { return nil }
            if file.starts(with: "eXIf", at: at + 4) { return file.part(at: at + 8, count: length) }
            at += 12 + length
        }
        return nil
    }

    /// RFC 9649 §2.7.1.5: the chunk EXIF, mostly the last but one.
    private static func inWebP(_ file: ByteView) -> ByteView? {
        var file = file, at = 12
        file.isLittle = true
        for _ in 0..<partLimit {
            guard let length = file.number(at: at + 4, bytes: 4) else { return nil }
            if file.starts(with: "EXIF", at: at) {
                let block = file.part(at: at + 8, count: length)
                // Some programs write the name that only JPEG has.
                return block.starts(with: "Exif\0\0") ? block.part(at: 6, count: block.count - 6) : block
            }
            at += 8 + length + length & 1
        }
        return nil
    }

    /// TIFF 6.0 §2: the byte order, 42, where the first directory is, and there the entry 274, one SHORT.
    ///
    /// Only the first directory counts and none is followed from it, so that nothing can go round in a circle.
    static func orientation(_ block: ByteView) -> PictureOrientation? {
        var block = block
        guard block.starts(with: "II") || block.starts(with: "MM") else { return nil }
        block.isLittle = block.starts(with: "II")
        guard block.number(at: 2, bytes: 2) == 42, let directory = block.number(at: 4, bytes: 4),
            let entries = block.number(at: directory, bytes: 2)
        else { return nil }
        for index in 0..<entries {
            let at = directory + 2 + 12 * index
            guard let tag = block.number(at: at, bytes: 2) else { return nil }
            guard tag == 274 else { continue }
            guard block.number(at: at + 2, bytes: 2) == 3, block.number(at: at + 4, bytes: 4) == 1,
                let value = block.number(at: at + 8, bytes: 2)
            else { return nil }
            return PictureOrientation(rawValue: UInt16(truncatingIfNeeded: value))
        }
        return nil
    }
}

extension RGBABitmap {
    /// The picture as it is to be seen.
    func turned(_ orientation: PictureOrientation) -> RGBABitmap {
        guard orientation != .upright else { return self }
        var result = RGBABitmap(
            width: orientation.swapsSides ? height : width, height: orientation.swapsSides ? width : height,
            alpha: alpha)
        let across = result.width, right = across - 1, below = (result.height - 1) * across
        // Where the first pixel goes, and how far the next one of its row and the first one of the next row go from there.
        let (start, column, row) =
            switch orientation {
            case .upright: (0, 1, across)
            case .mirrored: (right, -1, across)
            case .halfTurned: (below + right, -1, -across)
            case .flipped: (below, 1, -across)
            case .transposed: (0, across, 1)
            case .clockwise: (right, across, -1)
            case .transversed: (below + right, -across, -1)
            case .anticlockwise: (below, -across, 1)
            }
        pixels.withUnsafeBytes { from in
            result.pixels.withUnsafeMutableBytes { to in
                for y in 0..<height {
                    for x in 0..<width {
                        let pixel = from.loadUnaligned(fromByteOffset: 4 * (y * width + x), as: UInt32.self)
                        to.storeBytes(of: pixel, toByteOffset: 4 * (start + y * row + x * column), as: UInt32.self)
                    }
                }
            }
        }
        return result
    }
}
