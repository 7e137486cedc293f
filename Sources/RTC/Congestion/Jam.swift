// Whether much more is sent than a path carries, and what it carries: told by the first packets that have waited, long before the
// trend of the delays (draft-ietf-rmcat-gcc-02 section 5.4), which is laid through twenty of their groups.

/// Packets in a row that have all waited in a queue; pure.
///
/// While a queue does not empty, what leaves it comes as fast as the path goes, and each packet enters before the one ahead has left.
/// A key frame waits too, but comes faster than pictures are sent on the average; a path that has become longer delays all, and passes as much as is sent.
struct Jam: Sendable {
    /// From so much waiting on a packet counts, and so much time is looked at, at least and at most: nanoseconds.
    private static let waitingNs: Int64 = 30_000_000, leastNs: Int64 = 150_000_000, mostNs: Int64 = 400_000_000
    private static let minimumPackets = 6
    /// Where less of what is sent arrives, the path is jammed.
    private static let share = 0.7
    /// A packet that leaves so much later than the one before it has left the queue finds an empty one: nanoseconds.
    private static let idleNs: Int64 = 10_000_000
    /// What does not come through waits, so so much of it is to be seen in the delays; but for a queue that is full: nanoseconds.
    private static let grownShare = 0.5, fullNs: Int64 = 150_000_000

    private struct Row: Sendable {
        var firstSent: Int64, lastSent: Int64, firstArrived: Int64, lastArrived: Int64
        var sentBytes = 0, arrivedBytes = 0, packets = 1
        /// When the last of them has left the queue, on the sender's clock.
        var emptyAt: Int64
        /// How long the first and the last that arrived were under way, and the least that one has waited of late.
        var firstDelay: Int64, lastDelay: Int64, waitedNs = Int64.max

        init(_ sentAt: Int64, _ arrivedAt: Int64, _ waitedNs: Int64) {
            (firstSent, lastSent, firstArrived, lastArrived) = (sentAt, sentAt, arrivedAt, arrivedAt)
            emptyAt = sentAt &+ waitedNs
            (firstDelay, lastDelay) = (arrivedAt &- sentAt, arrivedAt &- sentAt)
        }
    }

    private var row: Row?

    init() {}

    /// Takes note of a packet.
    ///
    /// - Parameter waitedNs: how long it has waited on its way, in nanoseconds; of a lost one that is not known.
    mutating func note(_ outcome: PacketOutcome, waitedNs: Int64?) {
        guard let waitedNs, let arrivedAt = outcome.arrivedAt else {
            guard row != nil, outcome.sentAt >= row?.lastSent ?? 0 else { return }
            row?.sentBytes += outcome.size
            row?.lastSent = outcome.sentAt
            return
        }
        guard waitedNs >= Self.waitingNs else {
            row = nil
            return
        }
        // A receiver that is held up now and then delays packets too; between two such moments nothing waits.
        guard var next = row, arrivedAt &- next.firstArrived <= Self.mostNs,
            outcome.sentAt &- next.emptyAt <= Self.idleNs
        else {
            row = Row(outcome.sentAt, arrivedAt, waitedNs)
            return
        }
        next.emptyAt = max(next.emptyAt, outcome.sentAt &+ waitedNs)
        next.packets += 1
        next.sentBytes += outcome.wasLost || outcome.isUntold ? 0 : outcome.size
        next.arrivedBytes += outcome.isUntold ? 0 : outcome.size
        if outcome.sentAt >= next.lastSent { next.lastDelay = arrivedAt &- outcome.sentAt }
        next.waitedNs = min(next.waitedNs, waitedNs)
        next.lastSent = max(next.lastSent, outcome.sentAt)
        next.lastArrived = max(next.lastArrived, arrivedAt)
        row = next
    }

    /// Takes note of a packet that nothing is known of.
    mutating func note(untold outcome: PacketOutcome) {
        guard row != nil, outcome.sentAt >= row?.lastSent ?? 0 else { return }
        row?.sentBytes += outcome.size
        row?.arrivedBytes += outcome.size
        row?.lastSent = outcome.sentAt
    }

    /// What a jammed path carries, in bits per second; nil of any other.
    ///
    /// - Parameters:
    ///   - sent: what was sent lately, in bits per second: pictures are sent at once, and not one after the other.
    ///   - inherentLoss: the share of packets that the path loses by itself, 0 to 1.
    func carried(sent: Int?, inherentLoss: Double = 0) -> Double? {
        guard let row, let sent, row.packets >= Self.minimumPackets else { return nil }
        let arrived = row.lastArrived &- row.firstArrived, took = max(1_000_000, row.lastSent &- row.firstSent)
        guard arrived >= Self.leastNs else { return nil }
        let rate = Double(row.arrivedBytes) * 8e9 / Double(arrived)
        let offered = min(Double(row.sentBytes) * 8e9 / Double(took), Double(sent))
        guard rate < Self.share * (1 - inherentLoss) * offered else { return nil }
        // A longer way that loses much delays all by the same.
        let grown = row.lastDelay &- row.firstDelay, expected = Double(arrived) * (1 - rate / offered)
        return row.waitedNs >= Self.fullNs || Double(grown) >= Self.grownShare * expected ? rate : nil
    }
}
