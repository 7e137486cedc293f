// From the steps of a stream to audio, video and data messages.

import Media

/// Muxes one stream into chunks: 64-bit times become 32-bit stamps that count from an origin.
struct MediaWriter: Sendable {
    /// The time (timescale 1000) that becomes stamp 0; the first frame's decoding time when nil.
    private var origin: Int64?
    private var lastStamp: UInt32 = 0
    private var programTime: (ProgramTime, pts: Int64)?

    init(origin: Int64?) { self.origin = origin }

    mutating func writeMetadata(
        _ metadata: StreamMetadata, isPublisher: Bool, streamID: UInt32, chunks: inout ChunkWriter,
        into output: inout [UInt8]
    ) {
        var payload: [UInt8] = []
        if isPublisher { AMF0Writer.write(.string("@setDataFrame"), into: &payload) }
        AMF0Writer.write(.string("onMetaData"), into: &payload)
        AMF0Writer.write(metadata.value, into: &payload)
        chunks.write(header(MessageType.dataAMF0, lastStamp, streamID, payload), into: &output)
    }

    /// Writes one step; `.ended` writes nothing.
    mutating func write(
        _ event: StreamEvent, streamID: UInt32, chunks: inout ChunkWriter, into output: inout [UInt8]
    ) {
        switch event {
        case .videoConfiguration(let record):
            let message = header(MessageType.video, lastStamp, streamID)
            record.withBytes {
                chunks.write(header: message, prefix: VideoTag.configurationHeader(), body: $0, into: &output)
            }
        case .audioConfiguration(let record):
            let message = header(MessageType.audio, lastStamp, streamID)
            record.withBytes {
                chunks.write(header: message, prefix: AudioTag.configurationHeader, body: $0, into: &output)
            }
        case .programTime(let time, let pts): programTime = (time, pts)
        case .frame(let frame): write(frame, streamID: streamID, chunks: &chunks, into: &output)
        case .ended: break
        }
    }

    private mutating func write(
        _ frame: EncodedFrame, streamID: UInt32, chunks: inout ChunkWriter, into output: inout [UInt8]
    ) {
        let dts = Self.milliseconds(frame.dts, frame.timescale)
        // Sound that starts a little before the picture has no stamp of its own: what came with another's would be heard late,
        // and all that follows with it by every player that puts one frame after the other.
        if frame.codec == .aac, let origin, dts < origin { return }
        let pts = Self.milliseconds(frame.pts, frame.timescale)
        let stamp = stamp(dts)
        lastStamp = stamp
        switch frame.codec {
        case .h264:
            if let (time, timePTS) = programTime {
                programTime = nil
                let message = header(
                    MessageType.dataAMF0, timePTS == pts ? stamp : self.stamp(timePTS), streamID,
                    ProgramTimeMessage.payload(time))
                chunks.write(message, into: &output)
            }
            let prefix = VideoTag.frameHeader(isKeyframe: frame.isKeyframe, compositionTime: pts &- dts)
            let message = header(MessageType.video, stamp, streamID)
            frame.payload.withBytes { chunks.write(header: message, prefix: prefix, body: $0, into: &output) }
        case .aac:
            let message = header(MessageType.audio, stamp, streamID)
            frame.payload.withBytes {
                chunks.write(header: message, prefix: AudioTag.frameHeader, body: $0, into: &output)
            }
        case .vp8, .vp9, .opus: break
        }
    }

    /// A time before the origin is stamped 0.
    private mutating func stamp(_ milliseconds: Int64) -> UInt32 {
        let start = origin ?? milliseconds
        origin = start
        return UInt32(truncatingIfNeeded: max(0, milliseconds &- start))
    }

    private func header(
        _ type: UInt8, _ stamp: UInt32, _ streamID: UInt32, _ payload: [UInt8] = []
    ) -> RTMPMessage {
        let chunkStream =
            switch type {
            case MessageType.video: ChunkStreamID.video
            case MessageType.audio: ChunkStreamID.audio
            default: ChunkStreamID.data
            }
        return RTMPMessage(
            chunkStreamID: chunkStream, type: type, streamID: streamID, timestamp: stamp, payload: payload)
    }

    private static func milliseconds(_ ticks: Int64, _ timescale: Int32) -> Int64 {
        guard timescale != 1000, timescale > 0 else { return ticks }
        let scale = Int64(timescale)
        let whole = ticks >= 0 ? ticks / scale : -((scale - 1 &- ticks) / scale)
        return whole &* 1000 &+ (ticks &- whole &* scale) &* 1000 / scale
    }
}
