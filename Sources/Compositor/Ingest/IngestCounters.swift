// What the ingests count, by reason.

/// Counters of all ingests.
typealias IngestCounters = CounterSet<IngestCounterName>

enum IngestCounterName: String, CounterName {
    static let prefix = "proscenium_compositor_ingest_"

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
