// Changes of the program's scene that were told and are not all seen: who waits for a source holds up nobody else.

import Control

/// What the program shows while some of the changes that it was told wait for what they name.
///
/// Studio tells whole scenes, each made from the one before. What two that follow each other differ in is the later one's
/// change; the program shows the scene from which all began with the changes that are ready, in the order in which they
/// were told. One that waits alters nothing; but a later change of the same thing was made from it, so that with the later
/// one ready the earlier waits for nothing any more. When none waits the program shows what was told last.
struct SceneChanges: Sendable {
    private struct Change {
        let number: UInt64
        let before: Scene, after: Scene
        /// What it alters: each slot, each kind of overlay and each level for itself.
        let parts: Set<String>
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
    /// Whether what is shown began with a take of which no scene that was told knows.
    private var isOvertaken = false

    init(_ scene: Scene, version: Int64) {
        (told, base) = (scene, scene)
        self.version = version
    }

    /// What Studio takes for the program's scene, or will when it has heard of the take that is shown.
    var newest: Scene { isOvertaken ? base : told }

    /// The scenes whose layouts may still be needed.
    var scenes: [Scene] { [told, base] + changes.flatMap { [$0.before, $0.after] } }

    /// Takes in a scene that waits until it is ready.
    ///
    /// - Parameters:
    ///   - scene: the whole scene.
    ///   - version: its version.
    ///   - isBeforeTake: whether it was made before Studio had heard of the last take that was shown, which then stays,
    ///     with what this scene alters in the one before the take.
    /// - Returns: its number.
    /// - Throws: `ProgramError.outdated` when it is older than what was told last, `.tooManyWait`.
    mutating func add(_ scene: Scene, version: Int64, isBeforeTake: Bool = false) throws(ProgramError) -> UInt64 {
        guard version >= self.version else { throw .outdated }
        guard changes.count < Self.limit else { throw .tooManyWait }
        last += 1
        changes.append(Change(number: last, before: told, after: scene, parts: scene.parts(changedFrom: told)))
        isOvertaken = isOvertaken && isBeforeTake
        (told, self.version) = (scene, version)
        return last
    }

    /// What the program shows once a change is ready, if nothing else becomes so before.
    func scene(showing number: UInt64) -> Scene {
        var changes = self
        changes.makeReady(number)
        return changes.shown
    }

    /// A change is ready; one that a take has overtaken is so without effect.
    ///
    /// - Returns: what the program shows from now on.
    mutating func show(_ number: UInt64) -> Scene {
        makeReady(number)
        let scene = shown
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

    /// With a change, those before it that altered what it alters again are ready, too.
    private mutating func makeReady(_ number: UInt64) {
        guard let at = changes.firstIndex(where: { $0.number == number }) else { return }
        var parts = changes[at].parts
        changes[at].isReady = true
        for index in changes[..<at].indices.reversed() where !changes[index].parts.isDisjoint(with: parts) {
            changes[index].isReady = true
            parts.formUnion(changes[index].parts)
        }
    }

    private var shown: Scene {
        if !isOvertaken, changes.allSatisfy(\.isReady) { return told }
        var scene = base
        for change in changes where change.isReady { scene.take(changesFrom: change.before, to: change.after) }
        return scene
    }
}

extension Scene {
    /// What differs from another scene.
    fileprivate func parts(changedFrom old: Scene) -> Set<String> {
        var scene = old
        return scene.take(changesFrom: old, to: self)
    }

    /// Takes over what differs between two scenes.
    ///
    /// - Returns: what that is.
    @discardableResult
    fileprivate mutating func take(changesFrom old: Scene, to new: Scene) -> Set<String> {
        var parts: Set<String> = []
        func take<Value: Equatable>(_ part: WritableKeyPath<Scene, Value>, _ name: String) {
            guard old[keyPath: part] != new[keyPath: part] else { return }
            self[keyPath: part] = new[keyPath: part]
            parts.insert(name)
        }
        func takeEach<Value: Equatable>(
            _ part: WritableKeyPath<Scene, [String: Value]>, _ name: String
        ) {
            let (before, after) = (old[keyPath: part], new[keyPath: part])
            for key in Set(before.keys).union(after.keys) where before[key] != after[key] {
                self[keyPath: part][key] = after[key]
                parts.insert("\(name)/\(key)")
            }
        }
        take(\.layout, "layout")
        take(\.background, "background")
        takeEach(\.slots, "slots")
        take(\.slides, "slides")
        take(\.media, "media")
        take(\.overlays.theme, "theme")
        take(\.overlays.font, "font")
        take(\.overlays.lowerThirds, "lowerThirds")
        take(\.overlays.ticker, "ticker")
        take(\.overlays.logo, "logo")
        take(\.overlays.countdown, "countdown")
        take(\.overlays.clock, "clock")
        take(\.overlays.comment, "comment")
        take(\.overlays.poll, "poll")
        take(\.audio.program, "audio.program")
        takeEach(\.audio.sources, "levels")
        take(\.audio.ducking, "audio.ducking")
        take(\.audio.leveling, "audio.leveling")
        take(\.audio.music, "audio.music")
        return parts
    }
}
