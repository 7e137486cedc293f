// What the room's end counts, by reason.

/// Counters of a room's end.
typealias RoomCounters = CounterSet<RoomCounterName>

enum RoomCounterName: String, CounterName {
    static let prefix = "proscenium_compositor_room_"

    case packetsDamaged = "packets_dropped_damaged"
    case packetsLate = "packets_dropped_late"
    case packetsAbandoned = "packets_dropped_after_gap"
    case framesReceived = "frames_received"
    case framesDecoded = "frames_decoded"
    case pixelsDecoded = "pixels_decoded"
    case framesCorrupt = "frames_dropped_corrupt"
    case framesTooLarge = "frames_dropped_too_large"
    case framesNoMemory = "frames_dropped_no_free_picture"
    case framesQueueFull = "frames_dropped_queue_full"
    case framesNoKeyframe = "frames_dropped_awaiting_keyframe"
    case framesHidden = "frames_dropped_hidden"
    case framesLate = "frames_late"
    case framesSkipped = "frames_skipped"
    case keyframeRequests = "keyframe_requests"
    case tracksRefused = "tracks_refused"
    case audioPackets = "audio_packets"
    case audioQueueFull = "audio_dropped_queue_full"
    case audioLate = "audio_dropped_late"
    case audioCorrupt = "audio_dropped_corrupt"
    case audioConcealed = "audio_concealed_samples"
    case audioRecovered = "audio_recovered_samples"
    case audioComfort = "audio_comfort_samples"
    case audioSilent = "audio_silent_samples"
    case audioJumps = "audio_jumps"
    case audioSplices = "audio_splices"
    case connectionsOpened = "connections_opened"
    case connectionsLost = "connections_lost"
}
