// What happens for each frame on the program's thread: look at the board, take the newest pictures, draw.

import Control
import Media

/// Draws the program's frames; confined to the program's thread once it is made.
final class ProgramArtist: @unchecked Sendable {
    private let format: ProgramFormat
    private let board: ProgramBoard
    private let callbacks: ProgramVideo.Callbacks
    private let store: GraphicsStore
    private let schedule: FrameScheduler
    private let renderer: ProgramRenderer
    /// Draws what goes, while a transition runs.
    private var second: ProgramRenderer?
    private let black: VideoFrame
    private var last: VideoFrame
    /// The stamps of the pictures that were drawn last.
    private var drawn: [SceneSource: Int64] = [:]
    private var director = ProgramDirector()
    private var hidden = HiddenPictures()

    init(
        clock: ProgramClock, format: ProgramFormat, board: ProgramBoard, store: GraphicsStore,
        callbacks: ProgramVideo.Callbacks
    ) {
        self.format = format
        self.board = board
        self.store = store
        self.callbacks = callbacks
        // Only asked when frames are due.
        schedule = FrameScheduler(
            clock: clock, frameRate: format.frameRate,
            now: MonotonicTime(nanoseconds: clock.anchorMonotonicNanoseconds))
        renderer = ProgramRenderer(canvas: format.canvas, store: store, framesInUse: ProgramVideo.queueLength + 8)
        black = VideoFrame(width: format.canvas.width, height: format.canvas.height)
        black.fill(y: 16, u: 128, v: 128)
        last = black
    }

    /// Draws a frame, or repeats the last one, and puts it into the line.
    func put(_ frame: FrameScheduler.Frame, into line: ProgramLine) {
        let startedAt = SystemClock.monotonic()
        // One frame's time to wait for room: the next frame would come late otherwise.
        let deadline = startedAt.advanced(byMilliseconds: 33)
        let (look, transition) = board.advance(to: frame.programTime)
        if line.leavesOut, !frame.isIDR, !frame.index.isMultiple(of: 2) { return line.leftOut() }
        guard !frame.isRepeat else {
            line.repeated()
            // No time is left to wait in: what waits would only make the next one late.
            return line.put(.init(picture: last, frame: frame), sources: nil, until: startedAt)
        }
        let begin = schedule.due(frame.index)
        let ahead = line.leavesOut ? schedule.due(frame.index + 1).nanoseconds(since: begin) / 2 : 0
        var sources = callbacks.pictures(.init(begin: begin, moment: begin.advanced(byNanoseconds: ahead)))
        hidden.leaveOut(look.hidden, of: &sources, at: startedAt)
        let direction = director.follow(
            look, heard: callbacks.speakers(), pictures: sources, at: frame.programTime)
        if let picture = draw(look, transition, direction, sources, frame.programTime) {
            last = picture
        } else {
            line.repeated()
        }
        line.drawn(nanoseconds: SystemClock.monotonic().nanoseconds(since: startedAt))
        let arrival = oldestNew(sources)
        callbacks.onPicture(last, frame.index, arrival)
        line.put(
            .init(picture: last, frame: frame, arrival: arrival),
            sources: ProgramLine.Sources(pictures: sources, direction: direction), until: deadline)
    }

    /// When the oldest of those pictures had come that were not drawn before.
    private func oldestNew(_ sources: [SceneSource: VideoFrame]) -> MonotonicTime? {
        var oldest: MonotonicTime?
        for (source, picture) in sources where drawn[source] != picture.timestampNanoseconds {
            drawn[source] = picture.timestampNanoseconds
            if let arrival = picture.arrival { oldest = min(oldest ?? arrival, arrival) }
        }
        if drawn.count > sources.count + 64 { drawn = drawn.filter { sources[$0.key] != nil } }
        return oldest
    }

    private func draw(
        _ asked: ProgramLook, _ transition: ProgramTransition?, _ direction: ProgramDirection,
        _ sources: [SceneSource: VideoFrame], _ time: ProgramTime
    ) -> VideoFrame? {
        let look = asked.directed(by: direction), present = look.present(sources, store, direction)
        let operations = operations(look, present, time)
        let glide = director.glide(
            look, asked: asked,
            places: SceneResolver.places(look.scene, layout: look.layout, present: present, canvas: format.canvas),
            operations: operations, pictures: sources, mayGlide: transition == nil, at: time)
        if let transition, transition.kind != .cut {
            let from = transition.from.directed(by: direction)
            let before = self.operations(from, from.present(sources, store, direction), time)
            return draw(before, operations, transition.kind, transition.weight, sources)
        }
        if let glide {
            // Overlays have nothing to do with who changes places: they are those of now, from the first frame on.
            let before = glide.from + operations.filter(\.isOverlay)
            return draw(before, operations, glide.kind, glide.weight, sources.merging(glide.pictures) { now, _ in now })
        }
        second = nil
        return draw(operations, with: renderer, sources)
    }

