// The mean colours of areas of a picture: what a vectorscope shows, as numbers.

import Control
import Media

extension CanvasReading {
    /// Reads a picture.
    ///
    /// - Parameters:
    ///   - picture: the picture, which nobody writes to meanwhile.
    ///   - areas: what to read; cut to the picture. A chroma sample belongs to an area that its four luma samples touch.
    init(_ picture: VideoFrame, _ areas: [CanvasArea]) {
        self.init(width: picture.width, height: picture.height, areas: areas.map { Self.mean(picture, $0) })
    }

    private static func mean(_ picture: VideoFrame, _ area: CanvasArea) -> Mean {
        let columns = Self.cut(area.x, area.width, to: picture.width)
        let rows = Self.cut(area.y, area.height, to: picture.height)
        guard !columns.isEmpty, !rows.isEmpty else { return Mean(area: area) }
        let halfColumns = columns.lowerBound / 2..<(columns.upperBound + 1) / 2
        let halfRows = rows.lowerBound / 2..<(rows.upperBound + 1) / 2
        return Mean(
            area: area, luma: mean(picture.y, picture.lumaStride, columns, rows),
            cb: mean(picture.u, picture.chromaStride, halfColumns, halfRows),
            cr: mean(picture.v, picture.chromaStride, halfColumns, halfRows))
    }

    private static func cut(_ start: Int, _ length: Int, to limit: Int) -> Range<Int> {
        let end = start.addingReportingOverflow(length)
        let first = min(max(0, start), limit), last = end.overflow ? limit : min(max(0, end.partialValue), limit)
        return first..<max(first, last)
    }

    private static func mean(
        _ plane: UnsafePointer<UInt8>, _ stride: Int, _ columns: Range<Int>, _ rows: Range<Int>
    ) -> Double {
        var sum = 0
        for row in rows {
            let line = plane + row * stride
            for column in columns { sum &+= Int(line[column]) }
        }
        // To a thousandth, which is as much as anybody reads.
        return (Double(sum) / Double(columns.count * rows.count) * 1000).rounded() / 1000
    }
}
