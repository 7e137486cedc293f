// Asks the room for the sizes of the cameras, as the program, what waits, and the preview need them.

import Control
import Media
import Synchronization

/// Asks for layers; safe from any thread.
final class LayerDesk: Sendable {
    /// How often it looks whether what speakers and screens have moved needs other sizes.
    static let intervalMs: Int64 = 100

    private struct State {
        var wishes = LayerWishes()
        var told: (session: String, sizes: [String: LayerSize])?
    }

    private let state = Mutex(State())
    private let room: StageRoom
    private let newest: @Sendable () -> ProgramLine.Sources
    private let needs: @Sendable (ProgramLine.Sources) -> [SceneSource: CameraNeed]
    private let report: @Sendable (_ session: String, _ sizes: [String: LayerSize]) -> Void
    private let looking = Mutex<Task<Void, Never>?>(nil)

    /// Begins to look.
    ///
    /// - Parameters:
    ///   - room: whose cameras these are.
    ///   - newest: the pictures that are shown.
    ///   - needs: what is needed of each camera, with those pictures.
    ///   - report: is told which sizes the tracks of a session are to have; it must not block.
    init(
        room: StageRoom, newest: @escaping @Sendable () -> ProgramLine.Sources,
        needs: @escaping @Sendable (ProgramLine.Sources) -> [SceneSource: CameraNeed],
        report: @escaping @Sendable (String, [String: LayerSize]) -> Void
    ) {
        self.room = room
        self.newest = newest
        self.needs = needs
        self.report = report
        let task = Task { [weak self] in
            while !Task.isCancelled {
                self?.look()
                try? await Task.sleep(for: .milliseconds(Self.intervalMs))
            }
        }
        looking.withLock { $0 = task }
    }

    /// Asks for nothing more.
    func stop() { looking.withLock { $0?.cancel() } }

    /// Asks for what is needed now, if that is not what was asked for last.
    func look() {
        let sources = newest()
        let needs = needs(sources)
        guard let cameras = room.cameras else { return }
        state.withLock { state in
            state.wishes.follow(needs, at: SystemClock.monotonic())
            let sizes = cameras.tracks.mapValues { state.wishes.size(of: $0) }
            if let told = state.told, told.session == cameras.session, told.sizes == sizes { return }
            state.told = (cameras.session, sizes)
            // Inside, so that nothing older is told last.
            report(cameras.session, sizes)
        }
    }

    /// Those cameras whose pictures are smaller than needed, and of which larger ones are on their way.
    func growing(_ needs: [SceneSource: CameraNeed]) -> Set<SceneSource> {
        state.withLock { $0.wishes.growing(needs, at: SystemClock.monotonic()) }
    }
}

extension EventProgram {
    /// Lets everything be sent and decoded that may be seen, as large as it may be seen.
    func callSources() {
        sources.setVisible(board.wanted.union(coming.sources))
        layers.look()
    }

    /// What may be seen of each camera, in whatever is shown or comes.
    static func needs(
        _ board: ProgramBoard, _ coming: ComingChanges, _ store: GraphicsStore, _ canvas: PixelSize
    ) -> @Sendable (ProgramLine.Sources) -> [SceneSource: CameraNeed] {
        { sources in
            (board.looks + coming.looks).reduce(into: [:]) { needs, look in
                needs.merge(look.cameraNeeds(sources, store, canvas)) { $0.joined(with: $1) }
            }
        }
    }
}
