// What a subscriber knows of one stream: what came, what is missing, when pictures were whole.

import Media
import RTC

/// A received stream that nobody decodes.
struct ReceivedStream {
    let ssrc: UInt32, rtxSSRC: UInt32?
    let isVideo: Bool
    private(set) var statistics: ReceiveStatistics
    private var nack = NackGenerator(patienceMs: 500)
    private var sequence = SequenceUnwrapper()
    private var lastPicture: Int64 = 0
    /// From where on is counted: what came before is another time's.
    private var from: Int64 = -1, countedFrom: UInt64 = 0
    private var unique: UInt64 = 0
    private(set) var needsKeyframe = false

    init(ssrc: UInt32, rtxSSRC: UInt32?, isVideo: Bool) {
        self.ssrc = ssrc
        self.rtxSSRC = rtxSSRC
        self.isVideo = isVideo
        statistics = ReceiveStatistics(clockRate: isVideo ? 90_000 : 48_000)
    }

    /// Whether anything has come.
    var hasBegun: Bool { sequence.highest != nil }

    /// Notes a packet under its own or, in a repeat, its original number.
    @inline(__always)
    mutating func note(
        _ number: UInt16, _ header: RTPHeader, isRTX: Bool, now: MonotonicTime, counters: inout LoadCounters
    ) {
        let place = sequence.unwrap(number)
        unique &+= 1
        if !isRTX { statistics.note(sequence: place, timestamp: header.timestamp, now: now) }
        guard isVideo else { return }
        if !nack.note(place, now: now) { needsKeyframe = true }
        guard header.marker, !isRTX else { return }
        counters.pictures &+= 1
        if lastPicture > 0, now.nanoseconds &- lastPicture > LoadPeer.freezeNanoseconds { counters.freezes &+= 1 }
        lastPicture = now.nanoseconds
    }

    /// What is to be asked for now; after many tries a packet is given up, and a key frame is needed.
    mutating func due(now: MonotonicTime, roundTripMs: Int64) -> [UInt16] {
        guard isVideo else { return [] }
        let before = nack.abandoned
        let lost = nack.due(now: now, roundTripMs: roundTripMs)
        if nack.abandoned > before { needsKeyframe = true }
        return lost
    }

    /// Whether a key frame must be asked for; true once.
    mutating func takeKeyframeNeed() -> Bool {
        defer { needsKeyframe = false }
        return needsKeyframe
    }

    /// The packets that came because they were asked for.
    var recovered: UInt64 { nack.recovered }

    /// Begins to count loss here.
    mutating func beginWindow() {
        from = sequence.highest ?? -1
        countedFrom = unique
    }

    /// The packets that should have come since `beginWindow`, and those that did not.
    var window: (expected: UInt64, lost: UInt64) {
        guard let highest = sequence.highest, from >= 0 else { return (0, 0) }
        let expected = UInt64(max(0, highest - from)), came = unique &- countedFrom
        return (expected, expected > came ? expected - came : 0)
    }

    mutating func report(now: MonotonicTime) -> RTCPReportBlock? { statistics.report(ssrc: ssrc, now: now) }

    mutating func note(senderReport ntp: UInt64, now: MonotonicTime) {
        statistics.note(senderReport: ntp, now: now)
    }
}
