// What a program waits for and draws before a look is shown, and the frame that shows it.

import Control
import Logging
import Media

extension EventProgram {
    private var now: ProgramTime { clock.programTime(at: SystemClock.monotonic()) }

    /// Until when is waited for pictures that are asked for now.
    var pictureDeadline: MonotonicTime {
        SystemClock.monotonic().advanced(byMilliseconds: patience.pictureMs)
    }

    /// Waits until there is a picture of each camera and screen that a look shows and that is sent, of cameras a large enough
    /// one, as far as larger ones may come.
    ///
    /// Those are not waited for for which cards stand in on the program already: whoever brought them there has waited.
    ///
    /// - Parameters:
    ///   - others: not waited for either.
    ///   - deadline: until when.
    ///   - isWanted: whether it still makes sense to wait.
    ///   - look: what is to be shown, as it is known by then.
    func bring(
        _ others: Set<SceneSource> = [], until deadline: MonotonicTime, while isWanted: () -> Bool = { true },
        _ look: () -> ProgramLook
    ) async {
        while SystemClock.monotonic() < deadline, !refill.isCancelled, isWanted() {
            let sources = video.newest.sources, look = look()
            let awaited = lacking(look, sources).intersection(look.sent).subtracting(others)
            let isLacking = !awaited.isEmpty && !awaited.isSubset(of: lacking(board.look, sources))
            let growing = layers.growing(look.cameraNeeds(sources, store, format.canvas)).subtracting(others)
            guard isLacking || !growing.isEmpty,
                (try? await Task.sleep(for: .milliseconds(10))) != nil
            else { return }
        }
    }

    private func lacking(_ asked: ProgramLook, _ sources: ProgramLine.Sources) -> Set<SceneSource> {
        let look = asked.directed(by: sources.direction)
        return SceneResolver.lacking(
            look, present: look.present(sources.pictures, store, sources.direction), canvas: format.canvas
        )
    }

    func operations(_ asked: ProgramLook, _ sources: ProgramLine.Sources) -> [DrawOperation] {
        let look = asked.directed(by: sources.direction)
        return SceneResolver.resolve(
            look.scene, layout: look.layout, present: look.present(sources.pictures, store, sources.direction),
            time: now, canvas: format.canvas, overlays: look.overlays)
    }

    /// Draws the graphics of a look before it is shown; says whether no card stands in for anything but these.
    func prepare(_ look: ProgramLook, apartFrom others: Set<SceneSource> = []) async -> Bool {
        var sources = video.newest.sources
        rolls.stills(look.rolls, into: &sources.pictures)
        let operations = operations(look, sources)
        // What is to come later is drawn now, too: it must be there when its time comes.
        let geometry = SlotGeometry(canvas: format.canvas)
        let coming = OverlayResolver(
            layout: look.layout, images: store.imageSizes, geometry: geometry, time: now
        ).operations(look.overlays, ignoringTime: true)
        do {
            // What is there already does not wait until somebody else's is drawn.
            if store.lacks(operations + coming) { try await shop.prepare(operations + coming) }
        } catch {
            logger.warning("graphics can't be drawn", metadata: ["error": "\(error)"])
            return false
        }
        return look.standIns(lacking(look, sources)).isSubset(of: others)
    }

    /// Waits for the first frame that shows something.
    ///
    /// - Parameter put: puts it on the board, which tells the frame's time, or that the program has ended before; false when it
    ///   was not taken, and nothing is told.
    /// - Throws: `ProgramError.outdated` when there will be none.
    func firstFrame(
        _ put: (_ onShown: @escaping @Sendable (ProgramTime) -> Void, _ onEnd: @escaping @Sendable () -> Void) -> Bool
    ) async throws(ProgramError) -> ProgramTime {
        let time = await withCheckedContinuation { (continuation: CheckedContinuation<ProgramTime?, Never>) in
            let isTaken = put({ continuation.resume(returning: $0) }, { continuation.resume(returning: nil) })
            if !isTaken { continuation.resume(returning: nil) }
        }
        guard let time else { throw .outdated }
        return time
    }
}
