// The server's side of one RTMP connection: bytes, answers and time in, actions out.

public import Media

/// A server's state machine for one publisher or player.
///
/// The shell gives it bytes with ``receive(_:now:)`` and takes actions with ``nextAction(now:)`` until that returns
/// nil. Bytes are understood only as actions are taken, so a shell that has no room for an event just stops taking.
/// After an accepted `publish` exactly one `.ended` event follows, whatever happens.
public struct RTMPServerConnection: Sendable {
    /// What the shell has to do.
    public enum Action: Sendable {
        /// Send these bytes.
        case send([UInt8])
        /// Find out whether the request is allowed, then call `accept(now:)` or `reject(_:now:)`.
        case authorize(RTMPStreamRequest)
        /// Pass on a step of the published stream.
        case event(StreamEvent)
        /// Close after all bytes are flushed.
        case close(RTMPCloseReason)
    }

    /// Where the connection stands.
    public enum Phase: String, Sendable {
        case handshake, connecting, connected, authorizing, publishing, playing, closed
    }

    let limits: RTMPLimits
    var outbox = Outbox<Action>()
    var chunks = ChunkWriter()
    var app = ""
    var request: RTMPStreamRequest?
    var input = InputBuffer()
    private var handshake: ServerHandshake
    private var reader: ChunkReader
    private var receipts: ReceiptCounter
    private var media = MediaReader()
    private var mediaWriter = MediaWriter(origin: 0)
    private var messages = 0
    private var isAuthorized = false
    private var isPaused = false
    private var hasMedia = false
    private var lastReceived: MonotonicTime
    private var phaseStart: MonotonicTime
    private var nextPing: MonotonicTime
    /// Where the connection stands.
    public internal(set) var phase = Phase.handshake
    /// Why the connection was closed, once it is.
    public private(set) var closeReason: RTMPCloseReason?
    /// The fault in the peer's bytes that closed the connection, if one did.
    public private(set) var fault: RTMPError?

    /// Creates the machine of a connection that was accepted just now.
    ///
    /// - Parameters:
    ///   - limits: the bounds in memory and time.
    ///   - generator: where the random bytes of the handshake come from.
    ///   - now: the monotonic clock.
    public init(
        limits: RTMPLimits = RTMPLimits(), using generator: inout some RandomNumberGenerator, now: MonotonicTime
    ) {
        self.limits = limits
        handshake = ServerHandshake(using: &generator)
        reader = ChunkReader(limits: limits)
        receipts = ReceiptCounter(window: limits.acknowledgementWindow)
        lastReceived = now
        phaseStart = now
        nextPing = now.advanced(byMilliseconds: limits.pingIntervalMilliseconds)
    }

    /// What the publisher says of its stream.
    public var metadata: StreamMetadata? { media.metadata }
    /// What was left out of the publisher's stream, by reason.
    public var drops: MediaDrops { media.drops }
    /// The bytes received.
    public var bytesReceived: UInt64 { receipts.total }

    /// Takes bytes from the peer; they are understood as actions are taken.
    public mutating func receive(_ bytes: UnsafeRawBufferPointer, now: MonotonicTime) {
        guard phase != .closed, !bytes.isEmpty else { return }
        lastReceived = now
        receipts.received(bytes.count)
        input.append(bytes)
        // Before the handshake is over everything waits here; later a read may hold a little more than the bound.
        if !isAuthorized, input.count + reader.pendingBytes > limits.maximumBytesBeforeAuthorization {
            fault = .tooMuchBeforeAuthorization
            close(.tooMuchBeforeAuthorization)
        }
    }

    /// Returns the next thing to do, or nil until something else happens.
    public mutating func nextAction(now: MonotonicTime) -> Action? {
        while true {
            if let bytes = outbox.takeBytes() { return .send(bytes) }
            if let action = outbox.takeAction() { return action }
            guard phase != .closed, phase != .authorizing else { return nil }
            do {
                guard try advance(now: now) else { return nil }
            } catch {
                fail(error)
            }
        }
    }

