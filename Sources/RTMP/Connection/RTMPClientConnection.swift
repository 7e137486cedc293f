// The client's side of one RTMP connection: a publisher, or a player.

public import Media

/// A client's state machine: it opens, connects, publishes or plays, and finishes.
///
/// The shell gives it bytes with ``receive(_:now:)`` and events with ``send(_:)``, and takes actions with
/// ``nextAction()`` until that returns nil.
public struct RTMPClientConnection: Sendable {
    /// What the shell has to do.
    public enum Action: Sendable {
        /// Send these bytes.
        case send([UInt8])
        /// The stream runs: a publisher may send events now.
        case started
        /// Pass on a step of the played stream.
        case event(StreamEvent)
        /// Close after all bytes are flushed.
        case close(RTMPClientFailure)
    }

    /// Where the connection stands.
    public enum Phase: String, Sendable { case handshake, connecting, creating, starting, running, closed }

    private enum Transaction {
        static let connect = 1.0
        static let createStream = 4.0
    }

    private let configuration: RTMPClientConfiguration
    private let handshake: ClientHandshake
    private let deadline: MonotonicTime
    private var outbox = Outbox<Action>()
    private var input = InputBuffer()
    private var reader: ChunkReader
    private var chunks = ChunkWriter()
    private var receipts: ReceiptCounter
    private var media = MediaReader()
    private var mediaWriter: MediaWriter
    private var streamID: UInt32 = 0
    /// Where the connection stands.
    public private(set) var phase = Phase.handshake
    /// Why the connection ended, once it has.
    public private(set) var failure: RTMPClientFailure?

    /// Creates the machine of a connection that was opened just now.
    ///
    /// - Parameters:
    ///   - configuration: where to and what for.
    ///   - generator: where the random bytes of the handshake come from.
    ///   - now: the monotonic clock.
    public init(
        _ configuration: RTMPClientConfiguration, using generator: inout some RandomNumberGenerator, now: MonotonicTime
    ) {
        self.configuration = configuration
        handshake = ClientHandshake(using: &generator)
        deadline = now.advanced(byMilliseconds: configuration.startDeadlineMilliseconds)
        reader = ChunkReader(limits: configuration.limits)
        receipts = ReceiptCounter(window: configuration.limits.acknowledgementWindow)
        mediaWriter = MediaWriter(origin: configuration.timestampOrigin)
        outbox.bytes = handshake.opening
    }

    /// What the played stream says of itself.
    public var metadata: StreamMetadata? { media.metadata }

    /// Takes bytes from the server.
    public mutating func receive(_ bytes: UnsafeRawBufferPointer, now: MonotonicTime) {
        guard phase != .closed else { return }
        receipts.received(bytes.count)
        input.append(bytes)
    }

    /// Returns the next thing to do, or nil until something else happens.
    public mutating func nextAction() -> Action? {
        while true {
            if let bytes = outbox.takeBytes() { return .send(bytes) }
            if let action = outbox.takeAction() { return action }
            guard phase != .closed else { return nil }
            do {
                guard try advance() else { return nil }
            } catch {
                close(.protocolError(error))
            }
        }
    }

    private mutating func advance() throws(RTMPError) -> Bool {
        if phase == .handshake {
            guard let answer = try handshake.step(&input) else { return false }
            outbox.bytes += answer
            chunks.changeChunkSize(to: configuration.chunkSize, into: &outbox.bytes)
            connect()
            return true
        }
        if let receipt = receipts.due() { chunks.write(receipt, into: &outbox.bytes) }
        guard let message = try reader.next(from: &input) else { return !outbox.bytes.isEmpty }
        switch message.type {
        case MessageType.commandAMF0, MessageType.commandAMF3:
            guard message.payload.count <= MediaReader.maximumDataLength else { throw .malformedCommand }
            handle(try Command(message))
        case MessageType.userControl:
            if case .pingRequest(let time) = try UserControlMessage(message) {
                chunks.write(UserControlMessage.pingResponse(time).message, into: &outbox.bytes)
            }
        case MessageType.windowAcknowledgementSize:
            if case .windowAcknowledgementSize(let size) = try ControlMessage(message) {
                receipts.window = max(size, 65_536)
            }
        default:
            guard phase == .running, configuration.purpose == .play else { return true }
            var events: [StreamEvent] = []
            try media.read(message, into: &events)
            for event in events { outbox.add(.event(event)) }
        }
        return true
    }

