// Rectangles: grid units to pixels, tiles in a slot, crops and fits.

import Control

/// The arithmetic of places, on one canvas.
struct SlotGeometry {
    let canvas: PixelSize

    /// Pixels of a length in grid units.
    func pixels(_ units: Double) -> Double { units * Double(min(canvas.width, canvas.height)) / 36 }

    /// The even rectangle nearest to one in grid units, held inside the canvas.
    func rect(_ grid: GridRect) -> PixelRect {
        func even(_ units: Double) -> Int { Int((pixels(units) / 2).rounded()) * 2 }
        let x = even(grid.x), y = even(grid.y)
        return PixelRect(x: x, y: y, width: even(grid.x + grid.width) - x, height: even(grid.y + grid.height) - y)
            .clipped(to: whole)
    }

    /// The canvas, as far as it is even.
    var whole: PixelRect { PixelRect(width: canvas.width & ~1, height: canvas.height & ~1) }

    /// The radius in whole even pixels.
    func radius(_ units: Double) -> Int { Int((pixels(units) / 2).rounded()) * 2 }

    /// Width and colour of a slot's border around a source; nil for none.
    func border(
        _ border: Layout.Border?, of source: SceneSource, speaking: Set<String>
    ) -> (width: Int, color: RGBColor)? {
        guard let border else { return nil }
        var isSpeaking = false
        if case .participant(let id) = source { isSpeaking = speaking.contains(id) }
        guard let color = isSpeaking ? border.active ?? border.color : border.color else { return nil }
        return (max(2, Int((pixels(border.width) / 2).rounded()) * 2), color)
    }

    /// The rectangles of `count` tiles in a slot, in reading order.
    func tiles(_ count: Int, in slot: PixelRect, flow: Layout.Flow) -> [PixelRect] {
        guard count > 0, !slot.isEmpty else { return [] }
        let gap = Int((pixels(flow.gap) / 2).rounded()) * 2
        func size(_ columns: Int, _ rows: Int) -> (width: Int, height: Int) {
            let width = (slot.width - gap * (columns - 1)) / columns
            let height = (slot.height - gap * (rows - 1)) / rows
            guard width > 0, height > 0 else { return (0, 0) }
            // Whichever side is short decides.
            let fitted = min(width, height * flow.tile.width / flow.tile.height)
            return (fitted & ~1, min(height, fitted * flow.tile.height / flow.tile.width) & ~1)
        }
        let columns: Int
        switch flow.direction {
        case .row: columns = count
        case .column: columns = 1
        case .grid:
            // The widest tile wins; of equals the one with fewer columns, which leaves fewer holes.
            columns = (1...count).max { size($0, rows(count, $0)).width < size($1, rows(count, $1)).width } ?? 1
        }
        let rowCount = rows(count, columns), tile = size(columns, rowCount)
        guard tile.width >= 2, tile.height >= 2 else { return [] }
        let top = slot.y + ((slot.height - rowCount * tile.height - (rowCount - 1) * gap) / 2 & ~1)
        return (0..<count).map { index in
            let row = index / columns, inRow = min(columns, count - row * columns)
            let left = slot.x + ((slot.width - inRow * tile.width - (inRow - 1) * gap) / 2 & ~1)
            return PixelRect(
                x: left + index % columns * (tile.width + gap), y: top + row * (tile.height + gap), width: tile.width,
                height: tile.height)
        }
    }

    private func rows(_ count: Int, _ columns: Int) -> Int { (count + columns - 1) / columns }

    /// Places a picture in a rectangle.
    ///
    /// - Parameters:
    ///   - size: of the picture.
    ///   - rect: where it may lie.
    ///   - fit: whether it is cropped or seen whole.
    ///   - anchor: where a crop is held.
    ///   - zoom: how much it is enlarged, 1…4.
    /// - Returns: the part of the picture, and where it lies.
    static func place(
        _ size: PixelSize, in rect: PixelRect, fit: Layout.Fit, anchor: Anchor, zoom: Double
    ) -> (crop: PixelRect, rect: PixelRect) {
        let (width, height) = (max(2, size.width), max(2, size.height))
        let zoom = zoom.isFinite ? min(max(1, zoom), 4) : 1
        var target = rect
        var (cropWidth, cropHeight) = (Double(width) / zoom, Double(height) / zoom)
        switch fit {
        case .fill:
            let shape = Double(rect.width) / Double(max(1, rect.height))
            if cropWidth > cropHeight * shape { cropWidth = cropHeight * shape } else { cropHeight = cropWidth / shape }
        case .fit:
            let scale = min(Double(rect.width) / Double(width), Double(rect.height) / Double(height))
            target.width = min(rect.width, Int((Double(width) * scale / 2).rounded()) * 2)
            target.height = min(rect.height, Int((Double(height) * scale / 2).rounded()) * 2)
            target.x = rect.x + ((rect.width - target.width) / 2 & ~1)
            target.y = rect.y + ((rect.height - target.height) / 2 & ~1)
        }
        func even(_ value: Double, _ limit: Int) -> Int {
            min(max(2, Int((value / 2).rounded()) * 2), max(2, limit & ~1))
        }
        let w = even(cropWidth, width), h = even(cropHeight, height)
        let crop = PixelRect(
            x: Int(Double(width - w) * anchor.x) & ~1, y: Int(Double(height - h) * anchor.y) & ~1, width: w, height: h)
        return (crop, target)
    }
}
