// From chunks to messages, without trusting a length before its bytes are there.

/// Puts the chunks of a peer together (RTMP 1.0, section 5.3).
///
/// Memory grows with the bytes that came, never with the lengths they declare. Set Chunk Size and Abort belong to this
/// layer and are obeyed here.
struct ChunkReader: Sendable {
    /// The largest chunk of the specification; sizes above are legal on the wire but mean "never split".
    static let maximumChunkSize = 0xFF_FFFF
    /// Smaller chunks burn a core in headers (red5-server#475).
    static let minimumChunkSize = 128

    private struct Stream: Sendable {
        let id: UInt32
        var timestamp: UInt32 = 0
        var delta: UInt32 = 0
        /// The value of the extended field of the last full header, if that had one.
        var extended: UInt32?
        var isAbsolute = true
        var length = 0
        var type: UInt8 = 0
        var streamID: UInt32 = 0
        var isAssembling = false
        var payload: [UInt8] = []
    }

    private let limits: RTMPLimits
    private var streams: [Stream] = []
    private var current: Int?
    private var chunkRemaining = 0
    private(set) var chunkSize = 128
    /// The bytes of unfinished messages.
    private(set) var pendingBytes = 0

    init(limits: RTMPLimits) { self.limits = limits }

    /// Returns the next whole message, or nil when more bytes are needed.
    mutating func next(from input: inout InputBuffer) throws(RTMPError) -> RTMPMessage? {
        while true {
            guard let index = current else {
                guard try readHeader(&input) else { return nil }
                continue
            }
            let available = min(chunkRemaining, input.count)
            pendingBytes += available
            guard pendingBytes <= limits.maximumPendingBytes else { throw .tooManyPendingBytes }
            input.move(available, to: &streams[index].payload)
            chunkRemaining -= available
            guard chunkRemaining == 0 else { return nil }
            current = nil
            guard streams[index].payload.count == streams[index].length else { continue }
            let message = finish(index)
            guard try !obey(message) else { continue }
            return message
        }
    }

    private mutating func finish(_ index: Int) -> RTMPMessage {
        let stream = streams[index]
        pendingBytes -= stream.payload.count
        streams[index].payload = []
        streams[index].isAssembling = false
        return RTMPMessage(
            chunkStreamID: stream.id, type: stream.type, streamID: stream.streamID, timestamp: stream.timestamp,
            payload: stream.payload)
    }

    private mutating func obey(_ message: RTMPMessage) throws(RTMPError) -> Bool {
        guard message.type == MessageType.setChunkSize || message.type == MessageType.abort else { return false }
        var reader = ByteReader(message.payload)
        guard let value = reader.big32() else { throw .malformedControlMessage(message.type) }
        if message.type == MessageType.abort {
            if let index = streams.firstIndex(where: { $0.id == value }) { _ = finish(index) }
            return true
        }
        // Hardware encoders send up to 2^31 - 1 (nginx-rtmp#1042).
        guard value >= Self.minimumChunkSize, value <= 0x7FFF_FFFF else { throw .badChunkSize(value) }
        chunkSize = min(Int(value), Self.maximumChunkSize)
        return true
    }

    /// Reads one chunk header whole, or nothing at all and returns false.
    private mutating func readHeader(_ input: inout InputBuffer) throws(RTMPError) -> Bool {
        guard let (format, id, basicLength) = Self.basicHeader(input) else { return false }
        let known = streams.firstIndex { $0.id == id }
        // librtmp starts a chunk stream with format 1 for its ping; 2 and 3 would have no length.
        guard known != nil || format <= 1 else { throw .chunkStreamNotStarted(id) }
        guard known != nil || streams.count < limits.maximumChunkStreams else { throw .tooManyChunkStreams }
        var stream =
            known.map { index in
                var copy = streams[index]
                copy.payload = []
                return copy
            } ?? Stream(id: id)
        guard format == 3 || !stream.isAssembling else { throw .messageInterrupted(id) }

        var used = basicLength
        if format < 3 {
            let headerLength = format == 0 ? 11 : format == 1 ? 7 : 3
            guard input.count >= used + headerLength else { return false }
            let field = input.big24(at: used)
            if format <= 1 {
                stream.length = Int(input.big24(at: used + 3))
                stream.type = input[used + 6]
            }
            if format == 0 {
                stream.streamID =
                    UInt32(input[used + 7]) | UInt32(input[used + 8]) << 8 | UInt32(input[used + 9]) << 16
                    | UInt32(input[used + 10]) << 24
            }
            used += headerLength
            stream.extended = nil
            if field == 0xFF_FFFF {
                guard input.count >= used + 4 else { return false }
                stream.extended = input.big32(at: used)
                used += 4
            }
            stream.delta = stream.extended ?? field
            stream.isAbsolute = format == 0
            stream.timestamp = format == 0 ? stream.delta : stream.timestamp &+ stream.delta
        } else {
            if let extended = stream.extended {
                guard let repeated = Self.repeats(extended, in: input, at: used) else { return false }
                used += repeated ? 4 : 0
            }
            // Section 5.3.1.2.4: after format 0 the delta of format 3 is the timestamp itself. Not so with an extended
            // one: doubling a clock of hours is never meant, and SRS reads the repeated field as the absolute time.
            if !stream.isAssembling, !(stream.isAbsolute && stream.extended != nil) {
                stream.timestamp = stream.timestamp &+ stream.delta
            }
        }

        guard stream.length <= limits.maximumMessageLength else { throw .messageTooLong(stream.length) }
        let index = known ?? streams.count
        if let known {
            stream.payload = []
            swap(&stream.payload, &streams[known].payload)
            streams[known] = stream
        } else {
            streams.append(stream)
        }
        stream.payload = []
        input.drop(used)
        chunkRemaining = min(chunkSize, streams[index].length - streams[index].payload.count)
        if !streams[index].isAssembling {
            streams[index].isAssembling = true
            streams[index].payload.reserveCapacity(min(streams[index].length, input.count))
        }
        current = index
        return true
    }

    private static func basicHeader(_ input: InputBuffer) -> (format: UInt8, id: UInt32, length: Int)? {
        guard input.count >= 1 else { return nil }
        let format = input[0] >> 6
        switch input[0] & 0x3F {
        case 0: return input.count >= 2 ? (format, 64 + UInt32(input[1]), 2) : nil
        case 1: return input.count >= 3 ? (format, 64 + UInt32(input[1]) + UInt32(input[2]) << 8, 3) : nil
        case let id: return (format, UInt32(id), 1)
        }
    }

    /// Whether the extended timestamp is repeated in a format 3 chunk; nil while the bytes do not tell yet.
    ///
    /// Adobe repeats it. librtmp, FFmpeg and OBS before 2024 did not, so those 4 bytes may be payload.
    private static func repeats(_ value: UInt32, in input: InputBuffer, at offset: Int) -> Bool? {
        for index in 0..<4 {
            guard input.count > offset + index else { return nil }
            let expected = UInt8(truncatingIfNeeded: value >> UInt32(24 - 8 * index))
            if input[offset + index] != expected { return false }
        }
        return true
    }
}
