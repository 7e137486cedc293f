// Scene, layout, what is present and a moment in; what to draw out. Nothing else goes in or out.

public import Control
public import Media

/// Resolves scenes into draw operations.
public enum SceneResolver {
    /// Says what is to be drawn.
    ///
    /// A slot that takes one source shows the first of its list that there is; a slot with a flow shows all, and its last
    /// `auto` stands for everybody on stage who is left. Nobody is shown twice by `auto`. Screens and slides are never
    /// cropped. A card stands in for a picture that is not there yet.
    ///
    /// - Parameters:
    ///   - scene: what the producer asked for.
    ///   - layout: the layout that the scene names.
    ///   - present: the sources, with the sizes of their newest pictures.
    ///   - time: the program time of the frame.
    ///   - canvas: the size of the picture, both even.
    ///   - overlays: the overlays as they come and go; nil for the scene's as if they had always been there.
    public static func resolve(
        _ scene: Scene, layout: Layout, present: SourcesPresent, time: ProgramTime, canvas: PixelSize,
        overlays: [OverlayPresence]? = nil
    ) -> [DrawOperation] {
        let geometry = SlotGeometry(canvas: canvas)
        var operations = [background(scene.background ?? layout.background, layout, present, canvas)]
        for place in places(scene, layout: layout, present: present, canvas: canvas) {
            operations += self.operations(place, geometry, scene, present)
        }
        operations += OverlayResolver(layout: layout, images: present.images, geometry: geometry, time: time)
            .operations(overlays ?? OverlayTimeline(scene.overlays, themes: [:]).presences)
        return operations
    }

    /// A source and where it is shown, before its picture is fitted in.
    struct Place: Equatable {
        var source: SceneSource
        var slot: Layout.Slot
        var rect: PixelRect
    }

    /// Says who is shown where, back to front; the same whatever the pictures are like.
    static func places(
        _ scene: Scene, layout: Layout, present: SourcesPresent, canvas: PixelSize
    ) -> [Place] {
        let geometry = SlotGeometry(canvas: canvas)
        var casting = Casting(scene: scene, layout: layout, present: present)
        let cast = layout.slots.map { casting.sources(of: $0) }
        let isAlone = cast.count { !$0.isEmpty } == 1
        return zip(layout.slots, cast).flatMap { slot, sources -> [Place] in
            let grid = isAlone ? slot.alone ?? slot.rect : slot.rect
            guard let flow = slot.flow else {
                return sources.prefix(1).map { Place(source: $0, slot: slot, rect: geometry.rect(grid)) }
            }
            let tiles = geometry.tiles(
                sources.count, in: geometry.rect(grid.clipped(to: layout.safeArea)), flow: flow)
            return zip(sources, tiles).map { Place(source: $0, slot: slot, rect: $1) }
        }
    }

    private static func background(
        _ background: Background, _ layout: Layout, _ present: SourcesPresent, _ canvas: PixelSize
    ) -> DrawOperation {
        guard case .image(let asset) = background else { return .background(background, crop: nil) }
        guard let size = present.images[asset] else {
            // Until the picture is there, the layout's colour is.
            if case .color = layout.background { return .background(layout.background, crop: nil) }
            return .background(.color(RGBColor(red: 16, green: 24, blue: 40)), crop: nil)
        }
        let whole = PixelRect(width: canvas.width, height: canvas.height)
        return .background(
            background, crop: SlotGeometry.place(size, in: whole, fit: .fill, anchor: .middle, zoom: 1).crop)
    }

    /// What shows one source in its place: what lies behind its picture, the picture, and what lies around it.
    private static func operations(
        _ place: Place, _ geometry: SlotGeometry, _ scene: Scene, _ present: SourcesPresent
    ) -> [DrawOperation] {
        let (source, slot, rect) = (place.source, place.slot, place.rect)
        // What fills the canvas has no corners that could be round.
        let radius = rect == geometry.whole ? 0 : geometry.radius(slot.corner)
        func placed(
            _ size: PixelSize, _ fit: Layout.Fit, zoom: Double = 1, isMirrored: Bool = false
        ) -> DrawOperation.Placement {
            let place = SlotGeometry.place(size, in: rect, fit: fit, anchor: slot.anchor, zoom: zoom)
            return .init(crop: place.crop, rect: place.rect, cornerRadius: radius, isMirrored: isMirrored)
        }
        func bordered(_ operations: [DrawOperation], _ rect: PixelRect) -> [DrawOperation] {
            let border = geometry.border(slot.border, of: source, speaking: present.direction.speaking)
            return operations
                + (border.map {
                    [.border(source: source, rect: rect, width: $0.width, color: $0.color, cornerRadius: radius)]
                } ?? [])
        }
        func card(_ name: String, _ key: String) -> [DrawOperation] {
            bordered([.card(name: name, key: key, rect: rect, cornerRadius: radius)], rect)
        }
        func tile(_ placement: DrawOperation.Placement) -> [DrawOperation] {
            bordered([.tile(source: source, placement: placement)], placement.rect)
        }
        switch source {
        case .participant(let id):
            let person = present.participants.first { $0.id == id }
            guard let person, let size = person.camera else { return card(person?.name ?? "", id) }
            let isUpright = size.height > size.width && rect.width > rect.height
            let portrait: Layout.Portrait =
                isUpright && person.fit == nil ? slot.portrait ?? (slot.fit == .fill ? .blurFill : .fit) : .fill
            let fit = person.fit ?? (isUpright && portrait != .fill ? .fit : slot.fit)
            var picture = placed(size, fit, zoom: person.zoom, isMirrored: person.isMirrored)
            guard portrait == .blurFill else { return tile(picture) }
            // The round corners are those of what lies behind; the picture itself ends in straight edges.
            if picture.rect != rect { picture.cornerRadius = 0 }
            let behind = placed(size, .fill, isMirrored: person.isMirrored)
            return bordered(
                [.backdrop(source: source, placement: behind), .tile(source: source, placement: picture)], rect)
        case .screen(let id):
            let person = present.participants.first { $0.id == id }
            guard let size = person?.screen else { return card(person?.name ?? "", id) }
            return tile(placed(size, .fit))
        case .slides:
            guard let slides = scene.slides, let size = present.slide else { return card("", "slides") }
            let placement = placed(size, .fit)
            return bordered([.slide(slides, placement: placement)], placement.rect)
        case .image(let asset):
            guard let size = present.images[asset] else { return card("", asset) }
            let placement = placed(size, slot.fit)
            return bordered([.image(asset: asset, placement: placement)], placement.rect)
        case .media(let asset):
            guard let size = present.media[asset] else { return card("", asset) }
            return tile(placed(size, slot.fit))
        case .ingest(let name):
            guard let size = present.ingests[name] else { return card(name, name) }
            return tile(placed(size, slot.fit))
        case .auto, .none:
            return card("", "none")
        }
    }
}
