// How large a camera's picture has to be for nothing of it to be enlarged: pure.

import Control
import Media

/// What a look needs of a camera, in the pixels in which it is sent (before it is turned).
struct CameraNeed: Hashable {
    /// The smallest whole picture of which nothing is enlarged.
    var size: PixelSize
    /// The newest picture; nil while there is none.
    var picture: PixelSize?
    /// Whether it is sent in several sizes.
    var isLayered: Bool

    /// The share of a side by which a picture may be too small, because places and crops are even.
    static let tolerance = 0.02

    /// Whether a picture is large enough.
    func isFilled(by picture: PixelSize) -> Bool {
        let rest = 1 - Self.tolerance
        return Double(picture.width) >= Double(size.width) * rest
            && Double(picture.height) >= Double(size.height) * rest
    }

    /// What serves both.
    func joined(with other: CameraNeed) -> CameraNeed {
        CameraNeed(
            size: PixelSize(
                width: max(size.width, other.size.width), height: max(size.height, other.size.height)),
            picture: picture ?? other.picture, isLayered: isLayered || other.isLayered)
    }
}

extension ProgramLook {
    /// What is needed of each camera that the look shows, and of those who may be next to be shown.
    ///
    /// Who has begun to speak and may be chosen for it is not shown small first: what the largest of such places needs is
    /// asked for at once.
    ///
    /// - Parameters:
    ///   - sources: the newest pictures, and what follows from who speaks.
    ///   - store: stills and slides.
    ///   - canvas: the size of the program.
    func cameraNeeds(_ sources: ProgramLine.Sources, _ store: GraphicsStore, _ canvas: PixelSize) -> [SceneSource:
        CameraNeed]
    {
        let look = directed(by: sources.direction)
        let present = look.present(sources.pictures, store, sources.direction)
        let layered = Set(cast.filter { $0.layeredSources.contains(.camera) }.map(\.id))
        var needs: [SceneSource: CameraNeed] = [:]
        func need(_ source: SceneSource, _ size: PixelSize) {
            guard case .participant(let id) = source else { return }
            let frame = sources.pictures[source]
            let sent = frame.map { PixelSize(width: $0.width, height: $0.height) }
            let isTurned = frame?.rotation.swapsSides == true
            let new = CameraNeed(
                size: isTurned ? PixelSize(width: size.height, height: size.width) : size, picture: sent,
                isLayered: layered.contains(id))
            needs[source] = needs[source]?.joined(with: new) ?? new
        }
        let operations = SceneResolver.resolve(
            look.scene, layout: look.layout, present: present, time: ProgramTime(milliseconds: 0), canvas: canvas,
            overlays: [])
        for operation in operations {
            switch operation {
            case .tile(let source, let placement):
                guard let size = sources.pictures[source]?.displaySize else { continue }
                need(source, placement.whole(size))
            case .card(_, let key, let rect, _): need(.participant(key), rect.filled)
            default: continue
            }
        }
        let changing = look.layout.slots.filter {
            $0.order != .stage && $0.accepts.contains(.participant)
        }
        guard !changing.isEmpty, !sources.direction.speaking.isEmpty else { return needs }
        let places = SceneResolver.places(look.scene, layout: look.layout, present: present, canvas: canvas)
            .filter { place in changing.contains { $0.id == place.slot.id } }
        guard let largest = places.map(\.rect).max(by: { $0.height < $1.height }) else { return needs }
        for id in sources.direction.speaking { need(.participant(id), largest.filled) }
        return needs
    }
}

extension DrawOperation.Placement {
    /// How large a picture of some shape has to be for none of it to be enlarged in its place.
    fileprivate func whole(_ size: PixelSize) -> PixelSize {
        let scale = max(
            Double(rect.width) / Double(max(1, crop.width)), Double(rect.height) / Double(max(1, crop.height)))
        return PixelSize(
            width: Int((Double(size.width) * scale).rounded(.up)),
            height: Int((Double(size.height) * scale).rounded(.up)))
    }
}

extension PixelRect {
    /// The picture of 16 : 9 that fills it, which most cameras send.
    fileprivate var filled: PixelSize {
        let tall = max(height, (width * 9 + 15) / 16)
        return PixelSize(width: (tall * 16 + 8) / 9, height: tall)
    }
}
