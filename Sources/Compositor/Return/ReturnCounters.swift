// What the return feed counts.

import Media
import Synchronization

/// Counts of the return feed over all of its connections; noted and read by any thread.
final class ReturnCounters: Sendable {
    /// What is counted, by the end of its Prometheus name.
    enum Name: Int, CaseIterable {
        case framesSent, keyframesSent, framesReplaced, framesRested, framesAwaiting, framesLeftOut, framesRefused
        case encoderFailures, encodeNanoseconds
        case soundSent, soundBlocksDropped, soundRefused
        case connectionsOpened, connectionsLost

        var text: String {
            switch self {
            case .framesSent: "frames_sent"
            case .keyframesSent: "keyframes_sent"
            case .framesReplaced: "frames_replaced"
            case .framesRested: "frames_rested"
            case .framesAwaiting: "frames_awaiting_keyframe"
            case .framesLeftOut: "frames_left_out"
            case .framesRefused: "frames_refused"
            case .encoderFailures: "encoder_failures"
            case .encodeNanoseconds: "encode_seconds"
            case .soundSent: "sound_packets_sent"
            case .soundBlocksDropped: "sound_blocks_dropped"
            case .soundRefused: "sound_packets_refused"
            case .connectionsOpened: "connections_opened"
            case .connectionsLost: "connections_lost"
            }
        }
    }

    private let values = Mutex([UInt64](repeating: 0, count: Name.allCases.count))
    private let encoders = Mutex(Dictionary(uniqueKeysWithValues: ReturnFormat.codecs.map { ($0, 0) }))
    private let delay = DurationHistogram(
        name: "proscenium_compositor_camera_to_return",
        boundsMs: [50, 75, 100, 125, 150, 200, 300, 400, 500, 1000])

    func add(_ name: Name, _ count: UInt64 = 1) { values.withLock { $0[name.rawValue] &+= count } }

    /// Notes encoders that were opened or closed.
    func addEncoders(_ count: Int, of codec: Codec) { encoders.withLock { $0[codec, default: 0] += count } }

    func value(_ name: Name) -> UInt64 { values.withLock { $0[name.rawValue] } }

    /// Notes how long a camera's picture took from its last packet to the feed.
    func note(delayNanoseconds: Int64) { delay.note(nanoseconds: delayNanoseconds) }

    /// By Prometheus name.
    var all: [String: Double] {
        let values = values.withLock { $0 }
        var result = delay.counters
        for name in Name.allCases {
            let value = Double(values[name.rawValue])
            result["proscenium_compositor_return_\(name.text)_total"] = name == .encodeNanoseconds ? value / 1e9 : value
        }
        for (codec, count) in encoders.withLock({ $0 }) {
            result["proscenium_compositor_return_encoders{codec=\"\(codec.rawValue)\"}"] = Double(count)
        }
        return result
    }
}
