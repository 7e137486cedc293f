// Whom a scene names: they are seen, and heard with it, on stage or not.

extension Scene {
    /// Returns the people in the room whose cameras or screens the scene, or its layout, puts into slots that accept them.
    ///
    /// Of those who are named for a slot that shows one, the first whose camera may be shown keeps the others out.
    ///
    /// - Parameters:
    ///   - layout: the layout that the scene names.
    ///   - room: the ids of those who are there.
    package func people(in layout: Layout, room: Set<String>) -> Set<String> {
        var named: Set<String> = []
        for slot in layout.slots {
            sources: for source in (slots[slot.id] ?? slot.content).sources {
                switch source {
                case .participant(let id) where slot.accepts.contains(.participant) && room.contains(id):
                    named.insert(id)
                    if slot.flow == nil { break sources }
                case .screen(let id) where slot.accepts.contains(.screen) && room.contains(id): named.insert(id)
                default: continue
                }
            }
        }
        return named
    }
}
