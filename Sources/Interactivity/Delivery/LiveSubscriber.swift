// One reader of an event's two logs, whatever carries it.

public import NIOCore
public import Web

/// Which viewers a reader belongs to: chosen by the server from the grant, never by what a client says.
public enum Carrier: Sendable, Hashable, CaseIterable {
    /// Sees the studio, or watches by WebRTC: everything at once.
    case immediate
    /// Watches by HLS: behind the gate.
    case published

    /// The carrier of a caller.
    public init(of principal: Principal) {
        switch principal.role {
        case .admin, .producer, .moderator: self = .immediate
        case .speaker, .captioner, .attendee, .viewer: self = .published
        }
    }
}

/// How a reader wants its messages framed.
public enum LiveForm: Sendable, Hashable {
    /// JSON, for a WebSocket text frame.
    case text
    /// A whole server-sent event.
    case chunk
}

/// One reader; its methods are called under the room's lock, so they neither wait nor call back into the room.
public protocol LiveSubscriber: AnyObject, Sendable {
    /// How messages are framed.
    var form: LiveForm { get }
    /// Queues a message that other readers share; returns false when the reader is gone or was cut.
    func deliver(_ message: ByteBuffer) -> Bool
    /// Ends the connection.
    func end(_ code: UInt16, _ reason: String)
}

/// One message, encoded at most once in each form however many read it.
struct SharedMessage {
    let json: String
    let id: String
    let event: String?
    private var text: ByteBuffer?
    private var chunk: ByteBuffer?

    init(json: String, id: String, event: String? = nil) {
        self.json = json
        self.id = id
        self.event = event
    }

    mutating func buffer(_ form: LiveForm) -> ByteBuffer {
        switch form {
        case .text:
            if let text { return text }
            let made = ByteBuffer(string: json)
            text = made
            return made
        case .chunk:
            if let chunk { return chunk }
            let made = EventStream.chunk(json, event: event, id: id)
            chunk = made
            return made
        }
    }
}
