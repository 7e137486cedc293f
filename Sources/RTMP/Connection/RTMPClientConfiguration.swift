// What a client connects to and says of itself.

/// The settings of a client connection.
public struct RTMPClientConfiguration: Sendable {
    /// Whether to send or to receive the stream.
    public var purpose = RTMPStreamRequest.Purpose.publish
    /// The application: the first part of the URL's path.
    public var app: String
    /// The URL without the stream name, which is a secret and never part of it.
    public var url: String
    /// The stream name or key.
    public var streamName: String
    /// The name that we give ourselves; servers look for FMLE.
    public var flashVersion = "FMLE/3.0 (compatible; Proscenium)"
    /// The chunk size of what we send.
    public var chunkSize = 4096
    /// What is said of the stream in `onMetaData`.
    public var metadata = StreamMetadata()
    /// The time (timescale 1000) that becomes stamp 0; the first frame's decoding time when nil.
    public var timestampOrigin: Int64?
    /// The most time from the opened connection to the started stream.
    public var startDeadlineMilliseconds: Int64 = 10_000
    /// The bounds in memory.
    public var limits = RTMPLimits()

    /// Creates settings.
    public init(app: String, url: String, streamName: String) {
        self.app = app
        self.url = url
        self.streamName = streamName
    }
}

/// Why a client connection ended.
public enum RTMPClientFailure: Error, Equatable, Sendable {
    /// The server refused, with its code such as `NetStream.Publish.Unauthorized`.
    case refused(code: String)
    /// The server ended a running stream, with its code.
    case ended(code: String)
    /// The server's bytes are not RTMP, or break a bound.
    case protocolError(RTMPError)
    /// The stream did not start in time.
    case startDeadline
    /// The connection was closed by the other side.
    case connectionClosed
    /// We finished.
    case finished
}
