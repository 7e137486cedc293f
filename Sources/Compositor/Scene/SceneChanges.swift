// Changes of the program's scene that were told and are not all seen: who waits for a source holds up nobody else.

import Control

/// What the program shows while some of the changes that it was told wait for what they name.
///
/// Studio tells whole scenes, each made from the one before. What two that follow each other differ in is the later one's
/// change; the program shows the scene from which all began with the changes that are ready, in the order in which they
/// were told. So a later change of the same thing wins whenever it is ready, one that waits alters nothing else, and when
/// none waits the program shows what was told last.
struct SceneChanges: Sendable {
    private struct Change {
        let number: UInt64
        let before: Scene, after: Scene
        var isReady = false
    }

    /// The most changes that wait.
    static let limit = 64

    /// The version that was told last.
    private(set) var version: Int64
    /// The scene that was told last.
    private(set) var told: Scene
    /// What all changes that are here were made from, as the program shows it.
    private var base: Scene
    private var changes: [Change] = []
    private var last: UInt64 = 0
    /// Whether a take was shown since the last scene was told.
    private var isOvertaken = false

    init(_ scene: Scene, version: Int64) {
        (told, base) = (scene, scene)
        self.version = version
    }

    /// The scenes whose layouts may still be needed.
    var scenes: [Scene] { [told, base] + changes.flatMap { [$0.before, $0.after] } }

    /// Takes in a scene that waits until it is ready.
    ///
    /// - Returns: its number; nil when it is older than what was told last, or too many wait.
    mutating func add(_ scene: Scene, version: Int64) -> UInt64? {
        guard version >= self.version, changes.count < Self.limit else { return nil }
        // What is said under the version that a take has overtaken is the scene before the take.
        let isOld = isOvertaken && version == self.version
        last += 1
        changes.append(Change(number: last, before: told, after: isOld ? told : scene))
        if !isOld { (told, isOvertaken) = (scene, false) }
        self.version = version
        return last
    }

    /// What the program shows once a change is ready, if nothing else becomes so before.
    func scene(showing number: UInt64) -> Scene { shown { $0.isReady || $0.number == number } }

    /// A change is ready; one that a take has overtaken is so without effect.
    ///
    /// - Returns: what the program shows from now on.
    mutating func show(_ number: UInt64) -> Scene {
        if let at = changes.firstIndex(where: { $0.number == number }) { changes[at].isReady = true }
        let scene = shown(\.isReady)
        let done = changes.prefix { $0.isReady }.count
        if done == changes.count {
            base = scene
        } else {
            for change in changes.prefix(done) { base.take(changesFrom: change.before, to: change.after) }
        }
        changes.removeFirst(done)
        return scene
    }

    /// A take is shown: all that waited was a change of the scene before.
    mutating func take(_ scene: Scene) {
        (base, changes, isOvertaken) = (scene, [], true)
    }

    private func shown(_ isReady: (Change) -> Bool) -> Scene {
        if !isOvertaken, changes.allSatisfy(isReady) { return told }
        var scene = base
        for change in changes where isReady(change) { scene.take(changesFrom: change.before, to: change.after) }
        return scene
    }
}

extension Scene {
    /// Takes over what differs between two scenes: each slot, each kind of overlay and each level for itself.
    mutating func take(changesFrom old: Scene, to new: Scene) {
        func take<Value: Equatable>(_ part: WritableKeyPath<Scene, Value>) {
            if old[keyPath: part] != new[keyPath: part] { self[keyPath: part] = new[keyPath: part] }
        }
        func takeEach<Value: Equatable>(_ part: WritableKeyPath<Scene, [String: Value]>) {
            let (before, after) = (old[keyPath: part], new[keyPath: part])
            for name in Set(before.keys).union(after.keys) where before[name] != after[name] {
                self[keyPath: part][name] = after[name]
            }
        }
        take(\.layout)
        take(\.background)
        takeEach(\.slots)
        take(\.slides)
        take(\.media)
        take(\.overlays.theme)
        take(\.overlays.font)
        take(\.overlays.lowerThirds)
        take(\.overlays.ticker)
        take(\.overlays.logo)
        take(\.overlays.countdown)
        take(\.overlays.clock)
        take(\.overlays.comment)
        take(\.overlays.poll)
        take(\.audio.program)
        takeEach(\.audio.sources)
        take(\.audio.ducking)
        take(\.audio.leveling)
    }
}
