// One thing to draw on a canvas, and what has to be drawn again when some of them change.

import Control
import Media

/// One thing to draw, compared by identity: frames and overlays never change once they are handed on.
struct CanvasStep: Equatable {
    enum What: Equatable {
        case fill(RGBColor)
        case picture(VideoFrame, crop: PixelRect, radius: Int, isMirrored: Bool)
        /// Graphics, each at its place, of which only what lies inside is seen.
        case overlays([PlacedOverlay], opacity: UInt8, clip: PixelRect)
        case border(RGBColor, width: Int, radius: Int)

        static func == (a: What, b: What) -> Bool {
            switch (a, b) {
            case (.fill(let a), .fill(let b)): a == b
            case (.picture(let a, let ac, let ar, let am), .picture(let b, let bc, let br, let bm)):
                a === b && ac == bc && ar == br && am == bm
            case (.overlays(let a, let ao, let ac), .overlays(let b, let bo, let bc)): a == b && ao == bo && ac == bc
            case (.border(let a, let aw, let ar), .border(let b, let bw, let br)): a == b && aw == bw && ar == br
            default: false
            }
        }
    }
    var what: What
    var rect: PixelRect
    /// Whether it will change soon, so that it is not worth a place in the base.
    var isMoving: Bool

    /// Every pixel that it may touch lies in here.
    var area: PixelRect {
        // A line that runs is longer than its place: what it may touch is where it is let through.
        if case .overlays(_, _, let clip) = what { return clip.evened }
        return rect.evened
    }

    /// Whether every pixel of its area is written and shows nothing of what was there, apart from its corners.
    func isOpaque(on canvas: PixelSize) -> Bool {
        let area = area, whole = PixelRect(width: canvas.width, height: canvas.height)
        guard !area.isEmpty, area.clipped(to: whole) == area else { return false }
        switch what {
        case .fill: return true
        case .picture(let frame, let crop, _, _):
            guard frame.alpha == nil else { return false }
            let seen = frame.displaySize
            return !crop.clipped(to: PixelRect(width: seen.width, height: seen.height)).evened.isEmpty
        case .overlays, .border: return false
        }
    }

    /// The four squares that its rounded corners let show, if it has such.
    var corners: [PixelRect] {
        guard case .picture(_, _, let radius, _) = what else { return [] }
        let area = area, side = (Rasterizer.radius(radius, in: area) + 1) & ~1
        guard side > 0 else { return [] }
        return [
            (area.x, area.y), (area.right - side, area.y), (area.x, area.bottom - side),
            (area.right - side, area.bottom - side),
        ].map { PixelRect(x: $0.0, y: $0.1, width: side, height: side) }
    }

    /// Which steps have to be drawn although others are as they were in the last picture.
    ///
    /// A step is as it was when it stands at the same place of both lists, is equal, and shares no pixel with one that is
    /// not; all pixels of its area are then those of the last picture.
    ///
    /// - Returns: for each of `steps` whether it has to be drawn; all of them when the lists differ in length.
    static func changed(_ steps: [CanvasStep], since last: [CanvasStep]) -> [Bool] {
        guard steps.count == last.count else { return steps.map { _ in true } }
        var isChanged = zip(steps, last).map { $0 != $1 }
        var areas = zip(steps, last).filter { $0 != $1 }.flatMap { [$0.area, $1.area] }
        var goesOn = !areas.isEmpty
        while goesOn {
            goesOn = false
            for at in steps.indices where !isChanged[at] && areas.contains(where: steps[at].area.intersects) {
                isChanged[at] = true
                areas.append(steps[at].area)
                goesOn = true
            }
        }
        return isChanged
    }
}
