// What becomes of the roll and the music of a scene that comes on air: they go on or begin; and what follows a roll.

extension MediaRoll {
    /// How far before its end a held roll stands, for a compositor that starts anew: its last pictures.
    public static let heldMs: Int64 = 200

    /// Whether it has ended, and stands at its last pictures.
    func isHeld(lengthMs: Int64?) -> Bool {
        guard state == .paused, positionMs > 0, let lengthMs else { return false }
        return positionMs >= lengthMs - Self.heldMs
    }

    /// Whether a roll that is asked for is the one that is on air already, and goes on.
    ///
    /// - Parameters:
    ///   - old: what is on air.
    ///   - isRunNamed: whether the number of the start means anything; 0 names none.
    ///   - lengthMs: how long the roll runs; nil when it stays, or nobody knows.
    func goesOn(from old: MediaRoll, isRunNamed: Bool, lengthMs: Int64?) -> Bool {
        guard old.state != .stopped, asset == old.asset else { return false }
        let names = isRunNamed && run != 0
        if names, run != old.run { return false }
        if old.isHeld(lengthMs: lengthMs) { return state == .paused && positionMs == old.positionMs }
        return positionMs == old.positionMs || (positionMs == 0 && !names)
    }
}

extension Scene {
    /// Whether a slot of the scene shows a video.
    ///
    /// - Parameter layout: the scene's layout; nil when it is not known.
    public func hasSlot(for video: String, in layout: Layout?) -> Bool {
        if slots.values.contains(where: { $0.sources.contains(.media(video)) }) { return true }
        return layout?.slots.contains { slots[$0.id] == nil && $0.content.sources.contains(.media(video)) } ?? false
    }

    /// Returns the scene as it is when it comes on air in place of another.
    ///
    /// A roll that is on air already goes on: the same video, from the same place or from none that is named, and not at its
    /// end. Any other begins, under a number of its own. One that a slot shows, and that does not say what comes after it,
    /// goes back to what was on air before it. Music goes on where the same is on air, and begins where it is not.
    ///
    /// - Parameters:
    ///   - old: what is on air.
    ///   - run: the number under which a roll, or music, begins.
    ///   - isRunNamed: whether the scene's own number says which start it means, as in a scene that was made from the one on
    ///     air: another one begins anew, and the same one is taken as it says.
    ///   - layout: the scene's layout; nil when it is not known.
    ///   - lengthMs: how long its roll runs; nil when it stays, or nobody knows.
    public func coming(
        after old: Scene, run: Int64, isRunNamed: Bool = false, layout: Layout?, lengthMs: Int64?
    ) -> Scene {
        var scene = self
        scene.audio.music = audio.music?.coming(after: old.audio.music, run: run, isRunNamed: isRunNamed)
        guard var media, media.state != .stopped else { return scene }
        let running = old.media.flatMap { $0.state == .stopped ? nil : $0 }
        var isWhole = false
        if let running, media.goesOn(from: running, isRunNamed: isRunNamed, lengthMs: lengthMs) {
            isWhole = isRunNamed && media.run != 0
            (media.run, media.positionMs) = (running.run, running.positionMs)
        } else {
            if let running, running.asset == media.asset, running.positionMs == media.positionMs,
                running.isHeld(lengthMs: lengthMs)
            {
                // Where it has ended is no place to begin from.
                media.positionMs = 0
            }
            media.run = run
        }
        if media.after == nil, !isWhole, hasSlot(for: media.asset, in: layout) {
            let back = MediaRoll.After(old)
            media.after = old.media?.after ?? (back == MediaRoll.After(self) ? nil : back)
        }
        scene.media = media
        return scene
    }
}

extension Scene {
    /// Whether the scene is the same as another but for the places at which the same starts of roll and music began.
    ///
    /// A compositor that took over begins them where they stood by then.
    public func isSame(as other: Scene) -> Bool {
        var placed = self
        if let media = other.media, placed.media?.asset == media.asset, placed.media?.run == media.run {
            placed.media?.positionMs = media.positionMs
        }
        if let music = other.audio.music, placed.audio.music?.asset == music.asset,
            placed.audio.music?.run == music.run
        {
            placed.audio.music?.positionMs = music.positionMs
        }
        return placed == other
    }
}

extension PendingTake {
    /// Returns what the program shows from the take's moment on.
    ///
    /// - Parameters:
    ///   - old: what is on air until then.
    ///   - layout: the layout of the take's scene; nil when it is not known.
    public func scene(after old: Scene, layout: Layout?) -> Scene {
        let run = scene.media?.run ?? scene.audio.music?.run ?? 0
        return scene.keeping(keeps ?? [], of: old)
            .coming(after: old, run: run, layout: layout, lengthMs: rollLengthMs)
    }
}
