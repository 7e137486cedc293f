// What is asked of a publisher again: as often as the way to it is long, and only what somebody still needs.

import Media
import RTC

extension Producer {
    /// How long a repeat is waited for while the way to a publisher is not known, and the longest that is, in milliseconds.
    static let unknownRepeatMs: Int64 = 100, longestRepeatMs: Int64 = 1000
    /// A repeat leaves behind what its publisher has queued, so it takes longer than the answer that the way is measured by.
    static let repeatSlackMs: Int64 = 20

    /// Asks for what is missing of a layer; nil where nothing is due.
    func askAgain(_ layer: Layer, now: MonotonicTime) -> RTCPPacket? {
        guard isVideo, let ssrc = layer.ssrc else { return nil }
        let wait =
            session.roundTripMs.map { min($0 + Self.repeatSlackMs, Self.longestRepeatMs) } ?? Self.unknownRepeatMs
        let lost = layer.nack.due(now: now, roundTripMs: wait)
        guard !lost.isEmpty else { return nil }
        layer.measured.nacks &+= UInt64(lost.count)
        return .nack(.init(sender: Session.reporterSSRC, media: ssrc, lost: lost))
    }
}

extension Session {
    /// Follows what a publisher's line loses of its pictures, each second.
    func followLateness(now: MonotonicTime) {
        var sent = 0.0, lost = 0.0
        for layer in producers.lazy.filter(\.isVideo).flatMap(\.layers) {
            sent += Double(layer.measured.bitrate)
            lost += Double(layer.measured.bitrate) * layer.measured.loss
        }
        guard sent > 0 else { return }
        lateness.follow(
            loss: lost / sent, roundTripMs: Double(roundTripMs ?? Producer.unknownRepeatMs), now: now)
    }
}

extension Layer {
    /// Takes note that a packet begins a key frame, or is of its first ones.
    ///
    /// What is missing of the pictures before it is not asked for any more: receivers go on with the key frame, and the group that
    /// somebody who comes later is shown begins there too. Numbers right before the packet may be the key frame's own, such as
    /// its parameter sets, so those behind the last packet of another picture are kept.
    func hasKeyframe(_ entry: PacketStore.Entry) {
        wantsKeyframe = false
        guard nack.missingCount > 0 else { return }
        let oldest = max(0, entry.sequence - Int64(NackGenerator.maximumMissing))
        var sequence = entry.sequence - 1
        while sequence >= oldest {
            if let other = store.entry(sequence), other.header.timestamp != entry.header.timestamp {
                return nack.forget(before: sequence)
            }
            sequence -= 1
        }
    }
}
