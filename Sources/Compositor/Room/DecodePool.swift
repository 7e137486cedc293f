// The threads that decode pictures: a fixed number, each track on one of them.

import Media
import Synchronization

/// What has one step of work at a time for a thread of the pool.
protocol DecodeWork: AnyObject, Sendable {
    /// Does one step; returns whether there is more.
    func decodeStep() -> Bool
}

/// A fixed set of threads; tracks take turns, one picture each.
final class DecodePool: Sendable {
    private let queues: [BoundedQueue<any DecodeWork>]
    private let threads: [MediaThread]
    private let assigned = Atomic(0)

    /// - Parameters:
    ///   - count: how many threads.
    ///   - capacity: how many tracks there may be; each waits in its queue once at most.
    init(count: Int, capacity: Int) {
        let queues = (0..<max(1, count)).map { _ in BoundedQueue<any DecodeWork>(capacity: capacity) }
        self.queues = queues
        threads = queues.enumerated().map { index, queue in
            MediaThread(name: "decode-\(index)") {
                while let work = queue.pop() { if work.decodeStep() { queue.push(work) } }
            }
        }
    }

    /// How many threads there are.
    var count: Int { queues.count }

    /// Chooses the thread of a new track: by turns, because tracks of sound take numbers but no thread.
    func assign() -> Int { (assigned.wrappingAdd(1, ordering: .relaxed).oldValue & .max) % queues.count }

    /// Puts a track's work at the end of its thread's queue; returns false when the pool has ended.
    func schedule(_ work: any DecodeWork, on thread: Int) -> Bool { queues[thread % queues.count].push(work) }

    /// Ends the threads, after the picture that each is at.
    func stop() {
        for queue in queues {
            queue.close()
            while queue.popNow() != nil {}
        }
        for thread in threads { thread.join() }
    }
}
