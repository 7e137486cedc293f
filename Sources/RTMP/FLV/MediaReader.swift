// From audio, video and data messages to the steps of a stream.

import Media

/// Demuxes the messages of one published stream.
///
/// A configuration is reported when it differs from the last one: encoders repeat them (SRS#4695). An `onProgramTime`
/// waits for the next frame, because its stamp is a decoding time and the event carries a presentation time.
struct MediaReader: Sendable {
    static let maximumAggregateTags = 4096
    /// Data messages longer than this are captions or junk that we do not read.
    static let maximumDataLength = 64 << 10

    private var clock = TimestampUnwrapper()
    private var video: (bytes: [UInt8], configuration: AVCConfiguration)?
    private var audio: [UInt8]?
    private var programTime: (ProgramTime, stamp: UInt32)?
    private(set) var metadata: StreamMetadata?
    private(set) var drops = MediaDrops()

    /// Reads a message of type audio, video, data or aggregate; others are passed over.
    mutating func read(_ message: RTMPMessage, into events: inout [StreamEvent]) throws(RTMPError) {
        switch message.type {
        case MessageType.video: try readVideo(message.payload, message.timestamp, &events)
        case MessageType.audio: try readAudio(message.payload, message.timestamp, &events)
        case MessageType.dataAMF0: readData(message, skipping: 0)
        case MessageType.dataAMF3: readData(message, skipping: 1)
        case MessageType.aggregate: try readAggregate(message, &events)
        default: break
        }
    }

    private mutating func readVideo(
        _ payload: [UInt8], _ stamp: UInt32, _ events: inout [StreamEvent]
    ) throws(RTMPError) {
        switch try VideoTag(payload) {
        case .nothing: break
        case .configuration(let range):
            // The end of the specification's "empty sequence header" is not a configuration.
            guard !range.isEmpty, video.map({ !payload[range].elementsEqual($0.bytes) }) ?? true else { return }
            let bytes = Array(payload[range])
            video = (bytes, try AVCConfiguration(payload[range]))
            events.append(.videoConfiguration(ByteBlock(bytes)))
        case .frame(let compositionTime, let range):
            guard let video else {
                drops.beforeConfiguration &+= 1
                return
            }
            guard let units = NALUnits(payload, range, lengthSize: video.configuration.lengthSize) else {
                drops.malformedFrames &+= 1
                return
            }
            let dts = clock.unwrap(stamp)
            let pts = dts &+ Int64(compositionTime)
            if let (time, timeStamp) = programTime {
                programTime = nil
                events.append(.programTime(time, pts: timeStamp == stamp ? pts : clock.peek(timeStamp)))
            }
            events.append(
                .frame(
                    EncodedFrame(
                        codec: .h264, pts: pts, dts: dts, timescale: 1000, isKeyframe: units.hasIDR,
                        payload: units.payload)))
        }
    }

    private mutating func readAudio(
        _ payload: [UInt8], _ stamp: UInt32, _ events: inout [StreamEvent]
    ) throws(RTMPError) {
        switch try AudioTag(payload) {
        case .nothing: break
        case .configuration(let range):
            guard range.count >= 2, range.count <= 64 else { throw .malformedConfiguration }
            guard audio.map({ !payload[range].elementsEqual($0) }) ?? true else { return }
            audio = Array(payload[range])
            events.append(.audioConfiguration(ByteBlock(Array(payload[range]))))
        case .frame(let range):
            guard audio != nil else {
                drops.beforeConfiguration &+= 1
                return
            }
            let time = clock.unwrap(stamp)
            let block = payload.withUnsafeBytes {
                ByteBlock(copying: UnsafeRawBufferPointer(rebasing: $0[range]))
            }
            events.append(
                .frame(
                    EncodedFrame(
                        codec: .aac, pts: time, dts: time, timescale: 1000, isKeyframe: true, payload: block)))
        }
    }

    private mutating func readData(_ message: RTMPMessage, skipping: Int) {
        guard message.payload.count <= Self.maximumDataLength,
            let values = try? AMF0Reader.values(message.payload, skipping: skipping), let name = values.first?.string
        else {
            drops.unreadableData &+= 1
            return
        }
        switch name {
        case "@setDataFrame":
            guard values.count > 2, values[1].string == "onMetaData" else { return }
            metadata = StreamMetadata(values[2]) ?? metadata
        case "onMetaData":
            guard values.count > 1 else { return }
            metadata = StreamMetadata(values[1]) ?? metadata
        case ProgramTimeMessage.name:
            if let time = ProgramTimeMessage.read(values) { programTime = (time, message.timestamp) }
        default: drops.otherData &+= 1
        }
    }

    /// Takes FLV tags one after another; their stamps count from that of the first (RTMP 1.0, section 7.1.6).
    private mutating func readAggregate(_ message: RTMPMessage, _ events: inout [StreamEvent]) throws(RTMPError) {
        var reader = ByteReader(message.payload)
        var first: UInt32?
        var tags = 0
        while reader.remaining > 0 {
            tags += 1
            guard tags <= Self.maximumAggregateTags, let type = reader.byte(), let length = reader.big24(),
                let low = reader.big24(), let high = reader.byte(), reader.big24() != nil,
                let range = reader.range(Int(length)), reader.big32() != nil
            else { throw .malformedAggregate }
            let stamp = UInt32(high) << 24 | low
            let offset = stamp &- (first ?? stamp)
            first = first ?? stamp
            guard type != MessageType.aggregate else { throw .malformedAggregate }
            try read(
                RTMPMessage(
                    chunkStreamID: message.chunkStreamID, type: type, streamID: message.streamID,
                    timestamp: message.timestamp &+ offset, payload: Array(message.payload[range])),
                into: &events)
        }
    }
}

/// What a demuxer left out, by reason.
public struct MediaDrops: Equatable, Sendable {
    /// Frames that came before their decoder configuration.
    public var beforeConfiguration: UInt64 = 0
    /// Video frames whose NAL lengths do not add up.
    public var malformedFrames: UInt64 = 0
    /// Data messages that could not be read.
    public var unreadableData: UInt64 = 0
    /// Data messages that nobody here understands, such as captions and cue points.
    public var otherData: UInt64 = 0

    /// Creates zeros.
    public init() {}
}