    /// Draws one frame of the way from one picture to another.
    private func draw(
        _ before: [DrawOperation], _ operations: [DrawOperation], _ kind: ProgramChange.Transition.Kind,
        _ weight: UInt8, _ sources: [SceneSource: VideoFrame]
    ) -> VideoFrame? {
        if second == nil { second = ProgramRenderer(canvas: format.canvas, store: store, framesInUse: 4) }
        guard let second else { return draw(operations, with: renderer, sources) }
        if kind == .move {
            let plan = MovePlan(from: before, to: operations, weight: weight)
            guard let left = draw(plan.leaving, with: second, sources),
                let right = draw(plan.arriving, with: renderer, sources)
            else { return nil }
            return renderer.mix(left, right, weight: weight, above: plan.above, frames: sources)
        }
        guard let picture = draw(operations, with: renderer, sources) else { return nil }
        guard let before = draw(before, with: second, sources) else { return picture }
        switch kind {
        case .cut, .move: return picture
        case .fade: return renderer.mix(before, picture, weight: weight)
        case .wipe: return renderer.wipe(before, picture, weight: weight)
        case .dip:
            // Down to black in the first half, up again in the second.
            let isGoing = weight < 128
            let half = UInt8(clamping: (isGoing ? Int(weight) : Int(weight) - 128) * 2)
            return isGoing ? renderer.mix(before, black, weight: half) : renderer.mix(black, picture, weight: half)
        }
    }

    private func operations(_ look: ProgramLook, _ present: SourcesPresent, _ time: ProgramTime) -> [DrawOperation] {
        SceneResolver.resolve(
            look.scene, layout: look.layout, present: present, time: time, canvas: format.canvas,
            overlays: look.overlays)
    }

    private func draw(
        _ operations: [DrawOperation], with renderer: ProgramRenderer, _ sources: [SceneSource: VideoFrame]
    ) -> VideoFrame? {
        let picture = renderer.render(operations, frames: sources)
        if renderer.missingGraphics > 0 { callbacks.onMissing(operations) }
        return picture
    }
}

extension ProgramLook {
    /// What the resolver may draw on.
    ///
    /// - Parameters:
    ///   - pictures: the newest picture of each source.
    ///   - store: stills and slides.
    ///   - direction: what follows from who speaks.
    func present(
        _ pictures: [SceneSource: VideoFrame], _ store: GraphicsStore, _ direction: ProgramDirection
    ) -> SourcesPresent {
        let hidden = hidden
        func size(_ source: SceneSource) -> PixelSize? {
            hidden.contains(source) ? nil : pictures[source]?.displaySize
        }
        let people = cast.map { member in
            SourcesPresent.Participant(
                id: member.id, name: member.name, title: member.title, isOnStage: member.isOnStage,
                camera: size(.participant(member.id)), screen: size(.screen(member.id)), fit: member.fit,
                zoom: member.zoom, isMirrored: member.isMirrored)
        }
        let rolls = pictures.reduce(into: [String: PixelSize]()) { sizes, entry in
            if case .media(let asset) = entry.key { sizes[asset] = size(entry.key) }
        }
        let ingests = pictures.reduce(into: [String: PixelSize]()) { sizes, entry in
            if case .ingest(let name) = entry.key { sizes[name] = size(entry.key) }
        }
        return SourcesPresent(
            participants: people, slide: scene.slides.flatMap { store.size(of: $0) }, images: store.imageSizes,
            media: rolls, ingests: ingests, direction: direction)
    }

    /// The cameras and screens that may be seen: everybody's on stage, and those that the scene names.
    var wanted: Set<SceneSource> {
        var sources: Set<SceneSource> = []
        for member in cast where member.isOnStage {
            sources.insert(.participant(member.id))
            sources.insert(.screen(member.id))
        }
        for slot in layout.slots {
            for source in (scene.slots[slot.id] ?? slot.content).sources {
                switch source {
                case .participant, .screen, .ingest: sources.insert(source)
                default: break
                }
            }
        }
        return sources
    }
}
