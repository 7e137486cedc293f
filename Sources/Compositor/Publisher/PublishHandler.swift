// One connection of the publisher: the client machine's hands on a TLS channel.

internal import Media
internal import NIOCore
internal import RTMP

/// What a connection asks of the publisher; called on the event loop.
protocol PublishSource: AnyObject, Sendable {
    /// The stream runs: what is taken from now on begins at an IDR.
    func started()
    /// Takes the next frame with what goes before it.
    func next() -> [StreamEvent]?
    /// So many bytes were handed to the channel.
    func sent(bytes: Int)
    /// Says why the connection is about to end.
    func ending(_ reason: PublishEnd)
}

/// Why a connection ended.
enum PublishEnd: Equatable, Sendable {
    /// It could not be made, with what the network or TLS says.
    case unreachable(String)
    /// The protocol ended it.
    case failed(RTMPClientFailure)
    /// No byte went out for too long.
    case stalled
}

/// What reaches a connection from outside its event loop.
enum PublishSignal: Sendable {
    /// Frames wait.
    case wake
    /// Finish the stream.
    case finish
}

/// Feeds bytes to the machine and frames to the channel as it takes them; confined to the channel's event loop.
final class PublishHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private static let checkMilliseconds: Int64 = 250
    private static let lingerMilliseconds: Int64 = 1000
    private let source: any PublishSource
    private let stallMilliseconds: Int64
    private var machine: RTMPClientConnection
    private var context: ChannelHandlerContext?
    private var isPumping = false
    private var hasEnded = false
    /// Writes that the kernel has not taken whole, and when it last took one.
    private var writesUnderWay = 0
    private var lastProgress: MonotonicTime

    init(
        source: any PublishSource, configuration: RTMPClientConfiguration, stallMilliseconds: Int64, now: MonotonicTime
    ) {
        self.source = source
        self.stallMilliseconds = stallMilliseconds
        var generator = SystemRandomNumberGenerator()
        machine = RTMPClientConnection(configuration, using: &generator, now: now)
        lastProgress = now
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        pump()
        check()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        hasEnded = true
        self.context = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        unwrapInboundIn(data).withUnsafeReadableBytes { machine.receive($0, now: SystemClock.monotonic()) }
        pump()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        pump()
        context.fireChannelWritabilityChanged()
    }

    func channelInactive(context: ChannelHandlerContext) {
        machine.connectionClosed()
        pump()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        end(.unreachable("\(error)"))
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard let signal = event as? PublishSignal else {
            context.fireUserInboundEventTriggered(event)
            return
        }
        if case .finish = signal {
            pump()
            machine.finish()
        }
        pump()
    }

    /// Does what the machine says, and gives it frames while the channel takes them.
    private func pump() {
        guard !isPumping, !hasEnded, let context else { return }
        isPumping = true
        defer { isPumping = false }
        while true {
            while let action = machine.nextAction() {
                switch action {
                case .send(let bytes): write(bytes, context)
                case .started: source.started()
                case .event: break
                case .close(let failure): return end(.failed(failure))
                }
            }
            guard machine.phase == .running, context.channel.isWritable, let events = source.next() else { return }
            for event in events { machine.send(event) }
        }
    }

    private func write(_ bytes: [UInt8], _ context: ChannelHandlerContext) {
        if writesUnderWay == 0 { lastProgress = SystemClock.monotonic() }
        writesUnderWay += 1
        source.sent(bytes: bytes.count)
        let promise = context.eventLoop.makePromise(of: Void.self)
        promise.futureResult.assumeIsolated().whenComplete { _ in
            self.writesUnderWay -= 1
            self.lastProgress = SystemClock.monotonic()
        }
        // The channel says whether it takes more only after a flush: TLS holds what is not flushed.
        context.writeAndFlush(wrapOutboundOut(context.channel.allocator.buffer(bytes: bytes)), promise: promise)
    }

    /// Looks after the deadlines of the start and of progress.
    private func check() {
        guard !hasEnded, let context else { return }
        let now = SystemClock.monotonic()
        machine.handleTimeout(now: now)
        if writesUnderWay > 0, now.milliseconds(since: lastProgress) >= stallMilliseconds {
            return end(.stalled)
        }
        pump()
        context.eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(Self.checkMilliseconds)) { self.check() }
    }

    private func end(_ reason: PublishEnd) {
        guard !hasEnded, let context else { return }
        hasEnded = true
        source.ending(reason)
        let channel = context.channel
        guard case .failed(.finished) = reason else { return channel.close(promise: nil) }
        // What was written before goes out, unless the peer no longer reads.
        let flushed = channel.eventLoop.makePromise(of: Void.self)
        flushed.futureResult.whenComplete { _ in channel.close(promise: nil) }
        context.writeAndFlush(wrapOutboundOut(channel.allocator.buffer(capacity: 0)), promise: flushed)
        channel.eventLoop.scheduleTask(in: .milliseconds(Self.lingerMilliseconds)) { channel.close(promise: nil) }
    }
}
