// Packets that were sent together, and how the gaps between such groups have changed on their way
// (draft-ietf-rmcat-gcc-02 section 5.2).

/// Makes groups of packets; pure.
struct ArrivalGroups: Sendable {
    /// How two groups in a row differ, in milliseconds.
    struct Gap: Sendable, Hashable {
        var sentMs: Double, arrivedMs: Double
        /// When the second group had arrived, on the receiver's clock.
        var atMs: Double
    }

    private struct Group: Sendable {
        var firstSent: Int64, lastSent: Int64, firstArrived: Int64, lastArrived: Int64
        /// The packet that was the shortest time under way: what others of the group waited for it or were overtaken by says nothing.
        var bestSent: Int64, bestArrived: Int64

        init(_ sentAt: Int64, _ arrivedAt: Int64) {
            (firstSent, lastSent, bestSent) = (sentAt, sentAt, sentAt)
            (firstArrived, lastArrived, bestArrived) = (arrivedAt, arrivedAt, arrivedAt)
        }
    }

    /// What is sent within this time is one group: nanoseconds.
    static let burst: Int64 = 5_000_000
    /// A queue that lets go lets all out at once: such a burst is one group too, up to this length.
    private static let maximumBurst: Int64 = 100_000_000
    /// Behind a pause of the sender as long as this, or after so many groups that came back to front, all begins anew.
    private static let maximumPause: Int64 = 3_000_000_000, maximumReversals = 3

    private var current: Group?, before: Group?
    private var reversals = 0

    init() {}

    /// Takes note of a packet; returns the gap between the two groups before it, when it begins a new one.
    mutating func note(sentAt: Int64, arrivedAt: Int64) -> Gap? {
        guard var group = current else {
            current = Group(sentAt, arrivedAt)
            return nil
        }
        // What was overtaken says nothing of the queue.
        guard sentAt >= group.firstSent else { return nil }
        if sentAt &- group.firstSent <= Self.burst || isBurst(sentAt, arrivedAt, group) {
            group.lastSent = max(group.lastSent, sentAt)
            group.lastArrived = max(group.lastArrived, arrivedAt)
            if arrivedAt &- sentAt < group.bestArrived &- group.bestSent {
                (group.bestSent, group.bestArrived) = (sentAt, arrivedAt)
            }
            current = group
            return nil
        }
        let begun = Group(sentAt, arrivedAt)
        defer {
            before = current == nil ? nil : group
            current = begun
        }
        guard let before else { return nil }
        let sent = group.bestSent &- before.bestSent, arrived = group.bestArrived &- before.bestArrived
        guard sentAt &- group.lastSent < Self.maximumPause, sent < Self.maximumPause,
            (arrived &- sent).magnitude < UInt64(Self.maximumPause)
        else {
            forget()
            return nil
        }
        guard arrived >= 0 else {
            reversals += 1
            if reversals >= Self.maximumReversals { forget() }
            return nil
        }
        reversals = 0
        return Gap(
            sentMs: Double(sent) / 1e6, arrivedMs: Double(arrived) / 1e6, atMs: Double(group.bestArrived) / 1e6)
    }

    private mutating func forget() {
        current = nil
        before = nil
        reversals = 0
    }

    private func isBurst(_ sentAt: Int64, _ arrivedAt: Int64, _ group: Group) -> Bool {
        let arrived = arrivedAt &- group.lastArrived, sent = sentAt &- group.lastSent
        return arrived >= 0 && arrived <= Self.burst && arrived < sent
            && arrivedAt &- group.firstArrived < Self.maximumBurst
    }
}
