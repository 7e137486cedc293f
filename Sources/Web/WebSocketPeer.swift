// One WebSocket connection: text messages in and out, pings, bounded sending (RFC 6455).

public import NIOCore
internal import NIOHTTP1
import NIOWebSocket
internal import Synchronization

/// Who is told what happens on a WebSocket; called on the connection's event loop.
public protocol WebSocketHandler: AnyObject, Sendable {
    /// The connection is open.
    func opened(_ peer: WebSocketPeer)
    /// A whole text message has come.
    func received(_ text: String, from peer: WebSocketPeer)
    /// The connection is gone; called once.
    func closed(_ peer: WebSocketPeer)
}

/// The ends of a WebSocket conversation that this project uses, beside RFC 6455 §7.4.1.
public enum WebSocketCloseCode {
    /// A message broke the rules.
    public static let policyViolation: UInt16 = 1008
    /// The server goes away for a moment; come back after the hint.
    public static let serviceRestart: UInt16 = 1012
    /// A page gives its sessions up, and comes back with others.
    public static let comesBack: UInt16 = 4000
    /// The token was revoked or has expired.
    public static let unauthorized: UInt16 = 4401
    /// The client reads too slowly.
    public static let slowReader: UInt16 = 4408
    /// Too many connections or messages.
    public static let tooMany: UInt16 = 4429
}

/// One end of a WebSocket; sending is safe from any thread.
public final class WebSocketPeer: Sendable {
    /// The channel under it.
    public let channel: any Channel
    private let masks: Bool
    private let pendingLimitBytes: Int
    private let pendingBytes = Atomic<Int>(0)
    private let isClosing = Atomic<Bool>(false)
    private let closeCode = Atomic<UInt16>(0)

    /// The code with which the other end has closed the connection; nil while it has not, and where it gave none.
    public var receivedCloseCode: UInt16? {
        let code = closeCode.load(ordering: .relaxed)
        return code == 0 ? nil : code
    }

    fileprivate func noteClose(_ code: UInt16) { closeCode.store(code, ordering: .relaxed) }

    /// Creates a peer.
    ///
    /// - Parameters:
    ///   - channel: the upgraded channel.
    ///   - masks: whether frames are masked: true for clients (RFC 6455 §5.3).
    ///   - pendingLimitBytes: with more unsent bytes than this, the reader is too slow and is cut.
    public init(channel: any Channel, masks: Bool, pendingLimitBytes: Int = 256 * 1024) {
        self.channel = channel
        self.masks = masks
        self.pendingLimitBytes = pendingLimitBytes
    }

    /// Sends a text message; a reader that is too slow is cut with code 4408.
    ///
    /// - Parameter text: UTF-8; the buffer may be shared by many peers.
    /// - Returns: false when the connection is closing.
    @discardableResult
    public func send(_ text: ByteBuffer) -> Bool {
        guard !isClosing.load(ordering: .relaxed) else { return false }
        let size = text.readableBytes + 14
        let waiting = pendingBytes.add(size, ordering: .relaxed).newValue
        guard waiting <= pendingLimitBytes else {
            close(WebSocketCloseCode.slowReader, "reads too slowly")
            return false
        }
        let frame = WebSocketFrame(fin: true, opcode: .text, maskKey: masks ? .random() : nil, data: text)
        let promise = channel.eventLoop.makePromise(of: Void.self)
        promise.futureResult.whenComplete { [self] _ in _ = pendingBytes.subtract(size, ordering: .relaxed) }
        channel.writeAndFlush(frame, promise: promise)
        return true
    }

    /// Sends a text message.
    @discardableResult
    public func send(_ text: String) -> Bool { send(ByteBuffer(string: text)) }

    /// Closes the connection with a code and a reason; a peer that does not answer is cut after two seconds.
    public func close(_ code: UInt16, _ reason: String) {
        guard !isClosing.exchange(true, ordering: .relaxed) else { return }
        var data = ByteBuffer()
        data.writeInteger(code)
        data.writeString(String(reason.prefix(100)))
        let frame = WebSocketFrame(fin: true, opcode: .connectionClose, maskKey: masks ? .random() : nil, data: data)
        channel.writeAndFlush(frame, promise: nil)
        channel.eventLoop.scheduleTask(in: .seconds(2)) { [channel] in channel.close(promise: nil) }
    }

