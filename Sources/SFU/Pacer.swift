// Picture packets that wait for their turn on a thin line, so that a key frame does not fill its queue at once.

import Media

/// A queue of packets of one subscriber, and the time at which the next may leave; memory is taken with the first.
struct Pacer {
    /// A packet that waits: what it is stands in its track's memory of sent packets.
    struct Waiting {
        unowned let consumer: Consumer
        let number: Int64
        let size: Int32
    }

    /// More packets than this don't wait.
    static let capacity = 512
    /// What waits has left after this time, however slow the line is said to be: nanoseconds.
    private static let maximumWait = 0.25
    /// A pause is not made up for by more than this: nanoseconds.
    private static let slack: Int64 = 5_000_000

    private var ring: [Waiting?] = []
    private var head = 0
    private(set) var count = 0
    private(set) var bytes = 0
    private var next: Int64 = 0

    /// Whether nothing waits.
    @inline(__always)
    var isEmpty: Bool { count == 0 }

    /// Whether a packet may leave now.
    @inline(__always)
    func mayLeave(_ now: MonotonicTime) -> Bool { now.nanoseconds >= next }

    /// Takes note of a packet that has left.
    @inline(__always)
    mutating func left(_ size: Int, bitrate: Double, now: MonotonicTime) {
        let rate = max(bitrate, Double(bytes) * 8 / Self.maximumWait, 1)
        next = max(next, now.nanoseconds - Self.slack) + Int64(Double(size) * 8e9 / rate)
    }

    /// Queues a packet; false when there is no room.
    mutating func push(_ consumer: Consumer, number: Int64, size: Int) -> Bool {
        if ring.isEmpty { ring = Array(repeating: nil, count: Self.capacity) }
        guard count < Self.capacity else { return false }
        ring[(head + count) % Self.capacity] = Waiting(consumer: consumer, number: number, size: Int32(clamping: size))
        count += 1
        bytes += size
        return true
    }

    /// Takes the oldest packet.
    mutating func pop() -> Waiting? {
        while count > 0 {
            let found = ring[head]
            ring[head] = nil
            head = (head + 1) % Self.capacity
            count -= 1
            guard let found else { continue }
            bytes -= Int(found.size)
            return found
        }
        return nil
    }

    /// Forgets the packets of a track; returns how many there were.
    mutating func forget(_ consumer: Consumer) -> Int {
        guard count > 0 else { return 0 }
        var forgotten = 0
        for index in 0..<count {
            let place = (head + index) % Self.capacity
            guard let found = ring[place], found.consumer === consumer else { continue }
            bytes -= Int(found.size)
            ring[place] = nil
            forgotten += 1
        }
        while count > 0, ring[head] == nil {
            head = (head + 1) % Self.capacity
            count -= 1
        }
        return forgotten
    }
}
