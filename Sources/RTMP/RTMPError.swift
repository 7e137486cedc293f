// What can be wrong with bytes that a peer sent.

/// A fault in the bytes of an RTMP peer; every one of them ends the connection.
public enum RTMPError: Error, Equatable, Sendable {
    /// The first byte of the handshake is not 3.
    case unsupportedVersion(UInt8)
    /// A chunk stream starts with a header that leans on an earlier one.
    case chunkStreamNotStarted(UInt32)
    /// A new header came inside an unfinished message of the same chunk stream.
    case messageInterrupted(UInt32)
    /// More chunk streams are in use than the limit.
    case tooManyChunkStreams
    /// A message declares more bytes than the limit.
    case messageTooLong(Int)
    /// Unfinished messages hold more bytes together than the limit.
    case tooManyPendingBytes
    /// The peer chose a chunk size below 128 or with the top bit set.
    case badChunkSize(UInt32)
    /// A protocol control message is too short.
    case malformedControlMessage(UInt8)
    /// A command could not be read.
    case malformedCommand
    /// A command came where it makes no sense.
    case unexpectedCommand
    /// An audio or video tag is too short for its header.
    case malformedTag
    /// A decoder configuration could not be read.
    case malformedConfiguration
    /// The codec is neither H.264 nor AAC.
    case unsupportedCodec
    /// An aggregate message holds too many tags or broken ones.
    case malformedAggregate
    /// Too much came before the stream was authorized.
    case tooMuchBeforeAuthorization
}
