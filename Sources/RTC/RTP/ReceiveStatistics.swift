// What a receiver knows of one source: loss, jitter, the last sender report (RFC 3550 sections 6.4 and A.8).

public import Media

/// Counts one source's packets and makes its report blocks.
public struct ReceiveStatistics: Sendable {
    /// Packets that arrived, repeats not counted.
    public private(set) var received: UInt64 = 0
    /// The highest unwrapped sequence number.
    public private(set) var highest: Int64 = -1
    /// Interarrival jitter in timestamp units.
    public private(set) var jitter: Double = 0
    private let clockRate: Double
    private var first: Int64 = -1, transit: Double?
    private var expectedBefore: Int64 = 0, receivedBefore: UInt64 = 0
    private var lastReport: UInt32 = 0, lastReportArrival: MonotonicTime?

    /// Starts with nothing.
    public init(clockRate: Int) { self.clockRate = Double(clockRate) }

    /// Notes a packet.
    public mutating func note(sequence: Int64, timestamp: UInt32, now: MonotonicTime) {
        if first < 0 { first = sequence }
        received &+= 1
        let isNewest = sequence > highest
        highest = max(highest, sequence)
        // Late and repeated packets say nothing of the path's jitter.
        guard isNewest else { return }
        let arrival = Double(now.nanoseconds) / 1e9 * clockRate
        let moment = arrival - Double(timestamp)
        if let transit {
            let difference = abs(moment - transit)
            // A timestamp that wrapped or jumped is no jitter.
            if difference < clockRate * 10 { jitter += (difference - jitter) / 16 }
        }
        transit = moment
    }

    /// Notes a sender report of this source.
    public mutating func note(senderReport ntp: UInt64, now: MonotonicTime) {
        lastReport = NTPTime.middle(ntp)
        lastReportArrival = now
    }

    /// Makes the report block for the time since the last one; nil before the first packet.
    public mutating func report(ssrc: UInt32, now: MonotonicTime) -> RTCPReportBlock? {
        guard first >= 0 else { return nil }
        let expected = highest - first + 1
        let expectedNow = expected - expectedBefore
        let lostNow = expectedNow - Int64(clamping: received - receivedBefore)
        expectedBefore = expected
        receivedBefore = received
        let fraction = expectedNow > 0 && lostNow > 0 ? min(255, lostNow * 256 / expectedNow) : 0
        var delay: UInt32 = 0
        if let arrival = lastReportArrival {
            delay = UInt32(clamping: now.nanoseconds(since: arrival) / 1000 * 65536 / 1_000_000)
        }
        return RTCPReportBlock(
            ssrc: ssrc, fractionLost: UInt8(fraction), totalLost: Int32(clamping: expected - Int64(clamping: received)),
            highestSequence: UInt32(truncatingIfNeeded: highest), jitter: UInt32(clamping: Int64(jitter)),
            lastSenderReport: lastReport, delaySinceLastSenderReport: delay)
    }
}