    private mutating func advance(now: MonotonicTime) throws(RTMPError) -> Bool {
        if let receipt = receipts.due(), phase != .handshake { chunks.write(receipt, into: &outbox.bytes) }
        if phase == .handshake {
            switch try handshake.step(&input) {
            case .needsBytes: return false
            case .send(let answer): outbox.bytes += answer
            case .done: phase = .connecting
            }
            return true
        }
        guard let message = try reader.next(from: &input) else {
            if !isAuthorized, reader.pendingBytes + input.count > limits.maximumBytesBeforeAuthorization {
                throw .tooMuchBeforeAuthorization
            }
            return !outbox.bytes.isEmpty
        }
        messages &+= 1
        if !isAuthorized, messages > limits.maximumMessagesBeforeAuthorization { throw .tooMuchBeforeAuthorization }
        try handle(message, now: now)
        return true
    }

    private mutating func handle(_ message: RTMPMessage, now: MonotonicTime) throws(RTMPError) {
        switch message.type {
        case MessageType.commandAMF0, MessageType.commandAMF3:
            guard message.payload.count <= MediaReader.maximumDataLength else { throw .malformedCommand }
            try handle(Command(message), now: now)
        case MessageType.userControl:
            if case .pingRequest(let time) = try UserControlMessage(message) {
                chunks.write(UserControlMessage.pingResponse(time).message, into: &outbox.bytes)
            }
        case MessageType.acknowledgement, MessageType.windowAcknowledgementSize, MessageType.setPeerBandwidth:
            // The peer's window says how often it wants to hear from us; a tiny one is raised to a chunk's worth.
            if case .windowAcknowledgementSize(let size) = try ControlMessage(message) {
                receipts.window = max(size, 65_536)
            }
        default:
            guard phase == .publishing else { return }
            var events: [StreamEvent] = []
            try media.read(message, into: &events)
            if message.type == MessageType.audio || message.type == MessageType.video { hasMedia = true }
            for event in events { outbox.add(.event(event)) }
        }
    }

    private mutating func fail(_ error: RTMPError) {
        fault = error
        switch error {
        case .tooMuchBeforeAuthorization: close(.tooMuchBeforeAuthorization)
        case .unsupportedCodec:
            sendStatus(
                "error", "NetStream.Publish.Rejected", "Only H.264 video and AAC audio are accepted.")
            close(.unsupportedCodec)
        default: close(.protocolError)
        }
    }

    /// Accepts the request that was asked about.
    public mutating func accept(now: MonotonicTime) {
        guard phase == .authorizing, let request else { return }
        isAuthorized = true
        phaseStart = now
        lastReceived = now
        chunks.write(UserControlMessage.streamBegin(Self.streamID).message, into: &outbox.bytes)
        switch request.purpose {
        case .publish:
            phase = .publishing
            hasMedia = false
            media = MediaReader()
            sendStatus("status", "NetStream.Publish.Start", "Publishing.")
        case .play:
            phase = .playing
            mediaWriter = MediaWriter(origin: 0)
            sendStatus("status", "NetStream.Play.Reset", "Playing and resetting.")
            sendStatus("status", "NetStream.Play.Start", "Playing.")
        }
    }

    /// Refuses the request that was asked about: the peer is told why, then the connection closes.
    ///
    /// - Parameters:
    ///   - reason: `.badName` for a name that cannot be used; everything else reads as unauthorized.
    ///   - now: the monotonic clock.
    public mutating func reject(_ reason: RTMPCloseReason, now: MonotonicTime) {
        guard phase == .authorizing, let request else { return }
        let verb = request.purpose == .publish ? "Publish" : "Play"
        if reason == .badName {
            sendStatus("error", "NetStream.\(verb).BadName", "The stream name cannot be used.")
        } else {
            sendStatus("error", "NetStream.\(verb).Unauthorized", "The stream key is not accepted.")
        }
        close(reason)
    }

