// Commands: a name, a transaction number and values.

/// A command message (RTMP 1.0, section 7.1.1), as both sides write it.
struct Command: Equatable, Sendable {
    var name: String
    var transaction: Double
    var values: [AMF0Value]

    init(_ name: String, transaction: Double = 0, _ values: [AMF0Value]) {
        self.name = name
        self.transaction = transaction
        self.values = values
    }

    /// Reads a message of type 20, or 17, which is in practice a zero byte and AMF0.
    init(_ message: RTMPMessage) throws(RTMPError) {
        let values: [AMF0Value]
        do {
            values = try AMF0Reader.values(message.payload, skipping: message.type == MessageType.commandAMF3 ? 1 : 0)
        } catch {
            throw .malformedCommand
        }
        guard case .string(let name)? = values.first else { throw .malformedCommand }
        self.name = name
        if values.count > 1, case .number(let transaction) = values[1] {
            self.transaction = transaction
        } else {
            transaction = 0
        }
        self.values = Array(values.dropFirst(2))
    }

    func message(streamID: UInt32 = 0) -> RTMPMessage {
        var payload: [UInt8] = []
        AMF0Writer.write(.string(name), into: &payload)
        AMF0Writer.write(.number(transaction), into: &payload)
        for value in values { AMF0Writer.write(value, into: &payload) }
        return RTMPMessage(
            chunkStreamID: ChunkStreamID.command, type: MessageType.commandAMF0, streamID: streamID, timestamp: 0,
            payload: payload)
    }

    /// A string among the values, or nil.
    func string(at index: Int) -> String? {
        guard values.indices.contains(index), case .string(let value) = values[index] else { return nil }
        return value
    }

    /// A property of the first value that is an object and has it.
    func property(_ name: String) -> AMF0Value? {
        for value in values {
            if let found = value[name] { return found }
        }
        return nil
    }

    /// An `onStatus` with the usual information object.
    static func onStatus(level: String, code: String, description: String) -> Command {
        Command("onStatus", [.null, status(level: level, code: code, description: description)])
    }

    static func status(level: String, code: String, description: String, more: [AMF0Property] = []) -> AMF0Value {
        .object(
            [
                AMF0Property("level", .string(level)), AMF0Property("code", .string(code)),
                AMF0Property("description", .string(description)),
            ] + more)
    }
}
