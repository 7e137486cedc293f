// The way to one subscriber: the numbers of its packets over all tracks, and what became of them.

import Media
import RTC

/// A subscriber's transport as congestion control sees it; confined to its shard's thread.
final class Downlink {
    private let history = SendHistory()

    /// The number that the next packet gets.
    @inline(__always)
    var nextNumber: UInt16 { UInt16(truncatingIfNeeded: history.next) }

    /// Takes note of a packet that left under `nextNumber`.
    @inline(__always)
    func note(size: Int, now: MonotonicTime) { history.note(size: size, now: now) }

    /// Takes what the subscriber tells of the packets.
    func take(_ feedback: RTCPTransportFeedback, now: MonotonicTime) {
        history.match(feedback, now: now) { _ in }
    }
}
