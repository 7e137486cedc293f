// What playing, pausing and ending a roll make of the program's scene.

internal import Control
internal import Media
internal import Web

/// What a producer says when a roll, or music, is to be played.
struct RollOrder: Sendable, Hashable {
    var role: MediaRoll.Role?
    var then: MediaRoll.Then?
    var audio: MediaRoll.Audio?
    var next: [String] = []
    var positionMs: Int64?
    /// Of music alone: whether it begins again when it has ended.
    var loop: Bool?
}

extension ProgramState {
    /// Puts a scene on air; its roll goes on where it runs already, and begins where it does not.
    ///
    /// - Parameter isRunNamed: whether the scene was made from the one on air, so that its roll's number says which start it
    ///   means.
    mutating func bring(_ new: Scene, isRunNamed: Bool = false, among references: SceneReferences) {
        let come = new.coming(
            after: scene, run: version + 1, isRunNamed: isRunNamed, layout: references.layouts[new.layout],
            lengthMs: new.media.flatMap { references.length(of: $0.asset) })
        bring(come, asked: new, among: references)
    }

    /// Puts the scene of a take that waited on air, as the compositor does at its moment.
    mutating func bring(_ take: PendingTake, among references: SceneReferences) {
        let come = take.scene(after: scene, layout: references.layouts[take.scene.layout])
        bring(come, asked: take.scene, among: references)
    }

    private mutating func bring(_ come: Scene, asked: Scene, among references: SceneReferences) {
        scene = come
        // Nobody has named what comes back then, so nobody is told that parts of it are gone.
        if asked.media?.after == nil { _ = scene.media?.dropMissing(among: references) }
    }

    /// Starts a roll, or lets a paused one go on.
    ///
    /// A roll that no slot shows takes the place of the one that plays, or gets the layout `media-full`, or the first slot
    /// of the layout that accepts rolls; what is changed for that comes back when it ends.
    ///
    /// - Throws: `Problem` 422 when there is no such video, or nowhere to show it, or it is to loop.
    mutating func play(
        _ asset: String, _ order: RollOrder, state: MediaRoll.State, among references: SceneReferences
    ) throws(Problem) {
        try references.check(video: asset, "/asset")
        guard order.loop == nil else { throw .invalid("A video does not loop; music does.", pointer: "/loop") }
        for (index, id) in order.next.enumerated() { try references.check(video: id, "/next/\(index)") }
        if order.then == .next, order.next.isEmpty, scene.media?.next.isEmpty ?? true {
            throw .invalid("next is the list of the rolls that follow.", pointer: "/next")
        }
        let length = references.length(of: asset)
        if var media = scene.media, media.asset == asset, media.state != .stopped, order.positionMs == nil,
            length.map({ media.positionMs == 0 || media.positionMs < $0 - MediaRoll.heldMs }) ?? true
        {
            media.state = state
            media.take(order)
            scene.media = media
            return
        }
        if let length, let position = order.positionMs, position >= length {
            throw .invalid("The roll runs for \(length) ms.", pointer: "/positionMs")
        }
        var roll = MediaRoll(asset: asset, state: state, positionMs: order.positionMs ?? 0, run: version + 1)
        if let old = scene.media {
            roll.after = old.after
            if old.asset == asset {
                (roll.role, roll.then, roll.audio, roll.next) = (old.role, old.then, old.audio, old.next)
            }
        }
        roll.take(order)
        if let old = scene.media?.asset, old != asset { scene.replace(video: old, by: asset) }
        if !scene.hasSlot(for: asset, in: references.layouts[scene.layout]) {
            guard let (layout, slot) = references.place(forVideoIn: scene) else {
                throw .invalid("No slot takes a video.", pointer: "/asset")
            }
            roll.after = roll.after ?? MediaRoll.After(scene)
            if layout.name != scene.layout {
                scene.layout = layout.name
                scene.slots = [:]
            }
            scene.slots[slot.id] = SlotSources([.media(asset)])
        }
        scene.media = roll
    }

    /// Stops the roll, and goes back to what was before.
    mutating func stopRoll(among references: SceneReferences) {
        guard let media = scene.media else { return }
        scene.media = nil
        guard let after = media.after, references.layouts[after.layout] != nil else { return }
        // What is not there any more can't come back.
        let back = after.back(among: references)
        (scene.layout, scene.background, scene.slots) = (back.layout, back.background, back.slots)
    }

    /// The roll or the music has ended; false when the scene has gone on already.
    mutating func rollEnded(_ asset: String, run: Int64, among references: SceneReferences) -> Bool {
        if musicEnded(asset, run: run) { return true }
        guard var media = scene.media, media.asset == asset, media.run == run, media.state == .playing else {
            return false
        }
        // A list that is over is followed by what is usual.
        let isListOver = media.then == .next && media.next.isEmpty
        switch isListOver ? (media.role ?? .roll).usualThen : media.then {
        case .hold:
            media.state = .paused
            media.positionMs = references.length(of: asset).map { max(0, $0 - MediaRoll.heldMs) } ?? media.positionMs
            // The same start: what is shown stays what it is.
            scene.media = media
        case .next:
            let following = media.next.removeFirst()
            media.asset = following
            media.positionMs = 0
            media.run = version + 1
            scene.media = media
            scene.replace(video: asset, by: following)
        case .returnToScene: stopRoll(among: references)
        }
        return true
    }
}

extension MediaRoll {
    fileprivate mutating func take(_ order: RollOrder) {
        if let role = order.role { become(role) }
        if let then = order.then { self.then = then }
        if let audio = order.audio { self.audio = audio }
        if !order.next.isEmpty {
            next = order.next
            if order.then == nil { then = .next }
        }
    }
}

extension Scene {
    fileprivate mutating func replace(video old: String, by new: String) {
        for (name, content) in slots where content.sources.contains(.media(old)) {
            slots[name] = SlotSources(content.sources.map { $0 == .media(old) ? .media(new) : $0 })
        }
    }
}

extension SceneReferences {
    /// How long a video runs; nil when it stays or is not known.
    func length(of video: String) -> Int64? {
        if let media = BuiltInMedia(rawValue: video) { return media.durationMs }
        return videos[video].flatMap { $0 > 0 ? $0 : nil }
    }

    /// Where a video is shown that no slot names.
    fileprivate func place(forVideoIn scene: Scene) -> (Layout, Layout.Slot)? {
        for name in ["media-full", scene.layout, "full"] {
            guard let layout = layouts[name], let slot = layout.slots.first(where: { $0.accepts.contains(.media) })
            else { continue }
            return (layout, slot)
        }
        return nil
    }
}

extension ProgramStore {
    func rollEnded(_ asset: String, run: Int64, event: String) async throws -> ProgramChange? {
        let before = try await state(of: event).version
        let state = try await update(event) { state, references in
            _ = state.rollEnded(asset, run: run, among: references)
        }
        guard state.version != before else {
            // It has gone on; a compositor that asks again has missed it.
            let media = state.scene.media, music = state.scene.audio.music
            let isRoll = media?.asset == asset && media?.run == run,
                isMusic = music?.asset == asset && music?.run == run
            return isRoll || isMusic ? nil : state.change()
        }
        return state.change()
    }
}
