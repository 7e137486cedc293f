// A bounded queue between two threads of our own.

import Glibc

/// A bounded first-in-first-out queue between media threads; the writer waits only where it says so, the reader may.
public final class BoundedQueue<Element: Sendable>: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private let room = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var ring: [Element?]
    private var head = 0, used = 0, isClosed = false, droppedCount: UInt64 = 0

    /// Creates a queue that holds at most `capacity` elements.
    public init(capacity: Int) {
        ring = Array(repeating: nil, count: max(1, capacity))
        pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(condition, &attributes)
        pthread_cond_init(room, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_cond_destroy(room)
        room.deallocate()
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    /// Appends an element; returns false, and counts it as dropped, when the queue is full or closed.
    @discardableResult
    public func push(_ element: Element) -> Bool {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return addLocked(element)
    }

    /// Appends an element, and waits for room until the deadline; returns false, and counts it as dropped, when there
    /// was none, or the queue is closed.
    ///
    /// - Parameters:
    ///   - element: what to append.
    ///   - deadline: a moment of the monotonic clock, or nil to wait without end.
    public func push(_ element: Element, until deadline: MonotonicTime?) -> Bool {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while used == ring.count, !isClosed, waitLocked(for: room, until: deadline) {}
        return addLocked(element)
    }

    /// Takes the oldest element, if there is one.
    public func popNow() -> Element? {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return takeLocked()
    }

    /// Waits for an element; returns nil when the deadline passes, or when the queue is closed and empty.
    ///
    /// - Parameter deadline: a moment of the monotonic clock, or nil to wait without end.
    public func pop(until deadline: MonotonicTime? = nil) -> Element? {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while used == 0, !isClosed, waitLocked(for: condition, until: deadline) {}
        return takeLocked()
    }

    /// Lets no more elements in; readers get what is left, then nil.
    public func close() {
        pthread_mutex_lock(mutex)
        isClosed = true
        pthread_cond_broadcast(condition)
        pthread_cond_broadcast(room)
        pthread_mutex_unlock(mutex)
    }

    /// How many elements wait.
    public var count: Int {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return used
    }

    /// Whether the queue is closed and empty.
    public var isFinished: Bool {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return isClosed && used == 0
    }

    /// How many elements were refused since the start.
    public var dropped: UInt64 {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return droppedCount
    }

    /// Waits until the other side has done something; returns false when it has not by the deadline.
    private func waitLocked(
        for condition: UnsafeMutablePointer<pthread_cond_t>, until deadline: MonotonicTime?
    ) -> Bool {
        guard let deadline else {
            pthread_cond_wait(condition, mutex)
            return true
        }
        var time = timespec(
            tv_sec: Int(deadline.nanoseconds / 1_000_000_000), tv_nsec: Int(deadline.nanoseconds % 1_000_000_000))
        return pthread_cond_timedwait(condition, mutex, &time) != ETIMEDOUT
    }

    private func addLocked(_ element: Element) -> Bool {
        guard !isClosed, used < ring.count else {
            droppedCount += 1
            return false
        }
        ring[(head + used) % ring.count] = element
        used += 1
        pthread_cond_signal(condition)
        return true
    }

    private func takeLocked() -> Element? {
        guard used > 0 else { return nil }
        let element = ring[head]
        ring[head] = nil
        head = (head + 1) % ring.count
        used -= 1
        pthread_cond_signal(room)
        return element
    }
}