    /// Adds the handlers of a WebSocket to an upgraded channel.
    ///
    /// - Parameters:
    ///   - channel: a channel with frame encoder and decoder.
    ///   - handler: who is told.
    ///   - masks: true for clients.
    ///   - pendingLimitBytes: see `init`.
    public static func install(
        on channel: any Channel, handler: any WebSocketHandler, masks: Bool, pendingLimitBytes: Int = 256 * 1024,
        maxMessageBytes: Int = 256 * 1024
    ) -> EventLoopFuture<WebSocketPeer> {
        channel.eventLoop.makeCompletedFuture {
            let peer = WebSocketPeer(channel: channel, masks: masks, pendingLimitBytes: pendingLimitBytes)
            let pipeline = channel.pipeline.syncOperations
            try pipeline.addHandler(
                NIOWebSocketFrameAggregator(
                    minNonFinalFragmentSize: 0, maxAccumulatedFrameCount: 64, maxAccumulatedFrameSize: maxMessageBytes))
            try pipeline.addHandler(WebSocketConnection(peer: peer, handler: handler, masks: masks))
            return peer
        }
    }
}

/// Reads frames, answers control frames, and keeps the connection alive.
private final class WebSocketConnection: ChannelInboundHandler {
    typealias InboundIn = WebSocketFrame
    typealias OutboundOut = WebSocketFrame

    private static let pingInterval = TimeAmount.seconds(25)
    private let peer: WebSocketPeer
    private let handler: any WebSocketHandler
    private let masks: Bool
    private var pinger: RepeatedTask?
    private var hasHeard = true
    private var hasOpened = false

    init(peer: WebSocketPeer, handler: any WebSocketHandler, masks: Bool) {
        self.peer = peer
        self.handler = handler
        self.masks = masks
    }

    func handlerAdded(context: ChannelHandlerContext) {
        guard context.channel.isActive else { return }
        hasOpened = true
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        pinger = context.eventLoop.scheduleRepeatedTask(initialDelay: Self.pingInterval, delay: Self.pingInterval) {
            _ in
            let (connection, context) = bound.value
            connection.ping(context)
        }
        // The handler may write at once; the upgrade's own bytes must leave first.
        context.eventLoop.execute {
            let (connection, _) = bound.value
            connection.handler.opened(connection.peer)
        }
    }

    private func ping(_ context: ChannelHandlerContext) {
        guard hasHeard else { return context.close(promise: nil) }
        hasHeard = false
        send(.ping, ByteBuffer(), context)
    }

    private func send(_ opcode: WebSocketOpcode, _ data: ByteBuffer, _ context: ChannelHandlerContext) {
        let frame = WebSocketFrame(fin: true, opcode: opcode, maskKey: masks ? .random() : nil, data: data)
        context.writeAndFlush(wrapOutboundOut(frame), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        hasHeard = true
        let frame = unwrapInboundIn(data)
        switch frame.opcode {
        case .text:
            var bytes = frame.unmaskedData
            guard let text = try? bytes.readUTF8ValidatedString(length: bytes.readableBytes) else {
                return peer.close(1007, "not UTF-8")
            }
            handler.received(text, from: peer)
        case .binary: peer.close(1003, "text only")
        case .ping:
            // Only the latest ping needs an answer (RFC 6455 §5.5.3), and one who does not read gets none.
            if context.channel.isWritable { send(.pong, frame.unmaskedData, context) }
        case .connectionClose:
            var data = frame.unmaskedData
            if let code = data.readInteger(as: UInt16.self) { peer.noteClose(code) }
            send(.connectionClose, frame.unmaskedData, context)
            context.close(promise: nil)
        default: break
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // The listener allows half-closed connections for HTTP; a WebSocket whose other end says no more is gone.
        if case .inputClosed? = event as? ChannelEvent { context.close(promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        pinger?.cancel()
        if hasOpened {
            hasOpened = false
            handler.closed(peer)
        }
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
