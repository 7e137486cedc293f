// A place for one thing between two threads: the newest wins.

import Media
import Synchronization

/// Hands the newest of what one thread puts in to another; what was not taken in time is replaced.
final class NewestSlot<Element: Sendable>: Sendable {
    private let newest = Mutex<Element?>(nil)
    private let bell = BoundedQueue<Bool>(capacity: 1)

    /// Puts an element in, without waiting; returns false when it takes the place of one that nobody took.
    func put(_ element: Element) -> Bool {
        let isReplaced = newest.withLock { newest in
            defer { newest = element }
            return newest != nil
        }
        // A bell that rings already is enough.
        bell.push(true)
        return !isReplaced
    }

    /// Waits for an element and takes it; nil when the slot is closed.
    func take() -> Element? {
        while bell.pop() != nil {
            let element = newest.withLock { newest in
                defer { newest = nil }
                return newest
            }
            if let element { return element }
        }
        return nil
    }

    /// Lets nothing more out, and lets go of what is in it.
    func close() {
        bell.close()
        newest.withLock { $0 = nil }
    }
}
