// One track's sound, between the client's thread and the audio thread.

import Media
import RTCClient
import Synchronization

/// A received Opus track.
final class SoundTrack: Sendable {
    /// By how much what a packet holds was captured before what its stamp says, in nanoseconds.
    private static let lookahead = Int64(OpusDecoder.lookahead) * 1_000_000_000 / 48_000

    let id: Int
    private let inbox = BoundedQueue<SoundPacket>(capacity: SoundFeed.maximumPackets)
    private let goneAt = Mutex<MonotonicTime?>(nil)
    /// Touched by `read` alone, whose calls the room's lock orders.
    private nonisolated(unsafe) var player: SoundPlayer?
    private let playout: SharedPlayout
    private let counters: RoomCounters

    init(id: Int, playout: SharedPlayout, counters: RoomCounters) {
        self.id = id
        self.playout = playout
        self.counters = counters
    }

    func receive(_ received: ReceivedFrame) {
        counters.add(.audioPackets)
        _ = playout.note(id, received, lookahead: Self.lookahead)
        if !inbox.push(SoundPacket(start: received.frame.pts, payload: received.frame.payload)) {
            counters.add(.audioQueueFull)
        }
    }

    func end(at moment: MonotonicTime) { goneAt.withLock { $0 = moment } }

    func isOver(at moment: MonotonicTime) -> Bool { goneAt.withLock { $0.map { moment >= $0 } ?? false } }

    /// Gives the block that is due at a moment; returns false when it is silent.
    ///
    /// One call at a time.
    func read(at moment: MonotonicTime, into out: UnsafeMutableBufferPointer<Float>) -> Bool {
        if player == nil { player = try? SoundPlayer() }
        while let packet = inbox.popNow() { player?.insert(packet) }
        guard let stamp = playout.stamp(id, at: moment) else { return false }
        let isHeard = player?.read(at: Double(stamp) * 48e-6 + Double(OpusDecoder.lookahead), into: out) ?? false
        let report = player?.takeReport() ?? SoundReport()
        counters.add(.audioLate, UInt64(report.late))
        counters.add(.audioCorrupt, UInt64(report.corrupt))
        counters.add(.audioQueueFull, UInt64(report.overflow))
        counters.add(.audioConcealed, UInt64(report.concealed))
        counters.add(.audioRecovered, UInt64(report.recovered))
        counters.add(.audioComfort, UInt64(report.comfort))
        counters.add(.audioSilent, UInt64(report.silent))
        counters.add(.audioJumps, UInt64(report.jumps))
        counters.add(.audioSplices, UInt64(report.splices))
        if report.lateBySamples > 0 {
            playout.noteLate(by: report.lateBySamples &* 1_000_000_000 / 48_000, at: moment, isPicture: false)
        }
        return isHeard
    }
}
