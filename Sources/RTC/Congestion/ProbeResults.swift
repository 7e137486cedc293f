// What short bursts at a rate have shown: how fast their packets came (as browsers probe; draft-ietf-rmcat-gcc-02 names none).

/// The packets of the last probes; pure.
struct ProbeResults: Sendable {
    private struct Cluster: Sendable {
        var probe: UInt8 = 0
        var count = 0
        var firstSent: Int64 = 0, lastSent: Int64 = 0, firstArrived: Int64 = 0, lastArrived: Int64 = 0
        var bytes = 0, bytesOfLastSent = 0, bytesOfFirstArrived = 0
    }

    /// Fewer packets, or less of what was sent, tell nothing.
    private static let minimumPackets = 4, minimumShare = 0.6
    /// A probe that takes longer than this to send or to arrive measures something else: nanoseconds.
    private static let maximumLength: Int64 = 1_000_000_000
    /// A path that passes less than this of a probe is full, and its rate is not used to the last bit.
    private static let fullShare = 0.9, usedShare = 0.95

    private var clusters = [Cluster](repeating: Cluster(), count: 4)

    init() {}

    /// Takes note of a probe's packet; returns the rate in bits per second as soon as it can be told.
    ///
    /// - Parameter expectedBytes: what the probe was to send.
    mutating func note(_ outcome: PacketOutcome, arrivedAt: Int64, expectedBytes: Int) -> Double? {
        let slot = Int(outcome.probe) % clusters.count
        if clusters[slot].probe != outcome.probe {
            clusters[slot] = Cluster(
                probe: outcome.probe, firstSent: outcome.sentAt, lastSent: outcome.sentAt, firstArrived: arrivedAt,
                lastArrived: arrivedAt, bytesOfLastSent: outcome.size, bytesOfFirstArrived: outcome.size)
        }
        var cluster = clusters[slot]
        cluster.firstSent = min(cluster.firstSent, outcome.sentAt)
        if outcome.sentAt >= cluster.lastSent {
            cluster.lastSent = outcome.sentAt
            cluster.bytesOfLastSent = outcome.size
        }
        if arrivedAt < cluster.firstArrived {
            cluster.firstArrived = arrivedAt
            cluster.bytesOfFirstArrived = outcome.size
        }
        cluster.lastArrived = max(cluster.lastArrived, arrivedAt)
        cluster.bytes += outcome.size
        cluster.count += 1
        clusters[slot] = cluster
        guard cluster.count >= Self.minimumPackets, Double(cluster.bytes) >= Double(expectedBytes) * Self.minimumShare
        else { return nil }
        let sent = cluster.lastSent &- cluster.firstSent, arrived = cluster.lastArrived &- cluster.firstArrived
        guard sent > 0, arrived > 0, sent < Self.maximumLength, arrived < Self.maximumLength else { return nil }
        let sentRate = Double(cluster.bytes - cluster.bytesOfLastSent) * 8e9 / Double(sent)
        let arrivedRate = Double(cluster.bytes - cluster.bytesOfFirstArrived) * 8e9 / Double(arrived)
        // Faster than it was sent by far: something was held up on the way, and let go at once.
        guard arrivedRate < 2 * sentRate else { return nil }
        if arrivedRate < Self.fullShare * sentRate { return arrivedRate * Self.usedShare }
        return min(sentRate, arrivedRate)
    }
}
