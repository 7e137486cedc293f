// Why a connection is closed.

/// Why a connection ends; raw values are the labels of counters.
public enum RTMPCloseReason: String, Sendable, Hashable, CaseIterable {
    /// The peer closed the connection.
    case closedByPeer = "closed-by-peer"
    /// The bytes are not RTMP, or break one of its bounds.
    case protocolError = "protocol-error"
    /// Too much came before the stream was authorized.
    case tooMuchBeforeAuthorization = "too-much-before-authorization"
    /// Neither `publish` nor `play` came in time.
    case commandDeadline = "command-deadline"
    /// The authorization was not answered in time.
    case authorizationDeadline = "authorization-deadline"
    /// The key is not accepted.
    case unauthorized
    /// The stream name cannot be used, or is in use.
    case badName = "bad-name"
    /// The codec is neither H.264 nor AAC.
    case unsupportedCodec = "unsupported-codec"
    /// Nothing came for too long.
    case idle
    /// Another publisher took the stream over.
    case replaced
    /// The server is shutting down.
    case shutdown
    /// The stream that was played has ended.
    case streamEnded = "stream-ended"
    /// The server refused what the client asked for.
    case refused
}
