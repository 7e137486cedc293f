// What is told to a publisher of its packets' way here: transport-wide feedback.

import Media
import RTC

/// The arrivals of one publisher; confined to its shard's thread.
struct Uplink {
    /// The id under which packets carry their transport-wide number, 0 for a publisher that numbers none.
    var numberExtension: UInt8 = 0
    private var arrivals = TransportArrivals()

    /// Takes the id from the sections that the answer has accepted: one transport, one id (RFC 8285 section 6).
    mutating func agree(_ sections: [MediaSection]) {
        let section = sections.first { !$0.isRejected && $0.hasTransportFeedback }
        numberExtension = section?.extensionID(RTPExtensionURI.transportNumber) ?? 0
    }

    /// Takes note of a packet that was decrypted, whatever it carries: probes count like media.
    @inline(__always)
    mutating func note(_ header: RTPHeader, in packet: UnsafeRawBufferPointer, now: MonotonicTime) {
        arrivals.note(header, in: packet, numberedBy: numberExtension, now: now)
    }

    /// The feedback that is due.
    mutating func due(_ session: Session, now: MonotonicTime) -> [RTCPPacket] {
        guard numberExtension != 0 else { return [] }
        // A browser takes only what is about one of its sources.
        let layers = session.producers.lazy.flatMap(\.layers)
        guard let media = layers.first(where: { $0.statistics.received > 0 })?.ssrc else { return [] }
        return arrivals.due(sender: Session.reporterSSRC, media: media, now: now).map { .transportFeedback($0) }
    }
}
