// Who plays in which slot.

import Control

/// Decides who plays in which slot.
struct Casting {
    let scene: Scene, present: SourcesPresent
    /// Who is on stage and named nowhere, in the order of the stage.
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
                chosen += take(takesRest ? max(0, room) : 1, for: slot)
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

    private mutating func take(_ count: Int, for slot: Layout.Slot) -> [SceneSource] {
        if slot.accepts.contains(.participant) {
            let ordered =
                slot.order == .stage
                ? waiting
                : present.direction.order.map { .participant($0) }.filter(waiting.contains)
                    + waiting.filter { !present.direction.holds($0) }
            let taken = Array(ordered.prefix(count))
            waiting.removeAll(where: taken.contains)
            return taken
        }
        guard slot.accepts.contains(.screen) else { return [] }
        defer { waitingScreens.removeFirst(min(count, waitingScreens.count)) }
        return Array(waitingScreens.prefix(count))
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
