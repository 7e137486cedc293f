// What of a graphic is laid on the canvas in one frame: its parts at their places, as far as its motion has come.

import Control

/// Turns overlays into steps of drawing; no text is laid out here.
enum OverlaySteps {
    /// How far an overlay slides, in grid units.
    private static let slideUnits = 3.0

    /// The steps of one overlay: what stands still, and what moves by itself, which is never part of the base.
    static func steps(_ operation: OverlayOperation, _ graphic: OverlayGraphic, on canvas: PixelSize) -> [CanvasStep] {
        let part = operation.part, whole = OverlayPresence.whole
        let place = moved(graphic.bounds, by: (operation.rect.x, operation.rect.y))
        var shift = (x: operation.rect.x, y: operation.rect.y), clip = place, opacity = Int(operation.opacity)
        switch operation.motion {
        case .none: break
        case .fade: opacity = opacity * part / whole
        case .slide:
            if case .ticker = operation.drawing {
                // From below the edge at which it lies; the canvas cuts it off.
                shift.y += (place.height * (whole - part) / whole) & ~1
            } else {
                let isNearRight = place.x + place.width / 2 > canvas.width / 2
                let way = (Int(slideUnits * operation.unit) * (whole - part) / whole) & ~1
                shift.x += isNearRight ? way : -way
                opacity = opacity * part / whole
            }
            clip = moved(graphic.bounds, by: shift)
        case .wipe:
            clip.width = min(place.width, ((place.width * part / whole) + 1) & ~1)
            if graphic.isRightToLeft { clip.x = place.right - clip.width }
        }
        clip = clip.clipped(to: PixelRect(width: canvas.width, height: canvas.height))
        let shown = UInt8(clamping: opacity)
        guard shown > 0, !clip.isEmpty else { return [] }
        func step(_ parts: [PlacedOverlay], _ clip: PixelRect, isMoving: Bool) -> CanvasStep? {
            guard !parts.isEmpty, !clip.isEmpty else { return nil }
            let parts = parts.map { part in
                PlacedOverlay(
                    overlay: part.overlay, x: part.x + shift.x, y: part.y + shift.y,
                    clip: part.clip.map { moved($0, by: shift) })
            }
            return CanvasStep(
                what: .overlays(parts, opacity: shown, clip: clip), rect: clip, isMoving: isMoving)
        }
        func inside(_ area: PixelRect) -> PixelRect { moved(area, by: shift).clipped(to: clip) }
        let live: CanvasStep? =
            switch (graphic.live, operation.live) {
            case (.run(let run), .run(let pixels)):
                step(run.placed(after: pixels, in: graphic.bounds), clip, isMoving: true)
            case (.digits(let row), .time(let text)): step(row.placed(text), inside(row.rect), isMoving: true)
            case (.poll(let rows), .shares(let shares, let votes)):
                step(rows.placed(shares, votes: votes), inside(rows.area), isMoving: true)
            default: nil
            }
        return [step(graphic.still, clip, isMoving: operation.motion != .none), live].compactMap { $0 }
    }

    private static func moved(_ rect: PixelRect, by shift: (x: Int, y: Int)) -> PixelRect {
        PixelRect(x: rect.x + shift.x, y: rect.y + shift.y, width: rect.width, height: rect.height)
    }
}
