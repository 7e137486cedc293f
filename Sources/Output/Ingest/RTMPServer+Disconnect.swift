// Letting a publisher go whose entrance is no more.
import NIOCore

extension RTMPServer {
    /// Ends the publisher of an ingest in order, if there is one; safe from any thread.
    public func disconnect(ingestID: String) {
        guard let channel = registry.publisher(of: ingestID)?.channel else { return }
        channel.eventLoop.execute { channel.pipeline.fireUserInboundEventTriggered(RTMPServerSignal.shutdown) }
    }
}
