// Draw operations and the newest pictures in, one picture of the program out.

public import Control
public import Media

/// Renders the program's pictures; confined to the thread that keeps the program's time.
///
/// What does not change (background, slides, cards, graphics that lie on them) is drawn once into a base picture and
/// stays on each canvas; only moving pictures, and what lies over them, are drawn per frame, and only those that
/// changed: the others are copied from the last frame. A frame in which nothing changed is the last one again.
public final class ProgramRenderer {
    /// The size of the pictures.
    public let canvas: PixelSize
    /// How often the base was drawn anew, how many pictures were drawn, and how many were the last one again.
    public private(set) var baseRedraws: UInt64 = 0, drawnFrames: UInt64 = 0, unchangedFrames: UInt64 = 0
    /// How often no frame was free: what takes the pictures has stopped.
    public private(set) var exhausted: UInt64 = 0
    /// How many graphics the last picture lacked, because they are still being drawn.
    public private(set) var missingGraphics = 0

    private let store: GraphicsStore
    private let rasterizer = Rasterizer()
    private let backdrops: BackdropPainter
    private let borders: BorderPainter
    private let pool: VideoFramePool
    private let base: VideoFrame
    private var baseSteps: [CanvasStep] = []
    private var lastMoving: [CanvasStep] = []
    private var last: VideoFrame?
    /// What else than the base is on the canvases of the pool, which lives as long as they do.
    private var canvases: [ObjectIdentifier: Canvas] = [:]

    private struct Canvas {
        /// `baseRedraws` when the base was copied.
        var base: UInt64
        var areas: [PixelRect]
    }

    /// Creates a renderer.
    ///
    /// - Parameters:
    ///   - canvas: the size, both even.
    ///   - store: stills, slides and graphics.
    ///   - framesInUse: how many pictures may be out at once: the encoder's look-ahead and the queue before it.
    public init(canvas: PixelSize, store: GraphicsStore, framesInUse: Int = 8) {
        self.canvas = canvas
        self.store = store
        backdrops = BackdropPainter(rasterizer: rasterizer)
        borders = BorderPainter(rasterizer: rasterizer)
        pool = VideoFramePool(width: canvas.width, height: canvas.height, capacity: framesInUse)
        base = VideoFrame(width: canvas.width, height: canvas.height)
    }

    /// Renders a picture.
    ///
    /// - Parameters:
    ///   - operations: what to draw, back to front.
    ///   - frames: the newest picture of each source; a source without one shows what is behind it.
    /// - Returns: a picture that is not to be changed, or nil when no frame is free (send the last one again).
    public func render(_ operations: [DrawOperation], frames: [SceneSource: VideoFrame]) -> VideoFrame? {
        missingGraphics = 0
        backdrops.begin()
        var still: [CanvasStep] = [], moving: [CanvasStep] = []
        for operation in operations {
            for step in steps(operation, frames) {
                // What lies over something moving is drawn with it, in its order.
                if step.isMoving || moving.contains(where: { $0.area.intersects(step.area) }) {
                    moving.append(step)
                } else {
                    still.append(step)
                }
            }
        }
        if still != baseSteps || baseRedraws == 0 {
            // What only came on top, such as a lower third that has arrived, needs nothing below drawn again.
            let isMore = baseRedraws > 0 && still.starts(with: baseSteps)
            for step in isMore ? still[baseSteps.count...] : still[...] { draw(step, on: base) }
            baseSteps = still
            baseRedraws += 1
            last = nil
        } else if let last, moving == lastMoving {
            unchangedFrames += 1
            return last
        }
        guard let frame = pool.take() else {
            exhausted += 1
            return nil
        }
        frame.color = .program
        compose(moving, on: frame)
        lastMoving = moving
        last = frame
        drawnFrames += 1
        return frame
    }

    /// Draws what moves on a canvas of the pool that may still show an older picture.
    private func compose(_ moving: [CanvasStep], on frame: VideoFrame) {
        let name = ObjectIdentifier(frame)
        let isChanged = last == nil ? moving.map { _ in true } : CanvasStep.changed(moving, since: lastMoving)
        if let before = canvases[name], before.base == baseRedraws {
            // What will be written wholly need not be base first.
            let covered = zip(moving, isChanged).filter { !$1 || $0.isOpaque(on: canvas) }.map(\.0.area)
            for area in before.areas where !covered.contains(where: { area.clipped(to: $0) == area }) {
                rasterizer.copy(base, to: frame, in: area)
            }
            for step in moving { for corner in step.corners { rasterizer.copy(base, to: frame, in: corner) } }
        } else {
            rasterizer.copy(base, to: frame)
        }
        for (step, isChanged) in zip(moving, isChanged) {
            if !isChanged, let last {
                rasterizer.copy(last, to: frame, in: step.area)
            } else {
                draw(step, on: frame)
            }
        }
        canvases[name] = Canvas(base: baseRedraws, areas: moving.map(\.area))
    }

    /// Mixes two pictures, for a fade, and draws over them.
    ///
    /// - Parameters:
    ///   - from: the picture that goes.
    ///   - to: the picture that comes.
    ///   - weight: 0 is all of the first, 255 all of the second.
    ///   - above: what is drawn over both, back to front.
    ///   - frames: the newest picture of each source.
    /// - Returns: a new picture, or nil when no frame is free.
    public func mix(
        _ from: VideoFrame, _ to: VideoFrame, weight: UInt8, above: [DrawOperation] = [],
        frames: [SceneSource: VideoFrame] = [:]
    ) -> VideoFrame? {
        guard let frame = fresh() else { return nil }
        rasterizer.copy(from, to: frame)
        rasterizer.blend(to, weight: weight, onto: frame)
        for operation in above { for step in steps(operation, frames) { draw(step, on: frame) } }
        return frame
    }

