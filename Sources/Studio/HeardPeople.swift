// Whom the program's sound has: those on stage, and those whom the scene names that is shown.

internal import Control

/// Follows what a compositor shows, and says who is heard in it.
struct HeardPeople: Sendable {
    /// The layouts that scenes may name, as the compositor was told last.
    var layouts: [Layout] = []
    private var scene: Scene?, version: Int64 = 0

    /// A scene is shown; when a newer one is shown already, which has this one in it, nothing changes.
    mutating func shown(_ scene: Scene, version: Int64) {
        guard version >= self.version else { return }
        (self.scene, self.version) = (scene, version)
    }

    /// Returns the ids of those who are heard.
    ///
    /// - Parameter cast: who is in the room.
    func ids(among cast: [CastMember]) -> Set<String> {
        let onStage = Set(cast.filter(\.isOnStage).map(\.id))
        guard let scene, let layout = layouts.first(where: { $0.name == scene.layout }) else { return onStage }
        return onStage.union(scene.people(in: layout, room: Set(cast.map(\.id))))
    }
}
