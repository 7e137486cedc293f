// Which packets to ask for again: at once, then every round trip, as long as a repeat can come in time.

public import Media

/// Keeps the missing packets of one source.
public struct NackGenerator: Sendable {
    private struct Missing: Sendable {
        var sequence: Int64
        var since: MonotonicTime, next: MonotonicTime
        var tries = 0
    }

    /// More missing packets than this are not worth asking for: a keyframe is cheaper.
    public static let maximumMissing = 1000
    /// So often a packet is asked for every round trip; what has not come by then is missing for another reason than chance, and
    /// is asked for at moments further and further apart.
    private static let quickTries = 10
    /// No packet is asked for sooner than this after it was asked for, in milliseconds.
    private static let minimumWaitMs: Int64 = 40

    private let patienceMs: Int64
    private var missing: [Missing] = []
    private var highest: Int64 = -1
    /// Packets that came after they had been asked for.
    public private(set) var recovered: UInt64 = 0
    /// Packets that were given up.
    public private(set) var abandoned: UInt64 = 0

    /// Starts with nothing missing.
    ///
    /// - Parameter patienceMs: how late a repeat may come, in milliseconds. Browsers wait 3 s before they ask for a key frame
    ///   instead, and the pictures that somebody who comes later is shown are no older.
    public init(patienceMs: Int64 = 3000) { self.patienceMs = patienceMs }

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
            for lost in (sequence - gap)..<sequence { missing.append(Missing(sequence: lost, since: now, next: now)) }
        } else if let index = missing.firstIndex(where: { $0.sequence == sequence }) {
            if missing[index].tries > 0 { recovered &+= 1 }
            missing.remove(at: index)
        }
        return true
    }

    /// Forgets what is missing before a number: behind a key frame nobody needs it.
    public mutating func forget(before sequence: Int64) {
        let before = missing.count
        missing.removeAll { $0.sequence < sequence }
        abandoned &+= UInt64(before - missing.count)
    }

    /// Takes the sequence numbers to ask for now; what could not come in time any more is given up.
    ///
    /// - Parameter roundTripMs: how long a repeat takes, in milliseconds; a number is asked for again after it, or after 40 ms.
    public mutating func due(now: MonotonicTime, roundTripMs: Int64) -> [UInt16] {
        guard !missing.isEmpty else { return [] }
        let wait = max(Self.minimumWaitMs, roundTripMs), oldest = highest - Int64(Self.maximumMissing)
        var lost: [UInt16] = []
        let before = missing.count, patienceMs = patienceMs
        missing.removeAll { packet in
            // Whoever keeps packets keeps about so many: a repeat of an older one finds no place.
            packet.sequence < oldest
                || packet.next <= now && packet.tries > 0 && now.milliseconds(since: packet.since) + wait > patienceMs
        }
        abandoned &+= UInt64(before - missing.count)
        for index in missing.indices where missing[index].next <= now {
            missing[index].tries += 1
            let isQuick = missing[index].tries <= Self.quickTries
            let rest = isQuick ? 0 : now.milliseconds(since: missing[index].since) / 2
            missing[index].next = now.advanced(byMilliseconds: max(wait, rest))
            lost.append(UInt16(truncatingIfNeeded: missing[index].sequence))
        }
        return lost
    }
}
