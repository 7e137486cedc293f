// What is measured of one stream of packets, for reports: counted by who forwards, turned into rates each second.

import Media

/// The traffic of one stream; plain numbers of its owner.
struct Measured {
    /// Bytes since the start.
    var bytes: UInt64 = 0
    /// Bits per second of the last whole second.
    private(set) var bitrate = 0
    /// What the receiver's last report said: of 256, and in timestamp units.
    var fractionLost: UInt8 = 0, jitter: UInt32 = 0
    /// Packets that were asked for again, packets that were sent again, and key frames that were asked for.
    var nacks: UInt64 = 0, retransmissions: UInt64 = 0, keyframeRequests: UInt64 = 0
    private var last: (bytes: UInt64, at: MonotonicTime)?

    /// Part of the packets that was lost, 0 to 1.
    var loss: Double { Double(fractionLost) / 256 }

    /// Jitter in milliseconds.
    func jitterMs(clockRate: Int) -> Double { Double(jitter) * 1000 / Double(max(1, clockRate)) }

    /// Takes the rate; called each second.
    mutating func measure(now: MonotonicTime) {
        defer { last = (bytes, now) }
        guard let last else { return }
        let elapsed = now.milliseconds(since: last.at)
        guard elapsed > 0 else { return }
        bitrate = Int(clamping: (bytes &- last.bytes) &* 8000 / UInt64(elapsed))
    }
}

/// How long packets stay in the shard, from when their batch is read until it has been handed to the kernel.
///
/// Fixed buckets; noting allocates nothing.
struct ForwardingLatency {
    /// Upper bounds in microseconds; what takes longer stands in one more bucket.
    static let boundsMicroseconds = [20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000]

    private(set) var counts = [UInt64](repeating: 0, count: boundsMicroseconds.count + 1)
    private(set) var nanoseconds: UInt64 = 0

    /// Counts packets that left together.
    mutating func note(_ packets: UInt64, nanoseconds took: Int64) {
        let took = max(0, took)
        var bucket = 0
        while bucket < Self.boundsMicroseconds.count, took > Int64(Self.boundsMicroseconds[bucket]) * 1000 {
            bucket += 1
        }
        counts[bucket] &+= packets
        nanoseconds &+= packets &* UInt64(took)
    }

    /// A Prometheus histogram, in seconds.
    static func series(_ counts: [UInt64], nanoseconds: UInt64, name: String) -> [String: Double] {
        var all: [String: Double] = [:], sum: UInt64 = 0
        for (index, count) in counts.enumerated() {
            sum &+= count
            let bound = index < boundsMicroseconds.count ? "\(Double(boundsMicroseconds[index]) / 1e6)" : "+Inf"
            all["\(name)_seconds_bucket{le=\"\(bound)\"}"] = Double(sum)
        }
        all["\(name)_seconds_count"] = Double(sum)
        all["\(name)_seconds_sum"] = Double(nanoseconds) / 1e9
        return all
    }
}
