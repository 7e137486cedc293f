// Plain shapes on an I420 picture: rectangles and seven-segment digits, with a drawing program's few lines.

import Media

/// A colour in BT.601 limited range, as VP8 carries it.
struct YUVColor: Hashable {
    let y: UInt8, u: UInt8, v: UInt8

    /// Converts from 8-bit RGB (ITU-R BT.601, in 1/256).
    init(red: Int, green: Int, blue: Int) {
        y = UInt8(clamping: (66 * red + 129 * green + 25 * blue + 128) >> 8 + 16)
        u = UInt8(clamping: (112 * blue - 74 * green - 38 * red + 128) >> 8 + 128)
        v = UInt8(clamping: (112 * red - 94 * green - 18 * blue + 128) >> 8 + 128)
    }

    static let white = YUVColor(red: 255, green: 255, blue: 255)
}

/// A rectangle in pixels; odd numbers are rounded down, because chroma has half the size.
struct CanvasRect: Hashable {
    var x: Int, y: Int, width: Int, height: Int

    /// The part of the rectangle that lies in a picture.
    func clipped(to frame: VideoFrame) -> CanvasRect {
        let left = min(max(0, x), frame.width) & ~1, top = min(max(0, y), frame.height) & ~1
        let right = min(max(left, x + width), frame.width) & ~1, bottom = min(max(top, y + height), frame.height) & ~1
        return CanvasRect(x: left, y: top, width: max(0, right - left), height: max(0, bottom - top))
    }
}

extension VideoFrame {
    /// Fills a rectangle.
    func fill(_ rect: CanvasRect, _ color: YUVColor) {
        let area = rect.clipped(to: self)
        for row in area.y..<(area.y + area.height) {
            (y + row * lumaStride + area.x).update(repeating: color.y, count: area.width)
        }
        for row in (area.y / 2)..<((area.y + area.height) / 2) {
            (u + row * chromaStride + area.x / 2).update(repeating: color.u, count: area.width / 2)
            (v + row * chromaStride + area.x / 2).update(repeating: color.v, count: area.width / 2)
        }
    }

    /// Copies a picture of the same size.
    func copy(_ other: VideoFrame) {
        guard other.width == width, other.height == height else { return }
        y.update(from: other.y, count: lumaStride * height)
        u.update(from: other.u, count: chromaStride * height / 2)
        v.update(from: other.v, count: chromaStride * height / 2)
    }

    /// Draws a number in seven-segment digits, with leading zeros.
    ///
    /// - Parameters:
    ///   - number: its last `digits` decimal digits are drawn.
    ///   - digits: how many digits.
    ///   - area: what the digits fill; each takes an equal part, a fifth of it as the gap.
    ///   - color: of the segments.
    func draw(number: Int, digits: Int, in area: CanvasRect, _ color: YUVColor) {
        var rest = abs(number)
        let advance = area.width / max(1, digits)
        for position in stride(from: digits - 1, through: 0, by: -1) {
            let cell = CanvasRect(
                x: area.x + position * advance, y: area.y, width: advance * 4 / 5, height: area.height)
            for segment in SevenSegment.segments(of: rest % 10, in: cell) { fill(segment, color) }
            rest /= 10
        }
    }
}

/// The segments of a digit, as displays of calculators have them.
enum SevenSegment {
    // Bits from 0: top, upper right, lower right, bottom, lower left, upper left, middle.
    private static let lit: [UInt8] = [0x3F, 0x06, 0x5B, 0x4F, 0x66, 0x6D, 0x7D, 0x07, 0x7F, 0x6F]

    /// Returns the rectangles that make a digit, 0…9.
    static func segments(of digit: Int, in cell: CanvasRect) -> [CanvasRect] {
        let thick = max(2, cell.height / 8), half = cell.height / 2
        let right = cell.x + cell.width - thick, bottom = cell.y + cell.height - thick
        let all = [
            CanvasRect(x: cell.x, y: cell.y, width: cell.width, height: thick),
            CanvasRect(x: right, y: cell.y, width: thick, height: half),
            CanvasRect(x: right, y: cell.y + half, width: thick, height: half),
            CanvasRect(x: cell.x, y: bottom, width: cell.width, height: thick),
            CanvasRect(x: cell.x, y: cell.y + half, width: thick, height: half),
            CanvasRect(x: cell.x, y: cell.y, width: thick, height: half),
            CanvasRect(x: cell.x, y: cell.y + half - thick / 2, width: cell.width, height: thick),
        ]
        let bits = lit[min(max(0, digit), 9)]
        return all.enumerated().filter { bits >> $0.offset & 1 == 1 }.map(\.element)
    }
}
