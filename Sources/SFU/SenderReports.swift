// Which moment a timestamp stands for: what publishers say of their streams, and what subscribers are told of theirs.

import Media
import RTC

extension Session {
    /// Takes note of what a publisher says of one of its streams.
    ///
    /// - Parameter unix: our time, in nanoseconds since the Unix epoch.
    func note(_ report: RTCPSenderReport, at unix: Int64, now: MonotonicTime) {
        guard let source = sources.first(where: { $0.ssrc == report.ssrc && !$0.isRTX }) else { return }
        let layer = source.layer
        layer.statistics.note(senderReport: report.ntp, now: now)
        let theirs = NTPTime.unixNanoseconds(report.ntp)
        captureClock.note(theirs, after: layer.reportNTP, at: unix)
        layer.reportNTP = theirs
        layer.reportTimestamp = report.rtpTimestamp
        source.producer.table.note(layer.index, reportNanoseconds: theirs, timestamp: report.rtpTimestamp)
    }
}

extension Consumer {
    /// Of a stream that has been silent for so long nothing is told: what its clock would say by now is a guess.
    static let silenceMs: Int64 = 2000
    /// A publisher's report from so long ago tells nothing, in nanoseconds.
    static let oldestReport: Int64 = 60_000_000_000

    /// What its subscriber is told of it: the publisher's capture clock, moved to ours by one offset per publisher, so that the
    /// way of the packets does not come between picture and sound.
    ///
    /// - Parameter unix: our time, in nanoseconds since the Unix epoch.
    /// - Returns: nil while nothing is sent, or the publisher has not said what its timestamps stand for.
    func senderReport(at unix: Int64, now: MonotonicTime) -> RTCPSenderReport? {
        guard let current = forwarder.current else { return nil }
        let layer = producer.layers[current]
        guard let theirs = layer.reportNTP, let offset = producer.session.captureClock.offset,
            let last = layer.lastPacket, now.milliseconds(since: last) < Self.silenceMs
        else { return nil }
        // Publishers may say any time.
        let (elapsed, isTooFar) = (unix &- offset).subtractingReportingOverflow(theirs)
        guard !isTooFar, elapsed.magnitude < UInt64(Self.oldestReport) else { return nil }
        let ticks = elapsed / 1000 * Int64(producer.clockRate) / 1_000_000
        let timestamp = layer.reportTimestamp &+ UInt32(truncatingIfNeeded: ticks) &+ forwarder.timestampDelta
        return RTCPSenderReport(
            ssrc: ssrc, ntp: NTPTime.from(unixNanoseconds: unix), rtpTimestamp: timestamp, packets: packets,
            bytes: bytes)
    }
}
