// What slots accept: a source that its slot would never show is refused where it is put there.

internal import Control
internal import Web

extension SceneReferences {
    /// Checks that every source that a scene puts into a slot can be shown there.
    ///
    /// What a slot holds in a scene that is stored already may stay, because the layout may have changed since.
    ///
    /// - Parameters:
    ///   - scene: names only what is there (see `check`).
    ///   - stored: scenes whose slots are not checked again.
    /// - Throws: `Problem` 422 with a pointer to the source, and what the slot accepts.
    func checkSlots(of scene: Scene, besides stored: [Scene]) throws(Problem) {
        guard let layout = layouts[scene.layout] else { return }
        let known = (stored + stored.compactMap { $0.media?.after?.scene }).filter { $0.layout == scene.layout }
        for slot in layout.slots {
            guard let content = scene.slots[slot.id], !known.contains(where: { $0.slots[slot.id] == content }) else {
                continue
            }
            for (index, source) in content.sources.enumerated() where !slot.accepts(source) {
                let pointer = "/slots/" + slot.id, list = slot.acceptsText
                throw .invalid(
                    "The slot \"\(slot.id)\" of the layout \"\(layout.name)\" accepts \(list), and never shows \"\(source.text)\".",
                    pointer: content.sources.count == 1 ? pointer : "\(pointer)/\(index)")
            }
        }
    }
}

extension Layout.Slot {
    /// Whether the slot may show a source, once it is there.
    fileprivate func accepts(_ source: SceneSource) -> Bool {
        switch source {
        // It stands for people on stage, or for their screens where the slot takes no people.
        case .auto: accepts.contains(.participant) || accepts.contains(.screen)
        case .none: true
        default: source.kind.map(accepts.contains) ?? false
        }
    }

    fileprivate var acceptsText: String {
        let kinds = Layout.Kind.allCases.filter(accepts.contains).map(\.rawValue)
        return kinds.isEmpty ? "nothing" : "only " + kinds.joined(separator: ", ")
    }
}