    /// Lays a picture over another from the left.
    ///
    /// - Parameters:
    ///   - from: the picture that goes.
    ///   - to: the picture that comes.
    ///   - weight: 0 is all of the first, 255 all of the second.
    /// - Returns: a new picture, or nil when no frame is free.
    public func wipe(_ from: VideoFrame, _ to: VideoFrame, weight: UInt8) -> VideoFrame? {
        guard let frame = fresh() else { return nil }
        let edge = (canvas.width * Int(weight) / 255) & ~1
        rasterizer.copy(to, to: frame, in: PixelRect(width: edge, height: canvas.height))
        rasterizer.copy(
            from, to: frame, in: PixelRect(x: edge, y: 0, width: canvas.width - edge, height: canvas.height))
        return frame
    }

    /// A frame that is wholly written each time, of which nothing is remembered.
    private func fresh() -> VideoFrame? {
        guard let frame = pool.take() else {
            exhausted += 1
            return nil
        }
        frame.color = .program
        canvases[ObjectIdentifier(frame)] = nil
        return frame
    }

    private func steps(_ operation: DrawOperation, _ frames: [SceneSource: VideoFrame]) -> [CanvasStep] {
        let whole = PixelRect(width: canvas.width, height: canvas.height)
        func fill(_ color: RGBColor, _ rect: PixelRect) -> [CanvasStep] {
            [CanvasStep(what: .fill(color), rect: rect, isMoving: false)]
        }
        func picture(_ frame: VideoFrame, _ placement: DrawOperation.Placement, isMoving: Bool) -> [CanvasStep] {
            var crop = placement.crop
            let seen = frame.displaySize
            if crop.right > seen.width || crop.bottom > seen.height {
                // The picture changed its size after the operations were made: right for its shape, until the next ones.
                crop =
                    SlotGeometry.place(seen, in: placement.rect, fit: .fill, anchor: .middle, zoom: 1).crop
            }
            return [
                CanvasStep(
                    what: .picture(frame, crop: crop, radius: placement.cornerRadius, isMirrored: placement.isMirrored),
                    rect: placement.rect, isMoving: isMoving)
            ]
        }
        switch operation {
        case .background(.color(let color), _): return fill(color, whole)
        case .background(.image(let asset), let crop):
            guard let image = store.image(asset) else { return fill(RGBColor(red: 16, green: 24, blue: 40), whole) }
            let inside = crop ?? PixelRect(width: image.width, height: image.height)
            // Behind the background there is nothing: black shows where it lets something through.
            let ground = image.alpha == nil ? [] : fill(RGBColor(red: 0, green: 0, blue: 0), whole)
            return ground + picture(image, .init(crop: inside, rect: whole), isMoving: false)
        case .tile(let source, let placement):
            return frames[source].map { picture($0, placement, isMoving: true) } ?? []
        case .backdrop(let source, let placement):
            guard let step = frames[source].map({ picture($0, placement, isMoving: true) })?.first,
                case .picture(let frame, let crop, let radius, let isMirrored) = step.what,
                let backdrop = backdrops.picture(source, frame, crop: crop)
            else { return [] }
            let whole = PixelRect(width: backdrop.width, height: backdrop.height)
            return [
                CanvasStep(
                    what: .picture(backdrop, crop: whole, radius: radius, isMirrored: isMirrored), rect: step.rect,
                    isMoving: true)
            ]
        case .border(_, let rect, let width, let color, let radius):
            return [CanvasStep(what: .border(color, width: width, radius: radius), rect: rect, isMoving: false)]
        case .slide(let slides, let placement):
            return store.slide(slides).map { picture($0, placement, isMoving: false) } ?? []
        case .image(let asset, let placement):
            return store.image(asset).map { picture($0, placement, isMoving: false) } ?? []
        case .card(let name, let key, let rect, let radius):
            let drawn = GraphicsStore.key(operation).flatMap(store.card)
            if drawn == nil { missingGraphics += 1 }
            // One of another size is better than none: on its way to another place a card has a size of its own in each frame.
            guard let card = drawn ?? store.anyCard(name: name, key: key) else {
                return fill(GraphicsPainter.color(of: key), rect)
            }
            let crop = PixelRect(width: card.width, height: card.height)
            return picture(card, .init(crop: crop, rect: rect, cornerRadius: radius), isMoving: false)
        case .overlay(let overlay):
            guard let key = GraphicsStore.key(operation), let graphic = store.overlay(key) else {
                missingGraphics += 1
                return []
            }
            return OverlaySteps.steps(overlay, graphic, on: canvas)
        }
    }

    private func draw(_ step: CanvasStep, on frame: VideoFrame) {
        switch step.what {
        case .fill(let color): rasterizer.fill(frame, step.rect, color: color)
        case .picture(let picture, let crop, let radius, let isMirrored):
            rasterizer.draw(
                picture, crop: crop, on: frame, in: step.rect, cornerRadius: radius, isMirrored: isMirrored)
        case .overlays(let parts, let opacity, let clip):
            for part in parts {
                part.overlay.draw(
                    on: frame, x: part.x, y: part.y, opacity: opacity, clip: part.clip?.clipped(to: clip) ?? clip)
            }
        case .border(let color, let width, let radius):
            borders.draw(on: frame, in: step.rect, width: width, color: color, cornerRadius: radius)
        }
    }
}
