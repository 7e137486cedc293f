// The way into a pipeline: bounded by count and bytes, and never waiting.

import Media
import Synchronization

/// Events on their way to the front thread.
final class InputQueue: Sendable {
    private struct Fill {
        var bytes = 0, count = 0
        var someoneWaits = false
        var refused: UInt64 = 0
    }

    private let queue: BoundedQueue<(event: StreamEvent, at: MonotonicTime)>
    private let fill = Mutex(Fill())
    private let countLimit: Int, byteLimit: Int
    private let onRoom: @Sendable () -> Void
    /// Configurations, clocks and ends are few and must not be lost.
    private static let reserve = 64

    init(countLimit: Int, byteLimit: Int, onRoom: @escaping @Sendable () -> Void) {
        self.countLimit = max(1, countLimit)
        self.byteLimit = byteLimit
        self.onRoom = onRoom
        queue = BoundedQueue(capacity: self.countLimit + Self.reserve)
    }

    var refused: UInt64 { fill.withLock { $0.refused } }

    func offer(_ event: StreamEvent, at now: MonotonicTime) -> Bool {
        let bytes = event.payloadBytes
        return fill.withLock { fill in
            let limit = event.isFrame ? countLimit : countLimit + Self.reserve
            guard fill.count < limit, fill.bytes + bytes <= byteLimit || fill.count == 0, queue.push((event, now))
            else {
                fill.refused &+= 1
                fill.someoneWaits = true
                return false
            }
            fill.count += 1
            fill.bytes += bytes
            return true
        }
    }

    func pop(until deadline: MonotonicTime) -> (event: StreamEvent, at: MonotonicTime)? {
        guard let entry = queue.pop(until: deadline) else { return nil }
        let hasRoom = fill.withLock { fill in
            fill.count -= 1
            fill.bytes -= entry.event.payloadBytes
            guard fill.someoneWaits, fill.count <= countLimit / 2, fill.bytes <= byteLimit / 2 else { return false }
            fill.someoneWaits = false
            return true
        }
        if hasRoom { onRoom() }
        return entry
    }

    var isEmpty: Bool { fill.withLock { $0.count == 0 } }
    func close() { queue.close() }
    var isFinished: Bool { queue.isFinished }
}

extension StreamEvent {
    fileprivate var isFrame: Bool { if case .frame = self { true } else { false } }

    fileprivate var payloadBytes: Int {
        switch self {
        case .videoConfiguration(let block), .audioConfiguration(let block): block.count
        case .frame(let frame): frame.payload.count
        case .programTime, .ended: 0
        }
    }
}
