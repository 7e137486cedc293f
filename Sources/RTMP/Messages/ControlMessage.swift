// Protocol control messages: types 1 to 6 except user control.

/// A message about the connection itself (RTMP 1.0, section 5.4).
enum ControlMessage: Equatable, Sendable {
    case setChunkSize(UInt32)
    case acknowledgement(UInt32)
    case windowAcknowledgementSize(UInt32)
    case setPeerBandwidth(UInt32, limit: UInt8)

    /// Reads a message of type 3, 5 or 6; other types give nil.
    init?(_ message: RTMPMessage) throws(RTMPError) {
        var reader = ByteReader(message.payload)
        switch message.type {
        case MessageType.acknowledgement, MessageType.windowAcknowledgementSize, MessageType.setPeerBandwidth:
            guard let value = reader.big32() else { throw .malformedControlMessage(message.type) }
            if message.type == MessageType.acknowledgement {
                self = .acknowledgement(value)
            } else if message.type == MessageType.windowAcknowledgementSize {
                self = .windowAcknowledgementSize(value)
            } else {
                self = .setPeerBandwidth(value, limit: reader.byte() ?? 2)
            }
        default: return nil
        }
    }

    var message: RTMPMessage {
        var payload: [UInt8] = []
        let type: UInt8
        switch self {
        case .setChunkSize(let size):
            type = MessageType.setChunkSize
            payload.appendBig32(size)
        case .acknowledgement(let count):
            type = MessageType.acknowledgement
            payload.appendBig32(count)
        case .windowAcknowledgementSize(let size):
            type = MessageType.windowAcknowledgementSize
            payload.appendBig32(size)
        case .setPeerBandwidth(let size, let limit):
            type = MessageType.setPeerBandwidth
            payload.appendBig32(size)
            payload.append(limit)
        }
        return RTMPMessage(
            chunkStreamID: ChunkStreamID.control, type: type, streamID: 0, timestamp: 0, payload: payload)
    }
}
