// What short bursts at a rate have shown: how fast their packets came (as browsers probe; draft-ietf-rmcat-gcc-02 names none).

/// The packets of the last probes; pure.
struct ProbeResults: Sendable {
    /// What is known of a probe.
    enum Result: Sendable, Hashable {
        /// Too little of it has come.
        case open
        /// It came faster than it was sent by far: it was held up on the way, and let go at once.
        case unclear
        /// Bits per second.
        case rate(Double)
    }

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

    /// Takes note of a probe's packet: of a slow one the first are told of while the last are still to be sent.
    mutating func note(_ outcome: PacketOutcome, arrivedAt: Int64) {
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
    }

    /// What a probe has shown.
    ///
    /// - Parameter expectedBytes: what it has sent.
    func result(of probe: UInt8, expectedBytes: Int) -> Result {
        let cluster = clusters[Int(probe) % clusters.count]
        guard cluster.probe == probe, cluster.count >= Self.minimumPackets,
            Double(cluster.bytes) >= Double(expectedBytes) * Self.minimumShare
        else { return .open }
        let sent = cluster.lastSent &- cluster.firstSent, arrived = cluster.lastArrived &- cluster.firstArrived
        guard sent > 0, sent < Self.maximumLength, arrived < Self.maximumLength else { return .open }
        guard arrived > 0 else { return .unclear }
        let sentRate = Double(cluster.bytes - cluster.bytesOfLastSent) * 8e9 / Double(sent)
        let arrivedRate = Double(cluster.bytes - cluster.bytesOfFirstArrived) * 8e9 / Double(arrived)
        guard arrivedRate < 2 * sentRate else { return .unclear }
        if arrivedRate < Self.fullShare * sentRate { return .rate(arrivedRate * Self.usedShare) }
        return .rate(min(sentRate, arrivedRate))
    }
}
