// From messages to chunks.

/// Cuts messages into chunks (RTMP 1.0, section 5.3), with the shortest header that every client reads alike.
///
/// A message never starts with format 3: what its delta means after format 0 is read differently. The extended
/// timestamp is repeated in every format 3 chunk, as Adobe does.
struct ChunkWriter: Sendable {
    private struct Last: Sendable {
        var timestamp: UInt32
        var length: Int
        var type: UInt8
        var streamID: UInt32
    }

    private var last: [UInt32: Last] = [:]
    private(set) var chunkSize = 128

    /// Tells the peer a new chunk size and uses it from then on.
    mutating func changeChunkSize(to size: Int, into output: inout [UInt8]) {
        let size = min(max(size, ChunkReader.minimumChunkSize), ChunkReader.maximumChunkSize)
        write(ControlMessage.setChunkSize(UInt32(size)).message, into: &output)
        chunkSize = size
    }

    mutating func write(_ message: RTMPMessage, into output: inout [UInt8]) {
        message.payload.withUnsafeBytes { write(header: message, prefix: [], body: $0, into: &output) }
    }

    /// Writes a message whose payload is a prefix and a body, and whose own `payload` is not looked at.
    mutating func write(
        header: RTMPMessage, prefix: [UInt8], body: UnsafeRawBufferPointer, into output: inout [UInt8]
    ) {
        let length = prefix.count + body.count
        let id = header.chunkStreamID
        let extended = writeHeader(header, length: length, into: &output)
        if output.count < 64 { output.reserveCapacity(output.count + length + 8 * (length / chunkSize + 1)) }
        var done = 0
        repeat {
            if done > 0 {
                Self.writeBasicHeader(format: 3, id: id, into: &output)
                if let extended { output.appendBig32(extended) }
            }
            let end = min(length, done + chunkSize)
            if done < prefix.count { output.append(contentsOf: prefix[done..<min(end, prefix.count)]) }
            if end > prefix.count {
                let start = max(done, prefix.count) - prefix.count
                output.append(contentsOf: UnsafeRawBufferPointer(rebasing: body[start..<end - prefix.count]))
            }
            done = end
        } while done < length
        last[id] = Last(
            timestamp: header.timestamp, length: length, type: header.type, streamID: header.streamID)
    }

    /// Writes the first header of a message and returns its extended timestamp, if it has one.
    private func writeHeader(_ header: RTMPMessage, length: Int, into output: inout [UInt8]) -> UInt32? {
        let id = header.chunkStreamID
        if let previous = last[id], previous.streamID == header.streamID, header.timestamp >= previous.timestamp,
            header.timestamp - previous.timestamp < 0xFF_FFFF
        {
            let isSameShape = previous.length == length && previous.type == header.type
            Self.writeBasicHeader(format: isSameShape ? 2 : 1, id: id, into: &output)
            output.appendBig24(header.timestamp - previous.timestamp)
            if !isSameShape {
                output.appendBig24(UInt32(truncatingIfNeeded: length))
                output.append(header.type)
            }
            return nil
        }
        let isExtended = header.timestamp >= 0xFF_FFFF
        Self.writeBasicHeader(format: 0, id: id, into: &output)
        output.appendBig24(isExtended ? 0xFF_FFFF : header.timestamp)
        output.appendBig24(UInt32(truncatingIfNeeded: length))
        output.append(header.type)
        output.appendBig32(header.streamID.byteSwapped)
        if isExtended { output.appendBig32(header.timestamp) }
        return isExtended ? header.timestamp : nil
    }

    private static func writeBasicHeader(format: UInt8, id: UInt32, into output: inout [UInt8]) {
        if id < 64 {
            output.append(format << 6 | UInt8(truncatingIfNeeded: id))
        } else if id < 320 {
            output.append(format << 6)
            output.append(UInt8(truncatingIfNeeded: id - 64))
        } else {
            output.append(format << 6 | 1)
            output.append(UInt8(truncatingIfNeeded: id - 64))
            output.append(UInt8(truncatingIfNeeded: (id - 64) >> 8))
        }
    }
}
