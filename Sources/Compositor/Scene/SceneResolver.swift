// Scene, layout, what is present and a moment in; what to draw out. Nothing else goes in or out.

public import Control
public import Media

/// Resolves scenes into draw operations.
public enum SceneResolver {
    /// How long a lower third takes to come and to go.
    public static let fadeMilliseconds: Int64 = 200

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
    public static func resolve(
        _ scene: Scene, layout: Layout, present: SourcesPresent, time: ProgramTime, canvas: PixelSize
    ) -> [DrawOperation] {
        let geometry = SlotGeometry(canvas: canvas)
        var operations = [background(scene.background ?? layout.background, layout, present, canvas)]
        var casting = Casting(scene: scene, layout: layout, present: present)
        for slot in layout.slots {
            let rect = geometry.rect(slot.rect)
            let sources = casting.sources(of: slot)
            let places = slot.flow.map { geometry.tiles(sources.count, in: rect, flow: $0) } ?? [rect]
            for (source, place) in zip(sources, places) {
                operations.append(
                    operation(source, slot: slot, in: place, radius: geometry.radius(slot.corner), scene, present))
            }
        }
        operations += overlays(scene.overlays, layout, present, time, geometry)
        return operations
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

    private static func operation(
        _ source: SceneSource, slot: Layout.Slot, in rect: PixelRect, radius: Int, _ scene: Scene,
        _ present: SourcesPresent
    ) -> DrawOperation {
        func placed(
            _ size: PixelSize, _ fit: Layout.Fit, zoom: Double = 1, isMirrored: Bool = false
        ) -> DrawOperation.Placement {
            let place = SlotGeometry.place(size, in: rect, fit: fit, anchor: slot.anchor, zoom: zoom)
            return .init(crop: place.crop, rect: place.rect, cornerRadius: radius, isMirrored: isMirrored)
        }
        func card(_ name: String, _ key: String) -> DrawOperation {
            .card(name: name, key: key, rect: rect, cornerRadius: radius)
        }
        switch source {
        case .participant(let id):
            let person = present.participants.first { $0.id == id }
            guard let person, let size = person.camera else { return card(person?.name ?? "", id) }
            return .tile(
                source: source,
                placement: placed(size, person.fit ?? slot.fit, zoom: person.zoom, isMirrored: person.isMirrored))
        case .screen(let id):
            let person = present.participants.first { $0.id == id }
            guard let size = person?.screen else { return card(person?.name ?? "", id) }
            return .tile(source: source, placement: placed(size, .fit))
        case .slides:
            guard let slides = scene.slides, let size = present.slide else { return card("", "slides") }
            return .slide(slides, placement: placed(size, .fit))
        case .image(let asset):
            guard let size = present.images[asset] else { return card("", asset) }
            return .image(asset: asset, placement: placed(size, slot.fit))
        case .media(let asset):
            guard let size = present.media[asset] else { return card("", asset) }
            return .tile(source: source, placement: placed(size, slot.fit))
        case .ingest(let name):
            guard let size = present.ingests[name] else { return card(name, name) }
            return .tile(source: source, placement: placed(size, slot.fit))
        case .auto, .none:
            return card("", "none")
        }
    }

    private static func overlays(
        _ overlays: Overlays, _ layout: Layout, _ present: SourcesPresent, _ time: ProgramTime, _ geometry: SlotGeometry
    ) -> [DrawOperation] {
        let grid = layout.canvas.grid
        var operations: [DrawOperation] = []
        if let logo = overlays.logo, let size = present.images[logo.asset] {
            let isRight = logo.corner == .topRight || logo.corner == .bottomRight
            let isLow = logo.corner == .bottomLeft || logo.corner == .bottomRight
            let box = geometry.rect(
                GridRect(x: isRight ? grid.width - 9 : 1, y: isLow ? grid.height - 5 : 1, width: 8, height: 4))
            var rect = SlotGeometry.place(size, in: box, fit: .fit, anchor: .middle, zoom: 1).rect
            rect.x = isRight ? box.right - rect.width : box.x
            rect.y = isLow ? box.bottom - rect.height : box.y
            operations.append(.logo(asset: logo.asset, rect: rect))
        }
        if let countdown = overlays.countdown {
            let width = min(24, grid.width - 2)
            operations.append(
                .countdown(
                    time: countdown.text(at: time.milliseconds), title: countdown.title,
                    rect: geometry.rect(
                        GridRect(x: (grid.width - width) / 2, y: grid.height / 2 - 5, width: width, height: 10))))
        }
        if let poll = overlays.poll {
            let width = min(24, grid.width - 2), height = min(5 + 3 * Double(poll.options.count), grid.height - 4)
            operations.append(
                .poll(
                    poll, rect: geometry.rect(GridRect(x: grid.width - width - 1, y: 2, width: width, height: height))))
        }
        let step = layout.lowerThird.height + 0.5
        var lower = layout.lowerThird
        if let comment = overlays.comment {
            operations.append(.comment(comment, rect: geometry.rect(lower)))
            lower.y -= step
        }
        for third in overlays.lowerThirds {
            let opacity = opacity(third, at: time.milliseconds)
            guard lower.y >= 0 else { break }
            if opacity > 0 {
                operations.append(
                    .lowerThird(name: third.name, title: third.title, rect: geometry.rect(lower), opacity: opacity))
                lower.y -= step
            }
        }
        if let ticker = overlays.ticker {
            let rect = geometry.rect(GridRect(x: 0, y: grid.height - 2, width: grid.width, height: 2))
            operations.append(.ticker(text: ticker.text, rect: rect, programTime: time.milliseconds))
        }
        return operations
    }

    private static func opacity(_ third: LowerThird, at time: Int64) -> UInt8 {
        func ramp(_ elapsed: Int64) -> Int64 {
            max(0, min(255, elapsed.multipliedReportingOverflow(by: 255).partialValue / fadeMilliseconds))
        }
        var opacity: Int64 = 255
        if let from = third.fromProgramTime {
            let elapsed = time.subtractingReportingOverflow(from).partialValue
            opacity = elapsed >= fadeMilliseconds ? 255 : ramp(max(0, elapsed))
        }
        if let until = third.untilProgramTime {
            let left = until.subtractingReportingOverflow(time).partialValue
            opacity = min(opacity, left >= fadeMilliseconds ? 255 : ramp(max(0, left)))
        }
        return UInt8(clamping: opacity)
    }
}

/// Decides who plays in which slot.
private struct Casting {
    let scene: Scene, present: SourcesPresent
    private var waiting: [SceneSource]
    private var waitingScreens: [SceneSource]

