// Who may publish or play what, and where the events go: the two seams of the RTMP server.

public import Media

/// Decides on requests of RTMP peers; comparing keys in constant time is its work.
public protocol IngestAuthorizer: Sendable {
    /// Returns where a publisher's stream goes, or nil to refuse it.
    ///
    /// - Parameters:
    ///   - app: the application, without slashes at its ends.
    ///   - streamName: the key; never to be logged.
    ///   - remoteAddress: the peer's IP address.
    func authorize(app: String, streamName: String, remoteAddress: String) async -> IngestGrant?

    /// Returns the ingest that a player may receive, or nil to refuse it; refuses everybody by default.
    ///
    /// - Parameters:
    ///   - app: the application, without slashes at its ends.
    ///   - streamName: the name or key; never to be logged.
    ///   - remoteAddress: the peer's IP address.
    func authorizePlay(app: String, streamName: String, remoteAddress: String) async -> String?
}

extension IngestAuthorizer {
    /// Refuses every player.
    public func authorizePlay(app: String, streamName: String, remoteAddress: String) async -> String? { nil }
}

/// An accepted publisher: which ingest it feeds, and where its events go.
public struct IngestGrant: Sendable {
    /// The ingest; a new publisher of the same ingest replaces the old one.
    public var ingestID: String
    /// Where the events go.
    public var sink: any IngestSink
    /// Whether it still holds; asked again once the publisher is known to the server, on its event loop.
    ///
    /// Between the decision and that moment nobody can let the publisher go, because nobody knows it yet.
    public var isValid: @Sendable () -> Bool

    /// Creates a grant.
    public init(ingestID: String, sink: any IngestSink, isValid: @escaping @Sendable () -> Bool = { true }) {
        self.ingestID = ingestID
        self.sink = sink
        self.isValid = isValid
    }
}

/// Takes the events of one publisher after another.
public protocol IngestSink: Sendable {
    /// Takes an event, or returns false when there is no room; then the server stops reading from the publisher.
    ///
    /// Called on the connection's event loop, so it must not block. `.ended` is always taken. A stream that was refused
    /// an event offers the same event again.
    func offer(_ event: StreamEvent) -> Bool

    /// Hands over what to call, from any thread, when there is room after a refusal; a later one replaces it.
    func onRoom(_ resume: @escaping @Sendable () -> Void)
}
