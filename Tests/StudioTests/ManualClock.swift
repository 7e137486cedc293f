import Media
import Synchronization

/// A clock that a test moves.
final class ManualClock: Sendable {
    private let nanoseconds = Atomic<Int64>(0)

    var now: MonotonicTime { MonotonicTime(nanoseconds: nanoseconds.load(ordering: .relaxed)) }

    func advance(_ by: Int64) { nanoseconds.add(by, ordering: .relaxed) }
}
