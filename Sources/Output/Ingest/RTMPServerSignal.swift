// What reaches a connection from outside its event loop, as events of its pipeline.

import Media

/// A word to one connection of the server.
enum RTMPServerSignal: Sendable {
    /// A publisher was accepted.
    case granted(IngestGrant)
    /// A player was accepted for an ingest.
    case grantedPlay(ingestID: String)
    /// The request was refused.
    case refused
    /// The publisher before this one has delivered its last event.
    case predecessorEnded
    /// The sink has room again.
    case room
    /// Another publisher has come.
    case replaced
    /// The server is shutting down.
    case shutdown
    /// A step of the stream that is played.
    case media(StreamEvent)
}
