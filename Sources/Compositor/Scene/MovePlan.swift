// A transition in which what both scenes show glides from one place to the other.

import Control

/// What is drawn in the course of a move: the rest of both scenes through each other, and what glides over it.
struct MovePlan: Equatable {
    /// What only the scene that goes shows, with its background.
    var leaving: [DrawOperation] = []
    /// What only the scene that comes shows, with its background.
    var arriving: [DrawOperation] = []
    /// What both show on its way, then the overlays, back to front.
    var above: [DrawOperation] = []

    /// Plans one frame.
    ///
    /// - Parameters:
    ///   - from: what the scene that goes comes to.
    ///   - to: what the scene that comes comes to.
    ///   - weight: how far it is; 0 is the first, 255 the second.
    init(from: [DrawOperation], to: [DrawOperation], weight: UInt8) {
        let places = Dictionary(from.compactMap { op in Self.identity(op).map { ($0, op) } }) { first, _ in first }
        let arrivingIDs = Set(to.compactMap(Self.identity))
        let step = Self.eased(weight)
        leaving = from.filter { op in
            !op.isOverlay && (Self.identity(op).map { !arrivingIDs.contains($0) } ?? true)
        }
        for operation in to where !operation.isOverlay {
            if let identity = Self.identity(operation), let before = places[identity],
                let glide = operation.placed(between: before, step)
            {
                above.append(glide)
            } else {
                arriving.append(operation)
            }
        }
        // Overlays come and go by themselves: those of the scene that comes are all there are, also those that leave.
        above += to.filter(\.isOverlay)
    }

    /// How far what glides is, of 255: fast first, then slower (1 − (1 − t)³).
    static func eased(_ weight: UInt8) -> Int {
        let rest = 255 - Int(weight)
        return 255 - rest * rest * rest / (255 * 255)
    }

    /// What makes a thing the same in two scenes.
    private enum Identity: Hashable {
        case tile(SceneSource), backdrop(SceneSource), border(SceneSource), slide(Slides), image(String), card(String)
    }

    private static func identity(_ operation: DrawOperation) -> Identity? {
        switch operation {
        case .tile(let source, _): .tile(source)
        case .slide(let slides, _): .slide(slides)
        case .image(let asset, _): .image(asset)
        case .backdrop(let source, _): .backdrop(source)
        case .border(let source, _, _, _, _): .border(source)
        case .card(_, let key, _, _): .card(key)
        default: nil
        }
    }
}

extension DrawOperation {
    /// Whether it lies over the pictures.
    var isOverlay: Bool {
        if case .overlay = self { true } else { false }
    }

    private var placement: Placement? {
        switch self {
        case .tile(_, let placement), .backdrop(_, let placement), .slide(_, let placement), .image(_, let placement):
            placement
        case .card(_, _, let rect, let radius): Placement(crop: rect, rect: rect, cornerRadius: radius)
        case .border(_, let rect, _, _, let radius): Placement(crop: rect, rect: rect, cornerRadius: radius)
        default: nil
        }
    }

    /// The same thing on its way from another place; `step` of 255.
    fileprivate func placed(between before: DrawOperation, _ step: Int) -> DrawOperation? {
        guard let a = before.placement, let b = placement else { return nil }
        let placement = Placement(
            crop: a.crop.between(b.crop, step), rect: a.rect.between(b.rect, step),
            cornerRadius: a.cornerRadius + (b.cornerRadius - a.cornerRadius) * step / 255, isMirrored: b.isMirrored)
        switch self {
        case .tile(let source, _): return .tile(source: source, placement: placement)
        case .slide(let slides, _): return .slide(slides, placement: placement)
        case .image(let asset, _): return .image(asset: asset, placement: placement)
        case .backdrop(let source, _): return .backdrop(source: source, placement: placement)
        case .card(let name, let key, _, _):
            return .card(name: name, key: key, rect: placement.rect, cornerRadius: placement.cornerRadius)
        case .border(let source, _, let width, let color, _):
            return .border(
                source: source, rect: placement.rect, width: width, color: color, cornerRadius: placement.cornerRadius)
        default: return nil
        }
    }
}

extension PixelRect {
    /// The rectangle on the way to another, on even pixels; `step` of 255.
    fileprivate func between(_ other: Self, _ step: Int) -> Self {
        func way(_ a: Int, _ b: Int) -> Int { (a + (b - a) * step / 255) & ~1 }
        let x = way(x, other.x), y = way(y, other.y)
        return PixelRect(
            x: x, y: y, width: max(2, way(right, other.right) - x), height: max(2, way(bottom, other.bottom) - y))
    }
}
