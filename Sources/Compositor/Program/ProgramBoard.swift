// What the program shows now and next: written by commands, read by the threads of picture and sound.

public import Control
public import Media
import Synchronization

/// What a frame is made from.
public struct ProgramLook: Sendable {
    /// The scene and the layout that it names.
    public var scene: Scene, layout: Layout
    /// Who is in the room, those on stage in the order of the stage.
    public var cast: [CastMember]
    /// The layout that takes over while somebody on stage shares a screen.
    public var share: Layout?
    /// The overlays, as they come and go.
    public var overlays: [OverlayPresence] = []

    /// The same with other people.
    func with(_ cast: [CastMember]) -> ProgramLook {
        var look = self
        look.cast = cast
        return look
    }
}

/// A transition in its course.
public struct ProgramTransition: Sendable {
    /// What goes.
    public var from: ProgramLook
    /// How.
    public var kind: ProgramChange.Transition.Kind
    /// How far it is: 0 is all of what goes, 255 all of what comes.
    public var weight: UInt8
}

/// The scene that is shown, the changes that wait for their frame, and the take that waits for its moment.
///
/// Changes are applied by the thread that draws, between two frames, so that a change is seen whole or not at all.
public final class ProgramBoard: Sendable {
    private struct Waiting {
        var number: UInt64, transition: ProgramChange.Transition
        var onShown: @Sendable (ProgramTime) -> Void
        var onEnd: @Sendable () -> Void
    }

    private struct Contents {
        var layouts: [String: Layout]
        var look: ProgramLook
        /// Counts the looks, from 1.
        var lookNumber: UInt64 = 1
        /// The scenes that were told, those that are shown and those that wait for what they name.
        var changes: SceneChanges
        /// What is ready, and waits for its frame.
        var waiting: [Waiting] = []
        var castWaiting: (cast: [CastMember], onShown: [@Sendable (ProgramTime) -> Void])?
        var castOnEnd: [@Sendable () -> Void] = []
        var take: PendingTake?
        /// The last take that was shown.
        var taken: PendingTake?
        /// The program time of the last frame.
        var now: ProgramTime?
        var themes: [String: OverlayTheme]
        var polls: [String: PollPicture]
        var pollsWaiting: (polls: [String: PollPicture], onShown: [@Sendable (ProgramTime) -> Void])?
        var pollsOnEnd: [@Sendable () -> Void] = []
        var timeline: OverlayTimeline
        var isClosed = false
        var transition: (from: ProgramLook, ProgramChange.Transition, start: ProgramTime)?

        /// What the take that waits will look like, when it comes within some time.
        func ahead(withinMs milliseconds: Int64) -> ProgramLook? {
            guard let take, let now, take.at.milliseconds(since: now) < milliseconds else { return nil }
            return look(scene(of: take), look.cast)
        }

        /// What a take shows, if its moment is now.
        func scene(of take: PendingTake) -> Scene {
            take.scene(after: changes.newest, layout: layouts[take.scene.layout])
        }

        /// What a scene looks like; nil when its layout is not known.
        func look(_ scene: Scene, _ cast: [CastMember]) -> ProgramLook? {
            layouts[scene.layout].map { layout in
                ProgramLook(
                    scene: scene, layout: layout, cast: cast, share: layout.share.flatMap { layouts[$0] },
                    overlays: OverlayTimeline(
                        scene.overlays, themes: themes, polls: pollsWaiting?.polls ?? polls
                    ).presences)
            }
        }
    }

    /// The most changes that wait for one frame.
    static let waitingLimit = 64
    private let contents: Mutex<Contents>
    private let onTaken: @Sendable (PendingTake, ProgramTime) -> Void

    /// Creates a board.
    ///
    /// - Parameters:
    ///   - setup: the first scene; one whose layout is missing gets the first layout there is.
    ///   - onTaken: is told on the program's thread of a take that waited and is shown, from which program time on.
    /// - Returns: nil when there is no layout at all.
    public init?(
        _ setup: ProgramSetup, onTaken: @escaping @Sendable (PendingTake, ProgramTime) -> Void = { _, _ in }
    ) {
        let layouts = Self.byName(setup.layouts)
        guard let layout = layouts[setup.scene.layout] ?? setup.layouts.first else { return nil }
        let themes = Self.byName(setup.themes)
        let timeline = OverlayTimeline(setup.scene.overlays, themes: themes, polls: setup.polls)
        let look = ProgramLook(
            scene: setup.scene, layout: layout, cast: setup.cast, share: layout.share.flatMap { layouts[$0] },
            overlays: timeline.presences)
        contents = Mutex(
            Contents(
                layouts: layouts, look: look, changes: SceneChanges(setup.scene, version: setup.version),
                take: setup.take, themes: themes, polls: setup.polls, timeline: timeline))
        self.onTaken = onTaken
    }