    init(scene: Scene, layout: Layout, present: SourcesPresent) {
        self.scene = scene
        self.present = present
        let named = Set(layout.slots.flatMap { (scene.slots[$0.id] ?? $0.content).sources })
        let onStage = present.participants.filter(\.isOnStage)
        waiting = onStage.map { .participant($0.id) }.filter { !named.contains($0) }
        waitingScreens = onStage.filter { $0.screen != nil }.map { .screen($0.id) }.filter { !named.contains($0) }
    }

    /// The sources that a slot shows, none twice by `auto`.
    mutating func sources(of slot: Layout.Slot) -> [SceneSource] {
        let wanted = (scene.slots[slot.id] ?? slot.content).sources
        let limit = slot.flow?.max ?? 1
        let lastAuto = wanted.lastIndex(of: .auto)
        var chosen: [SceneSource] = [], absent: SceneSource?
        for (index, source) in wanted.enumerated() where chosen.count < limit {
            if source == .auto {
                let takesRest = slot.flow != nil && index == lastAuto
                // The ones named after this `auto` keep their places.
                let room = limit - chosen.count - (takesRest ? min(limit - chosen.count, wanted.count - index - 1) : 0)
                for _ in 0..<(takesRest ? max(0, room) : 1) {
                    guard let next = takeNext(for: slot) else { break }
                    chosen.append(next)
                }
            } else if let kind = source.kind, slot.accepts.contains(kind) {
                if slot.flow != nil || isPresent(source) {
                    if isKnown(source) { chosen.append(source) }
                } else if absent == nil, isKnown(source) {
                    absent = source
                }
            }
        }
        return chosen.isEmpty ? absent.map { [$0] } ?? [] : chosen
    }

    private mutating func takeNext(for slot: Layout.Slot) -> SceneSource? {
        if slot.accepts.contains(.participant) { return waiting.isEmpty ? nil : waiting.removeFirst() }
        if slot.accepts.contains(.screen) { return waitingScreens.isEmpty ? nil : waitingScreens.removeFirst() }
        return nil
    }

    /// Whether there is a picture, or somebody whose name can stand for it.
    private func isPresent(_ source: SceneSource) -> Bool {
        switch source {
        case .participant(let id): present.participants.contains { $0.id == id }
        case .screen(let id): present.participants.contains { $0.id == id && $0.screen != nil }
        case .slides: scene.slides != nil
        case .image(let asset): present.images[asset] != nil
        case .media(let asset): present.media[asset] != nil
        case .ingest(let name): present.ingests[name] != nil
        case .auto, .none: false
        }
    }

    /// Whether a card makes sense while it is not there: for slides only once a deck is named, for people only in the room.
    private func isKnown(_ source: SceneSource) -> Bool {
        switch source {
        case .participant(let id), .screen(let id): present.participants.contains { $0.id == id }
        case .slides: scene.slides != nil
        case .image, .media, .ingest: true
        case .auto, .none: false
        }
    }
}

extension SceneSource {
    /// The kind that layouts accept; nil for `auto` and `none`.
    var kind: Layout.Kind? {
        switch self {
        case .participant: .participant
        case .screen: .screen
        case .slides: .slides
        case .media: .media
        case .image: .image
        case .ingest: .ingest
        case .auto, .none: nil
        }
    }
}
