// What the encoder's thread measures: how evenly pictures come, and how old what they show is.

import Media
import Synchronization

/// The intervals between pictures at the encoder, and the way of a camera's picture from the network to the encoder and out of it.
///
/// Noted by the encoder's thread, read by any.
final class LineTimes: Sendable {
    private let intervals = DurationHistogram(
        name: "proscenium_compositor_frame_interval", boundsMs: [5, 20, 30, 37, 45, 60, 100, 200, 500, 1000, 5000])
    private let toEncoder = DurationHistogram(
        name: "proscenium_compositor_camera_to_encoder", boundsMs: [50, 75, 100, 125, 150, 200, 300, 500, 1000])
    private let toStream = DurationHistogram(
        name: "proscenium_compositor_camera_to_stream", boundsMs: [200, 300, 400, 500, 600, 800, 1000, 2000])
    private struct State {
        var last: MonotonicTime?
        /// The arrivals of what the encoder still holds, by the frame's number.
        var arrivals: [Int64: MonotonicTime] = [:]
    }
    private let state = Mutex(State())
    /// More frames than any encoder holds.
    private static let heldLimit = 128

    /// Notes that a picture has reached the encoder.
    ///
    /// - Parameters:
    ///   - index: the frame's number.
    ///   - arrival: when the oldest of the pictures that are new in it had come; nil when none is new.
    ///   - now: the monotonic clock.
    func entered(index: Int64, arrival: MonotonicTime?, at now: MonotonicTime) {
        let last = state.withLock { state in
            defer { state.last = now }
            if let arrival {
                if state.arrivals.count >= Self.heldLimit { state.arrivals.removeAll(keepingCapacity: true) }
                state.arrivals[index] = arrival
            }
            return state.last
        }
        if let last { intervals.note(nanoseconds: now.nanoseconds(since: last)) }
        if let arrival { toEncoder.note(nanoseconds: now.nanoseconds(since: arrival)) }
    }

    /// Notes that a frame has left the encoder.
    func left(index: Int64, at now: MonotonicTime) {
        guard let arrival = state.withLock({ $0.arrivals.removeValue(forKey: index) }) else { return }
        toStream.note(nanoseconds: now.nanoseconds(since: arrival))
    }

    var counters: [String: Double] {
        intervals.counters.merging(toEncoder.counters) { $1 }.merging(toStream.counters) { $1 }
    }
}
