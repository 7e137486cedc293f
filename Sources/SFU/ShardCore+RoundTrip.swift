// The round trip to who publishes: we send them no media, so their reports tell nothing of it; they answer our clock instead.

import Media
import RTC

extension ShardCore {
    /// What a publisher is asked: when this is answered, and how long that took there, says how long the way is.
    func askRoundTrip(now: MonotonicTime) -> RTCPPacket {
        .extendedReport(
            .init(ssrc: Session.reporterSSRC, reference: NTPTime.from(unixNanoseconds: unixNanoseconds(now))))
    }

    /// Takes a publisher's answer.
    func note(_ report: RTCPExtendedReport, of session: Session, now: MonotonicTime) {
        guard session.isPublisher,
            let answer = report.delays.first(where: { $0.ssrc == Session.reporterSSRC && $0.reference != 0 })
        else { return }
        let trip = NTPTime.roundTripMs(since: answer.reference, delay: answer.delay, at: unixNanoseconds(now))
        if let trip { session.roundTripMs = trip }
    }
}
