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

/// Cameras, screens and rolls that will be seen soon.
final class ComingChanges: Sendable {
    private struct State {
        var orders: [Int: (sources: Set<SceneSource>, rolls: Set<RollShelf.Key>)] = [:]
        var last = 0
        var preview: Set<RollShelf.Key> = []
        var seenAt = MonotonicTime(nanoseconds: 0)
    }

    private let state = Mutex(State())

    /// The cameras and screens of changes whose time has not come.
    var sources: Set<SceneSource> {
        state.withLock { state in state.orders.values.reduce(into: []) { $0.formUnion($1.sources) } }
    }

    /// The rolls of changes whose time has not come, and of a preview that was looked at within ten seconds.
    var rolls: Set<RollShelf.Key> {
        state.withLock { state in
            let isSeen = SystemClock.monotonic().milliseconds(since: state.seenAt) < 10_000
            return state.orders.values.reduce(into: isSeen ? state.preview : []) { $0.formUnion($1.rolls) }
        }
    }

    /// Adds what a change needs; what it returns takes that away again.
    func add(_ look: ProgramLook) -> Int {
        state.withLock { state in
            state.last += 1
            state.orders[state.last] = (look.wanted, look.rolls)
            return state.last
        }
    }

    func remove(_ order: Int) { state.withLock { $0.orders[order] = nil } }

    func see(preview rolls: Set<RollShelf.Key>) {
        state.withLock { ($0.preview, $0.seenAt) = (rolls, SystemClock.monotonic()) }
    }
}
