// What the program does by itself: who speaks, and whose screen has taken over.

import Control

/// What follows from who speaks and shares, beside what producers say.
public struct ProgramDirection: Hashable, Sendable {
    /// Those on stage, by their ids: who was chosen to be seen large first, the others in places that change little.
    public var order: [String]
    /// Who speaks now.
    public var speaking: Set<String>
    /// The participant whose screen has taken over, in layouts that let it.
    public var screen: String?

    /// Creates a direction; nobody speaks and shares by default.
    public init(order: [String] = [], speaking: Set<String> = [], screen: String? = nil) {
        self.order = order
        self.speaking = speaking
        self.screen = screen
    }

    /// Whether the order names a participant.
    func holds(_ source: SceneSource) -> Bool {
        if case .participant(let id) = source { order.contains(id) } else { false }
    }
}

extension Scene {
    /// The scene as it is while a screen has taken over: everything stays but the layout and the place of the screen.
    ///
    /// - Parameters:
    ///   - layout: the one that takes over.
    ///   - participant: whose screen it is.
    /// - Returns: nil when the layout has no slot for a screen, or the scene shows this screen already.
    func takenOver(by layout: Layout, screen participant: String) -> Scene? {
        let screen = SceneSource.screen(participant)
        guard !slots.values.contains(where: { $0.sources.contains(screen) }),
            let slot = layout.slots.first(where: { $0.accepts.contains(.screen) })
        else { return nil }
        var scene = self
        scene.layout = layout.name
        scene.slots = slots.filter { name, _ in layout.slots.contains { $0.id == name } }
        scene.slots[slot.id] = SlotSources([screen])
        return scene
    }
}