    private mutating func connect() {
        var properties = [
            AMF0Property("app", .string(configuration.app)),
            AMF0Property("flashVer", .string(configuration.flashVersion)),
            AMF0Property("tcUrl", .string(configuration.url)),
        ]
        if configuration.purpose == .publish { properties.insert(AMF0Property("type", .string("nonprivate")), at: 1) }
        command(Command("connect", transaction: Transaction.connect, [.object(properties)]))
        phase = .connecting
    }

    private mutating func handle(_ command: Command) {
        switch command.name {
        case "_result" where phase == .connecting && command.transaction == Transaction.connect: create()
        case "_result" where phase == .creating && command.transaction == Transaction.createStream:
            guard command.values.count > 1, let id = command.values[1].number, id >= 1, id <= Double(UInt32.max) else {
                close(.protocolError(.malformedCommand))
                return
            }
            streamID = UInt32(id)
            start()
        case "_error":
            // Servers without releaseStream and FCPublish answer them with errors; nobody waits for those.
            guard command.transaction == Transaction.connect || command.transaction == Transaction.createStream else {
                return
            }
            close(.refused(code: Self.code(command)))
        case "onStatus": handleStatus(command)
        default: break
        }
    }

    private mutating func create() {
        if configuration.purpose == .publish {
            command(Command("releaseStream", transaction: 2, [.null, .string(configuration.streamName)]))
            command(Command("FCPublish", transaction: 3, [.null, .string(configuration.streamName)]))
        }
        command(Command("createStream", transaction: Transaction.createStream, [.null]))
        phase = .creating
    }

    private mutating func start() {
        let name = AMF0Value.string(configuration.streamName)
        switch configuration.purpose {
        case .publish: command(Command("publish", transaction: 5, [.null, name, .string("live")]), on: streamID)
        case .play: command(Command("play", transaction: 5, [.null, name, .number(-2000)]), on: streamID)
        }
        phase = .starting
    }

    private mutating func handleStatus(_ command: Command) {
        let code = Self.code(command)
        if command.property("level")?.string == "error" {
            close(phase == .running ? .ended(code: code) : .refused(code: code))
            return
        }
        switch code {
        case "NetStream.Publish.Start" where phase == .starting && configuration.purpose == .publish:
            phase = .running
            mediaWriter.writeMetadata(
                configuration.metadata, isPublisher: true, streamID: streamID, chunks: &chunks, into: &outbox.bytes)
            outbox.add(.started)
        case "NetStream.Play.Start" where phase == .starting && configuration.purpose == .play:
            phase = .running
            outbox.add(.started)
        case "NetStream.Unpublish.Success", "NetStream.Play.Stop", "NetStream.Play.UnpublishNotify":
            if phase == .running { close(.ended(code: code)) }
        default: break
        }
    }

    private static func code(_ command: Command) -> String {
        String((command.property("code")?.string ?? "unknown").prefix(128))
    }

    private mutating func command(_ command: Command, on streamID: UInt32 = 0) {
        chunks.write(command.message(streamID: streamID), into: &outbox.bytes)
    }

    /// Sends a step of the stream; ignored unless a publisher runs.
    ///
    /// `.ended` finishes the stream.
    public mutating func send(_ event: StreamEvent) {
        guard phase == .running, configuration.purpose == .publish else { return }
        if case .ended = event {
            finish()
        } else {
            mediaWriter.write(event, streamID: streamID, chunks: &chunks, into: &outbox.bytes)
        }
    }

    /// Ends the stream politely.
    public mutating func finish() {
        guard phase != .closed else { return }
        if phase == .running {
            if configuration.purpose == .publish {
                command(Command("FCUnpublish", transaction: 6, [.null, .string(configuration.streamName)]))
            }
            command(Command("deleteStream", transaction: 7, [.null, .number(Double(streamID))]))
        }
        close(.finished)
    }

    /// Says that the server closed the connection.
    public mutating func connectionClosed() { close(.connectionClosed) }

    /// The moment at which `handleTimeout(now:)` has to be called, or nil.
    public var nextDeadline: MonotonicTime? { phase == .running || phase == .closed ? nil : deadline }

    /// Closes a connection that did not start in time.
    public mutating func handleTimeout(now: MonotonicTime) {
        if let nextDeadline, now >= nextDeadline { close(.startDeadline) }
    }

    private mutating func close(_ failure: RTMPClientFailure) {
        guard phase != .closed else { return }
        if phase == .running, configuration.purpose == .play {
            outbox.add(.event(.ended(reason: "connection ended")))
        }
        phase = .closed
        self.failure = failure
        input.removeAll()
        outbox.add(.close(failure))
    }
}
