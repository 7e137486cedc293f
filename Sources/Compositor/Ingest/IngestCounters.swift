// What the ingests count, by reason.

internal import Synchronization

/// Counters of all ingests, added to from any thread.
final class IngestCounters: Sendable {
    enum Name: String, CaseIterable {
        case framesReceived = "frames_received"
        case framesDecoded = "frames_decoded"
        case framesCorrupt = "frames_dropped_corrupt"
        case framesNoMemory = "frames_dropped_no_free_picture"
        case framesQueueFull = "frames_dropped_queue_full"
        case framesNoKeyframe = "frames_dropped_awaiting_keyframe"
        case framesHidden = "frames_dropped_hidden"
        case framesLate = "frames_late"
        case framesSkipped = "frames_skipped"
        case soundQueueFull = "sound_dropped_queue_full"
        case soundCorrupt = "sound_dropped_corrupt"
        case soundUnderruns = "sound_underruns"
        case soundJumps = "sound_jumps"
        case soundHoles = "sound_holes"
    }

    private let values = Mutex<[Name: UInt64]>([:])

    func add(_ name: Name, _ amount: UInt64 = 1) {
        guard amount > 0 else { return }
        values.withLock { $0[name, default: 0] &+= amount }
    }

    subscript(_ name: Name) -> UInt64 { values.withLock { $0[name] ?? 0 } }

    /// Every counter by its Prometheus name, zeros too.
    var all: [String: Double] {
        let values = values.withLock { $0 }
        return Dictionary(
            uniqueKeysWithValues: Name.allCases.map {
                ("proscenium_compositor_ingest_\($0.rawValue)_total", Double(values[$0] ?? 0))
            })
    }
}
