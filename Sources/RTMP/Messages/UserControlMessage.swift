// User control messages: stream begin, ping and their kin.

/// A message of type 4 (RTMP 1.0, section 7.1.7).
enum UserControlMessage: Equatable, Sendable {
    case streamBegin(UInt32)
    case streamEnd(UInt32)
    case pingRequest(UInt32)
    case pingResponse(UInt32)
    case other(UInt16)

    init(_ message: RTMPMessage) throws(RTMPError) {
        var reader = ByteReader(message.payload)
        guard let event = reader.big16() else { throw .malformedControlMessage(message.type) }
        guard event == 0 || event == 1 || event == 6 || event == 7 else {
            self = .other(event)
            return
        }
        guard let value = reader.big32() else { throw .malformedControlMessage(message.type) }
        switch event {
        case 0: self = .streamBegin(value)
        case 1: self = .streamEnd(value)
        case 6: self = .pingRequest(value)
        default: self = .pingResponse(value)
        }
    }

    var message: RTMPMessage {
        var payload: [UInt8] = []
        let (event, value): (UInt16, UInt32?) =
            switch self {
            case .streamBegin(let id): (0, id)
            case .streamEnd(let id): (1, id)
            case .pingRequest(let time): (6, time)
            case .pingResponse(let time): (7, time)
            case .other(let event): (event, nil)
            }
        payload.appendBig16(event)
        if let value { payload.appendBig32(value) }
        return RTMPMessage(
            chunkStreamID: ChunkStreamID.control, type: MessageType.userControl, streamID: 0, timestamp: 0,
            payload: payload)
    }
}
