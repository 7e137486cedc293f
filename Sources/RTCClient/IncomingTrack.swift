// A track that a client receives: packets in, frames out, what is missing asked for.

import Media
import RTC

/// A received track; confined to the client's thread.
final class IncomingTrack {
    let track: RemoteTrack
    let section: Int
    let ssrc: UInt32, rtxSSRC: UInt32?
    let payloadType: UInt8, rtxPayloadType: UInt8?
    let clockRate: Int64
    var statistics: ReceiveStatistics
    var nack = NackGenerator()
    var lastKeyframeRequest: MonotonicTime?
    private var sequence = SequenceUnwrapper(), timestamps = TimestampUnwrapper()
    private var assembler: FrameAssembler
    private var signals: PictureSignals
    private var told = DiscardedPackets()
    private var reportUnixNanoseconds: Int64?, reportTimestamp: UInt32 = 0
    private let usesNack: Bool

    init(
        track: RemoteTrack, section: Int, source: MediaSection.Source, payloadType: UInt8, rtxPayloadType: UInt8?,
        signals: PictureSignals
    ) {
        self.track = track
        self.section = section
        ssrc = source.ssrc
        rtxSSRC = source.rtx
        self.payloadType = payloadType
        self.signals = signals
        self.rtxPayloadType = rtxPayloadType
        clockRate = track.codec == .opus ? 48_000 : 90_000
        usesNack = track.codec.isVideo
        statistics = ReceiveStatistics(clockRate: Int(clockRate))
        // Lost sound is not sent again: waiting only mends the order, and longer than this it makes the rest late.
        assembler = FrameAssembler(codec: track.codec, maximumWaitMs: track.codec == .opus ? 40 : 500)
    }

    /// Whether a keyframe should be asked for now.
    func needsKeyframe(now: MonotonicTime) -> Bool {
        guard track.codec.isVideo, assembler.needsKeyframe else { return false }
        return lastKeyframeRequest.map { now.milliseconds(since: $0) >= 500 } ?? true
    }

    /// Takes a packet; repeats come through RTX with their own SSRC.
    func receive(_ header: RTPHeader, _ packet: UnsafeRawBufferPointer, now: MonotonicTime) -> DropReason? {
        guard let range = header.payload(in: packet, length: packet.count) else { return .malformedRTP }
        var payload = UnsafeRawBufferPointer(rebasing: packet[range])
        var number = header.sequenceNumber
        let isRTX = header.ssrc == rtxSSRC
        if isRTX {
            guard payload.count >= 2 else { return .padding }
            number = UInt16(payload[0]) << 8 | UInt16(payload[1])
            payload = UnsafeRawBufferPointer(rebasing: payload[2...])
        }
        // Of pictures a number without payload stands where something was taken out that nobody wants.
        guard payload.count > 0 || track.codec.isVideo else { return .padding }
        let unwrapped = sequence.unwrap(number)
        if !isRTX { statistics.note(sequence: unwrapped, timestamp: header.timestamp, now: now) }
        if usesNack, !nack.note(unwrapped, now: now) { lastKeyframeRequest = nil }
        if payload.count > 0 { signals.note(header, packet) }
        assembler.insert(
            sequence: unwrapped, timestamp: header.timestamp, marker: header.marker, payload: payload, now: now)
        return payload.count > 0 ? nil : .padding
    }

    /// The packets that became part of no frame since this was asked last.
    func takeDiscarded() -> DiscardedPackets {
        let all = DiscardedPackets(
            damaged: assembler.damaged, late: assembler.late, abandoned: assembler.abandoned)
        defer { told = all }
        return DiscardedPackets(
            damaged: all.damaged &- told.damaged, late: all.late &- told.late,
            abandoned: all.abandoned &- told.abandoned)
    }

    /// Takes the next whole frame.
    func pop(now: MonotonicTime) -> ReceivedFrame? {
        guard let frame = assembler.pop(now: now) else { return nil }
        let signal = signals.take(
            timestamp: UInt32(truncatingIfNeeded: frame.timestamp), isKeyframe: frame.isKeyframe)
        var capture: Int64?
        if let report = reportUnixNanoseconds {
            let ticks = Int64(Int32(bitPattern: UInt32(truncatingIfNeeded: frame.timestamp) &- reportTimestamp))
            capture = report &+ ticks * 1_000_000_000 / clockRate
        }
        return ReceivedFrame(
            frame: EncodedFrame(
                codec: track.codec, pts: frame.timestamp, dts: frame.timestamp, timescale: Int32(clockRate),
                isKeyframe: frame.isKeyframe, payload: frame.payload),
            arrival: frame.completedAt, captureUnixNanoseconds: capture, followsGap: frame.followsGap,
            signal: signal)
    }

    func note(_ report: RTCPSenderReport, now: MonotonicTime) {
        statistics.note(senderReport: report.ntp, now: now)
        reportUnixNanoseconds = NTPTime.unixNanoseconds(report.ntp)
        reportTimestamp = report.rtpTimestamp
    }
}
