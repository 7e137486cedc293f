// Which packets to ask for again: at once, then every round trip, at most ten times.

public import Media

/// Keeps the missing packets of one source.
public struct NackGenerator: Sendable {
    private struct Missing: Sendable {
        var sequence: Int64
        var next: MonotonicTime
        var tries = 0
    }

    /// More missing packets than this are not worth asking for: a keyframe is cheaper.
    public static let maximumMissing = 1000
    private static let maximumTries = 10

    private var missing: [Missing] = []
    private var highest: Int64 = -1
    /// Packets that came after they had been asked for.
    public private(set) var recovered: UInt64 = 0
    /// Packets that were given up.
    public private(set) var abandoned: UInt64 = 0

    /// Starts with nothing missing.
    public init() {}

    /// How many packets are missing now.
    public var missingCount: Int { missing.count }

    /// Notes an arrival; returns false when so much is missing that a keyframe must be asked for instead.
    public mutating func note(_ sequence: Int64, now: MonotonicTime) -> Bool {
        guard highest >= 0 else {
            highest = sequence
            return true
        }
        if sequence > highest {
            let gap = sequence - highest - 1
            highest = sequence
            guard gap > 0 else { return true }
            guard gap + Int64(missing.count) <= Int64(Self.maximumMissing) else {
                abandoned &+= UInt64(missing.count) &+ UInt64(gap)
                missing.removeAll(keepingCapacity: true)
                return false
            }
            for lost in (sequence - gap)..<sequence { missing.append(Missing(sequence: lost, next: now)) }
        } else if let index = missing.firstIndex(where: { $0.sequence == sequence }) {
            if missing[index].tries > 0 { recovered &+= 1 }
            missing.remove(at: index)
        }
        return true
    }

    /// Takes the sequence numbers to ask for now.
    ///
    /// - Parameter roundTripMs: the wait before a number is asked for again; at least 40 ms.
    public mutating func due(now: MonotonicTime, roundTripMs: Int64) -> [UInt16] {
        guard !missing.isEmpty else { return [] }
        var lost: [UInt16] = []
        for index in missing.indices where missing[index].next <= now {
            missing[index].tries += 1
            missing[index].next = now.advanced(byMilliseconds: max(40, roundTripMs))
            if missing[index].tries <= Self.maximumTries {
                lost.append(UInt16(truncatingIfNeeded: missing[index].sequence))
            }
        }
        let before = missing.count
        missing.removeAll { $0.tries > Self.maximumTries }
        abandoned &+= UInt64(before - missing.count)
        return lost
    }
}