    /// Ends the connection from the server's side, for instance because another publisher took over.
    public mutating func end(_ reason: RTMPCloseReason) {
        switch phase {
        case .publishing: sendStatus("status", "NetStream.Unpublish.Success", "Ended: \(reason.rawValue).")
        case .playing:
            chunks.write(UserControlMessage.streamEnd(Self.streamID).message, into: &outbox.bytes)
            sendStatus("status", "NetStream.Play.Stop", "Ended: \(reason.rawValue).")
        default: break
        }
        close(reason)
    }

    /// Says that the peer closed the connection.
    public mutating func connectionClosed() { close(.closedByPeer) }

    /// Sends a step of a played stream; ignored in any other phase.
    public mutating func send(_ event: StreamEvent) {
        guard phase == .playing else { return }
        mediaWriter.write(event, streamID: Self.streamID, chunks: &chunks, into: &outbox.bytes)
        if case .ended = event { end(.streamEnded) }
    }

    /// Says that the shell stopped or resumed reading, which keeps silence from being held against the peer.
    public mutating func setPaused(_ paused: Bool, now: MonotonicTime) {
        if isPaused, !paused { lastReceived = now }
        isPaused = paused
    }

    /// The moment at which `handleTimeout(now:)` has to be called, or nil.
    public var nextDeadline: MonotonicTime? {
        switch phase {
        case .closed: nil
        case .handshake, .connecting, .connected:
            phaseStart.advanced(byMilliseconds: limits.commandDeadlineMilliseconds)
        case .authorizing: phaseStart.advanced(byMilliseconds: limits.authorizationDeadlineMilliseconds)
        case .publishing, .playing: min(silenceDeadline ?? nextPing, nextPing)
        }
    }

    private var silenceDeadline: MonotonicTime? {
        guard !isPaused else { return nil }
        if phase == .playing { return lastReceived.advanced(byMilliseconds: limits.playerTimeoutMilliseconds) }
        return hasMedia
            ? lastReceived.advanced(byMilliseconds: limits.idleTimeoutMilliseconds)
            : phaseStart.advanced(byMilliseconds: limits.firstPacketTimeoutMilliseconds)
    }

    /// Does what is due at a moment: closes after a missed deadline, asks for a sign of life.
    public mutating func handleTimeout(now: MonotonicTime) {
        switch phase {
        case .closed: return
        case .handshake, .connecting, .connected:
            if let deadline = nextDeadline, now >= deadline { close(.commandDeadline) }
        case .authorizing:
            if let deadline = nextDeadline, now >= deadline { close(.authorizationDeadline) }
        case .publishing, .playing:
            if let deadline = silenceDeadline, now >= deadline {
                end(.idle)
            } else if now >= nextPing {
                nextPing = now.advanced(byMilliseconds: limits.pingIntervalMilliseconds)
                let time = UInt32(truncatingIfNeeded: now.milliseconds)
                chunks.write(UserControlMessage.pingRequest(time).message, into: &outbox.bytes)
            }
        }
    }

    /// Leaves the publishing or playing phase but keeps the connection, as after `deleteStream`.
    mutating func leaveStream(now: MonotonicTime) {
        if phase == .publishing { outbox.add(.event(.ended(reason: "unpublished"))) }
        phase = .connected
        phaseStart = now
        isAuthorized = false
        messages = 0
    }

    /// Asks the shell about a request.
    mutating func ask(_ request: RTMPStreamRequest, now: MonotonicTime) {
        self.request = request
        phase = .authorizing
        phaseStart = now
        outbox.add(.authorize(request))
    }

    mutating func close(_ reason: RTMPCloseReason) {
        guard phase != .closed else { return }
        if phase == .publishing { outbox.add(.event(.ended(reason: reason.rawValue))) }
        phase = .closed
        closeReason = reason
        input.removeAll()
        outbox.add(.close(reason))
    }
}