    /// What is shown now.
    public var look: ProgramLook { contents.withLock { $0.look } }

    /// What is shown now, and its number; nil while it is the look of a number that is known.
    ///
    /// Overlays that come and go leave the number as it is.
    func look(besides known: UInt64) -> (look: ProgramLook, number: UInt64)? {
        contents.withLock { contents -> (look: ProgramLook, number: UInt64)? in
            guard contents.lookNumber != known else { return nil }
            return (look: contents.look, number: contents.lookNumber)
        }
    }

    /// The music that is to be heard now.
    var heardMusic: SceneAudio.Music? { contents.withLock { $0.look.scene.audio.music } }

    /// The version of the scene that was told last, whether it is shown or waits.
    public var version: Int64 { contents.withLock { $0.changes.version } }

    /// The cameras and screens that may be seen: now, in what waits, and in what a transition leaves behind.
    var wanted: Set<SceneSource> { looks.reduce(into: []) { $0.formUnion($1.wanted) } }

    /// What may be seen: now, in what waits, and in what a transition leaves behind.
    var looks: [ProgramLook] {
        contents.withLock { contents in
            var looks = [contents.look]
            if let from = contents.transition?.from { looks.append(from) }
            if let cast = contents.castWaiting?.cast { looks.append(contents.look.with(cast)) }
            if let ahead = contents.ahead(withinMs: Self.aheadMs) { looks.append(ahead) }
            for waiting in contents.waiting {
                let scene = contents.changes.scene(showing: waiting.number)
                if let look = contents.look(scene, contents.look.cast) { looks.append(look) }
            }
            return looks
        }
    }

    /// The rolls that may be seen: now, in what waits, and in what a transition leaves behind.
    var rolls: Set<RollShelf.Key> {
        contents.withLock { contents in
            var keys = contents.look.rolls
            if let from = contents.transition?.from { keys.formUnion(from.rolls) }
            if let ahead = contents.ahead(withinMs: Self.aheadMs) { keys.formUnion(ahead.rolls) }
            for waiting in contents.waiting {
                let scene = contents.changes.scene(showing: waiting.number)
                if let layout = contents.layouts[scene.layout] {
                    keys.formUnion(ProgramLook(scene: scene, layout: layout, cast: []).rolls)
                }
            }
            return keys
        }
    }

    /// The music that may be heard: now, and in what waits.
    ///
    /// What has gone fades out without being named.
    var music: Set<MusicShelf.Key> {
        contents.withLock { contents in
            var keys = contents.look.music
            if let ahead = contents.ahead(withinMs: Self.aheadMs) { keys.formUnion(ahead.music) }
            for waiting in contents.waiting {
                if let music = contents.changes.scene(showing: waiting.number).audio.music { keys.insert(.init(music)) }
            }
            return keys
        }
    }

    /// What a scene would look like, or nil when its layout is not known.
    func look(for scene: Scene, layouts: [Layout]? = nil, themes: [OverlayTheme]? = nil) -> ProgramLook? {
        contents.withLock { contents in
            Self.learn(layouts, themes, &contents)
            return contents.look(scene, contents.castWaiting?.cast ?? contents.look.cast)
        }
    }

    /// What a take would look like now, or nil when its layout is not known.
    func look(for take: PendingTake) -> ProgramLook? {
        contents.withLock { contents in
            contents.look(contents.scene(of: take), contents.castWaiting?.cast ?? contents.look.cast)
        }
    }

    /// Takes in a change that waits for what it names; those that come after it do not wait for it.
    ///
    /// - Returns: its number, for `add(_:)`.
    /// - Throws: `ProgramError` when its layout is not known, something newer was told, too many wait, or the program has ended.
    func announce(_ change: ProgramChange) throws(ProgramError) -> UInt64 {
        let number = contents.withLock { contents -> Result<UInt64, ProgramError> in
            Self.learn(change.layouts, change.themes, &contents)
            guard contents.layouts[change.scene.layout] != nil else {
                return .failure(.unknownLayout(change.scene.layout))
            }
            guard !contents.isClosed else { return .failure(.outdated) }
            let isBeforeTake = change.take != nil && change.take == contents.taken?.id
            return Result { () throws(ProgramError) in
                try contents.changes.add(change.scene, version: change.version, isBeforeTake: isBeforeTake)
            }
        }
        return try number.get()
    }

    /// What the program will look like once a change is ready that was announced.
    func look(showing number: UInt64) -> ProgramLook {
        contents.withLock { contents in
            let scene = contents.changes.scene(showing: number)
            return contents.look(scene, contents.castWaiting?.cast ?? contents.look.cast) ?? contents.look
        }
    }

