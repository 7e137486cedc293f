// What changes need whose sources are still being brought, so that nobody lets it go meanwhile.

import Control
import Media
import Synchronization

/// A change of the scene that is to be shown when its sources are there.
struct AnnouncedChange: Sendable {
    /// Its number on the board, and how it comes.
    let number: UInt64, transition: ProgramChange.Transition
    /// What it will look like if nothing else comes before, and what was shown when it was announced.
    let look: ProgramLook, shown: ProgramLook
    /// Its number among what is coming.
    let order: Int
}

/// A cast that is to be shown when the cameras of who is new on stage are there.
struct AnnouncedCast: Sendable {
    /// Who is there.
    let cast: [CastMember]
    /// Its number among what is coming.
    let order: Int
}

/// Cameras, screens and rolls that will be seen soon, and music that will be heard.
final class ComingChanges: Sendable {
    private struct Needs {
        let look: ProgramLook
        let sources: Set<SceneSource>, rolls: Set<RollShelf.Key>, music: Set<MusicShelf.Key>

        init(_ look: ProgramLook) {
            self.look = look
            (sources, rolls, music) = (look.wanted, look.rolls, look.music)
        }
    }

    private struct State {
        var orders: [Int: Needs] = [:]
        var last = 0, lastCast = 0
        var preview: Needs?
        var seenAt: MonotonicTime?

        /// What a preview needs that was looked at lately.
        func preview(at now: MonotonicTime) -> Needs? {
            guard let seenAt, now.milliseconds(since: seenAt) < ComingChanges.previewMs else { return nil }
            return preview
        }
    }

    /// How long after it was looked at a preview keeps what it shows.
    static let previewMs: Int64 = 10_000

    private let state = Mutex(State())

    /// The cameras and screens of changes whose time has not come, and of a preview that was looked at within ten seconds.
    var sources: Set<SceneSource> { sources(at: SystemClock.monotonic()) }

    func sources(at now: MonotonicTime) -> Set<SceneSource> {
        state.withLock { state in
            state.orders.values.reduce(into: state.preview(at: now)?.sources ?? []) { $0.formUnion($1.sources) }
        }
    }

    /// The rolls of changes whose time has not come, and of a preview that was looked at within ten seconds.
    var rolls: Set<RollShelf.Key> {
        state.withLock { state in
            state.orders.values.reduce(into: state.preview(at: SystemClock.monotonic())?.rolls ?? []) {
                $0.formUnion($1.rolls)
            }
        }
    }

    /// What changes look like whose time has not come, and a preview that was looked at within ten seconds.
    var looks: [ProgramLook] {
        state.withLock { state in
            state.orders.values.map(\.look) + [state.preview(at: SystemClock.monotonic())?.look].compactMap { $0 }
        }
    }

    /// The music of changes whose time has not come; nobody hears that of a preview.
    var music: Set<MusicShelf.Key> {
        state.withLock { state in state.orders.values.reduce(into: []) { $0.formUnion($1.music) } }
    }

    /// Adds what a change needs; what it returns takes that away again.
    func add(_ look: ProgramLook) -> Int {
        state.withLock { state in
            state.last += 1
            state.orders[state.last] = Needs(look)
            return state.last
        }
    }

    /// Adds what a cast needs that takes the place of those before it.
    func add(cast look: ProgramLook) -> Int {
        let order = add(look)
        state.withLock { $0.lastCast = max($0.lastCast, order) }
        return order
    }

    /// Whether no cast has been added after this one.
    func isNewest(cast order: Int) -> Bool { state.withLock { $0.lastCast <= order } }

    func remove(_ order: Int) { state.withLock { $0.orders[order] = nil } }

    /// Somebody looks at a preview: what it shows is kept for a while, what the one before it showed is let go.
    func see(preview look: ProgramLook, at now: MonotonicTime = SystemClock.monotonic()) {
        state.withLock { ($0.preview, $0.seenAt) = (Needs(look), now) }
    }
}
