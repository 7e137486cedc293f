// What happens on the program between the changes of producers: speakers, shared screens, and tiles on their way.

import Control
import Media

/// Follows who speaks and shares, and lets tiles glide that change their places; confined to the program's thread.
struct ProgramDirector {
    /// A change of places that nobody has asked for, in its course.
    struct Glide {
        /// What was drawn before, without overlays.
        var from: [DrawOperation]
        /// The last pictures of those who were seen before, some of whom may be gone.
        var pictures: [SceneSource: VideoFrame]
        var kind: ProgramChange.Transition.Kind
        var weight: UInt8
    }

    private struct Shown {
        var look: ProgramLook
        var places: [SceneSource: PixelRect]
        var operations: [DrawOperation]
        var pictures: [SceneSource: VideoFrame]
    }

    private var speakers = SpeakerChoice()
    private var screens = ScreenTakeover()
    private var last: Shown?
    private var running: (from: Shown, transition: ProgramChange.Transition, start: ProgramTime)?

    /// Takes who is heard and what is there at a frame, before anything is resolved.
    mutating func follow(
        _ look: ProgramLook, heard: [String: Float], pictures: [SceneSource: VideoFrame], at time: ProgramTime
    ) -> ProgramDirection {
        let stage = look.cast.filter(\.isOnStage)
        // Whom the program does not hear is not the one who speaks.
        let silent = Set(
            stage.filter { $0.level.gain == 0 || look.scene.audio.sources["participant:\($0.id)"]?.gain == 0 }.map(\.id)
        )
        speakers.hear(
            heard.filter { !silent.contains($0.key) }, stage: stage.map(\.id), seats: look.layout.seats, at: time)
        screens.look(stage.map(\.id).filter { pictures[.screen($0)] != nil }, at: time)
        return ProgramDirection(order: speakers.order, speaking: speakers.speaking, screen: screens.participant)
    }

    /// Says whether tiles are on their way to the places that they have now.
    ///
    /// - Parameters:
    ///   - look: what is shown, as it is directed.
    ///   - asked: what the producer asked for, before it was directed.
    ///   - places: who is where.
    ///   - operations: what is to be drawn.
    ///   - pictures: the newest picture of each source.
    ///   - mayGlide: false while a transition of the producer's runs.
    ///   - time: of the frame.
    mutating func glide(
        _ look: ProgramLook, asked: ProgramLook, places: [SceneResolver.Place], operations: [DrawOperation],
        pictures: [SceneSource: VideoFrame], mayGlide: Bool, at time: ProgramTime
    ) -> Glide? {
        let rects = Dictionary(places.map { ($0.source, $0.rect) }) { first, _ in first }
        let now = Shown(
            look: asked, places: rects, operations: operations.filter { !$0.isOverlay },
            pictures: pictures.filter { rects[$0.key] != nil })
        defer { last = now }
        guard mayGlide, let last, last.look.scene == asked.scene else {
            // What a producer asked for comes as they asked.
            running = nil
            return nil
        }
        if last.places != rects {
            let transition = look.layout.transition?.change ?? .init(kind: .cut, milliseconds: 0)
            var from = last
            if let running, let weight = Self.weight(running.transition, since: running.start, at: time) {
                from.operations = Self.midway(running.from.operations, last.operations, running.transition.kind, weight)
                from.pictures.merge(running.from.pictures) { newer, _ in newer }
            }
            running = transition.milliseconds > 0 ? (from, transition, time) : nil
        }
        guard let running, let weight = Self.weight(running.transition, since: running.start, at: time) else {
            self.running = nil
            return nil
        }
        return Glide(
            from: running.from.operations, pictures: running.from.pictures, kind: running.transition.kind,
            weight: weight)
    }

    private static func weight(
        _ transition: ProgramChange.Transition, since start: ProgramTime, at time: ProgramTime
    ) -> UInt8? {
        let elapsed = time.milliseconds(since: start)
        guard elapsed < transition.milliseconds else { return nil }
        return UInt8(clamping: max(0, elapsed) * 255 / max(1, transition.milliseconds))
    }

    /// Where everything is when one change of places overtakes another.
    private static func midway(
        _ from: [DrawOperation], _ to: [DrawOperation], _ kind: ProgramChange.Transition.Kind, _ weight: UInt8
    ) -> [DrawOperation] {
        guard kind == .move else { return weight < 128 ? from : to }
        let plan = MovePlan(from: from, to: to, weight: weight)
        return (weight < 128 ? plan.leaving : plan.arriving) + plan.above
    }
}

extension Layout {
    /// How many people `auto` may put on the picture.
    var seats: Int {
        slots.filter { $0.accepts.contains(.participant) && $0.content.sources.contains(.auto) }
            .reduce(0) { $0 + ($1.flow?.max ?? 1) }
    }
}

extension ProgramLook {
    /// The look with a shared screen in it, where its layout lets one take over.
    func directed(by direction: ProgramDirection) -> ProgramLook {
        guard let share, let screen = direction.screen, let scene = scene.takenOver(by: share, screen: screen) else {
            return self
        }
        return ProgramLook(scene: scene, layout: share, cast: cast, share: nil, overlays: overlays)
    }
}