    /// Takes in layouts and themes that have changed.
    private static func learn(_ layouts: [Layout]?, _ themes: [OverlayTheme]?, _ contents: inout Contents) {
        if let layouts {
            // What is shown or waits stays known, also where its file is bad since Studio has started anew.
            let scenes = contents.changes.scenes + [contents.take?.scene].compactMap { $0 }
            let known = Set(scenes.map(\.layout)).compactMap { contents.layouts[$0] }
            contents.layouts = byName([contents.look.layout] + known + layouts)
        }
        if let themes { contents.themes = byName(themes) }
    }

    /// How long before a take its cameras and screens are decoded.
    static let aheadMs: Int64 = 10_000

    /// Keeps a take for its moment, instead of the one before.
    ///
    /// - Parameter take: nil for none; one that was shown already is not taken again.
    /// - Returns: false when its layout is not known.
    @discardableResult
    func put(take: PendingTake?) -> Bool {
        contents.withLock { contents in
            guard let take else {
                contents.take = nil
                return true
            }
            guard contents.layouts[take.scene.layout] != nil else { return false }
            contents.take = take.id == contents.taken?.id ? nil : take
            return true
        }
    }

    /// The last take that was shown.
    var taken: PendingTake? { contents.withLock { $0.taken } }

    /// What the take that waits will look like, when it comes within some time.
    func ahead(withinMs milliseconds: Int64) -> ProgramLook? {
        contents.withLock { $0.ahead(withinMs: milliseconds) }
    }

    /// Lets a change wait for its frame, with everything that it names there.
    ///
    /// - Parameters:
    ///   - change: the change; one that is older than what was told last is not taken.
    ///   - onShown: is called with the program time of the first frame that shows it.
    ///   - onEnd: is called instead when the program ends before.
    /// - Returns: false when it is not taken.
    func add(
        _ change: ProgramChange, onShown: @escaping @Sendable (ProgramTime) -> Void,
        onEnd: @escaping @Sendable () -> Void = {}
    ) -> Bool {
        guard let number = try? announce(change) else { return false }
        return add(number, change.transition, onShown: onShown, onEnd: onEnd)
    }

    /// Lets a change that was announced wait for its frame, because it is ready.
    ///
    /// - Parameters:
    ///   - number: what `announce` has returned; once each.
    ///   - transition: how it comes.
    ///   - onShown: is called with the program time of the first frame that shows it.
    ///   - onEnd: is called instead when the program ends before.
    /// - Returns: false when the program has ended.
    func add(
        _ number: UInt64, _ transition: ProgramChange.Transition, onShown: @escaping @Sendable (ProgramTime) -> Void,
        onEnd: @escaping @Sendable () -> Void = {}
    ) -> Bool {
        contents.withLock { contents in
            guard !contents.isClosed else { return false }
            contents.waiting.append(
                Waiting(number: number, transition: transition, onShown: onShown, onEnd: onEnd))
            return true
        }
    }

    /// Puts another cast in; seen from the next frame on.
    ///
    /// - Parameters:
    ///   - cast: who is in the room.
    ///   - onShown: is called with the program time of the first frame that shows it.
    ///   - onEnd: is called instead when the program ends before.
    /// - Returns: false when it is not taken, because the program has ended or too many wait.
    @discardableResult
    func put(
        cast: [CastMember], onShown: @escaping @Sendable (ProgramTime) -> Void,
        onEnd: @escaping @Sendable () -> Void = {}
    ) -> Bool {
        contents.withLock { contents in
            // The newest is shown; everybody who waits is told.
            let others = contents.castWaiting?.onShown ?? []
            guard !contents.isClosed, others.count < Self.waitingLimit else { return false }
            contents.castWaiting = (cast, others + [onShown])
            contents.castOnEnd.append(onEnd)
            return true
        }
    }

    /// What the program would look like if polls showed other numbers.
    func look(with polls: [String: PollPicture]) -> ProgramLook {
        contents.withLock { contents in
            var look = contents.look
            look.overlays = OverlayTimeline(look.scene.overlays, themes: contents.themes, polls: polls).presences
            return look
        }
    }

    /// Puts other questions, answers and numbers of polls in; seen from the next frame on.
    ///
    /// - Parameters:
    ///   - polls: by id.
    ///   - onShown: is called with the program time of the first frame that shows it.
    ///   - onEnd: is called instead when the program ends before.
    /// - Returns: false when it is not taken, because the program has ended or too many wait.
    func put(
        polls: [String: PollPicture], onShown: @escaping @Sendable (ProgramTime) -> Void,
        onEnd: @escaping @Sendable () -> Void = {}
    ) -> Bool {
        contents.withLock { contents in
            let others = contents.pollsWaiting?.onShown ?? []
            guard !contents.isClosed, others.count < Self.waitingLimit else { return false }
            contents.pollsWaiting = (polls, others + [onShown])
            contents.pollsOnEnd.append(onEnd)
            return true
        }
    }

    /// Takes nothing any more, and tells everybody who waits that no frame will come.
    func close() {
        let waiting = contents.withLock { contents -> [@Sendable () -> Void] in
            defer {
                (contents.waiting, contents.castWaiting, contents.castOnEnd) = ([], nil, [])
                (contents.pollsWaiting, contents.pollsOnEnd) = (nil, [])
            }
            contents.isClosed = true
            return contents.waiting.map(\.onEnd) + contents.castOnEnd + contents.pollsOnEnd
        }
        for tell in waiting { tell() }
    }

    /// Applies what is due, and says what to draw for a frame.
    public func advance(to time: ProgramTime) -> (look: ProgramLook, transition: ProgramTransition?) {
        var shown: [@Sendable (ProgramTime) -> Void] = []
        let result = contents.withLock { contents -> (ProgramLook, ProgramTransition?) in
            if let (cast, onShown) = contents.castWaiting {
                contents.look.cast = cast
                contents.lookNumber &+= 1
                contents.castWaiting = nil
                contents.castOnEnd = []
                shown += onShown
            }
            if let (polls, onShown) = contents.pollsWaiting {
                contents.polls = polls
                contents.pollsWaiting = nil
                contents.pollsOnEnd = []
                Self.follow(contents.look.scene, at: time, isWhole: false, &contents)
                shown += onShown
            }
            for waiting in contents.waiting {
                shown.append(waiting.onShown)
                Self.apply(waiting, at: time, to: &contents)
            }
            contents.waiting = []
            if let take = Self.applyTake(at: time, to: &contents) {
                shown.append { [onTaken] in onTaken(take, $0) }
            }
            contents.now = time
            contents.timeline.forget(at: time)
            contents.look.overlays = contents.timeline.presences
            return (contents.look, Self.transition(at: time, &contents))
        }
        for tell in shown { tell(time) }
        return result
    }

    private static func apply(_ waiting: Waiting, at time: ProgramTime, to contents: inout Contents) {
        let before = contents.look, scene = contents.changes.show(waiting.number)
        guard let look = contents.look(scene, before.cast) else { return }
        contents.look = look
        contents.lookNumber &+= 1
        let transition = waiting.transition, isSame = scene.isSame(as: before.scene)
        let takes = transition.kind != .cut && transition.milliseconds > 0
        // Through a fade the whole picture comes and goes, and its overlays with it.
        follow(scene, at: time, isWhole: takes && transition.kind != .move, &contents)
        // The same again, in another shape of its layout or under another version, breaks no transition off.
        guard !isSame else { return }
        contents.transition = takes ? (before, transition, time) : nil
    }

    /// Shows the take that waits, when its moment has come.
    private static func applyTake(at time: ProgramTime, to contents: inout Contents) -> PendingTake? {
        guard let take = contents.take, take.at <= time else { return nil }
        // Studio finds the same when it hears of it.
        let scene = contents.scene(of: take)
        guard let look = contents.look(scene, contents.look.cast) else { return nil }
        let before = contents.look, transition = take.transition
        (contents.look, contents.take, contents.taken) = (look, nil, take)
        contents.lookNumber &+= 1
        contents.changes.take(scene)
        // Where a program starts anew after its moment, there is nothing to come from.
        let isLate = time.milliseconds(since: take.at) >= max(100, transition.milliseconds)
        let takes = transition.kind != .cut && transition.milliseconds > 0 && !isLate
        follow(scene, at: time, isWhole: takes && transition.kind != .move, &contents)
        contents.transition = takes ? (before, transition, time) : nil
        return take
    }

    private static func transition(at time: ProgramTime, _ contents: inout Contents) -> ProgramTransition? {
        guard let (from, transition, start) = contents.transition else { return nil }
        let elapsed = time.milliseconds(since: start), length = max(1, min(transition.milliseconds, 5000))
        guard elapsed < length else {
            contents.transition = nil
            return nil
        }
        return ProgramTransition(
            from: from, kind: transition.kind, weight: UInt8(clamping: max(0, elapsed) * 255 / length))
    }

    private static func follow(
        _ scene: Scene, at time: ProgramTime, isWhole: Bool, _ contents: inout Contents
    ) {
        contents.timeline.change(
            to: scene.overlays, themes: contents.themes, polls: contents.polls, at: time, isWhole: isWhole)
    }

    private static func byName(_ themes: [OverlayTheme]) -> [String: OverlayTheme] {
        Dictionary(themes.map { ($0.name, $0) }) { _, newer in newer }
    }

    private static func byName(_ layouts: [Layout]) -> [String: Layout] {
        Dictionary(layouts.map { ($0.name, $0) }) { _, newer in newer }
    }
}
