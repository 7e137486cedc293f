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
    /// So many bytes have gone to the network.
    func sent(bytes: Int)
    /// The peer takes no bytes, or takes them again.
    func stuck(_ isStuck: Bool)
    /// Says why the connection is about to end.
    func ending(_ reason: PublishEnd)
}

/// What reaches a connection from outside its event loop.
enum PublishSignal: Sendable {
    /// Frames wait.
    case wake
    /// Finish the stream when what waits has gone out, or after the linger time.
    case finish
}

/// Feeds bytes to the machine and frames to the channel as it takes them; confined to the channel's event loop.
final class PublishHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private static let checkMilliseconds: Int64 = 250
    private static let lingerMilliseconds: Int64 = 1000
    private let source: any PublishSource
    private let stallMilliseconds: Int64, warnMilliseconds: Int64
    private var machine: RTMPClientConnection
    private var context: ChannelHandlerContext?
    private var isPumping = false
    private var hasEnded = false, isStuck = false
    /// Since when what waits is sent for the last time.
    private var finishingSince: MonotonicTime?
    /// Writes that the kernel has not taken whole, and when it last took one.
    private var writesUnderWay = 0
    private var lastProgress: MonotonicTime

    init(
        source: any PublishSource, configuration: RTMPClientConfiguration, stallMilliseconds: Int64,
        warnMilliseconds: Int64, now: MonotonicTime
    ) {
        self.source = source
        self.stallMilliseconds = stallMilliseconds
        self.warnMilliseconds = warnMilliseconds
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
        end(PublishEnd(error))
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard let signal = event as? PublishSignal else {
            context.fireUserInboundEventTriggered(event)
            return
        }
        if case .finish = signal {
            finishingSince = SystemClock.monotonic()
            // A stream that never started has nothing to bring to an end.
            if machine.phase != .running { machine.finish() }
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
            guard machine.phase == .running, context.channel.isWritable else { return }
            guard let events = source.next() else {
                guard finishingSince != nil else { return }
                machine.finish()
                continue
            }
            for event in events { machine.send(event) }
        }
    }

    private func write(_ bytes: [UInt8], _ context: ChannelHandlerContext) {
        if writesUnderWay == 0 { lastProgress = SystemClock.monotonic() }
        writesUnderWay += 1
        let promise = context.eventLoop.makePromise(of: Void.self), count = bytes.count
        promise.futureResult.assumeIsolated().whenComplete { result in
            self.writesUnderWay -= 1
            self.lastProgress = SystemClock.monotonic()
            if case .success = result { self.source.sent(bytes: count) }
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
        if let finishingSince, now.milliseconds(since: finishingSince) >= Self.lingerMilliseconds { machine.finish() }
        let isStuck = writesUnderWay > 0 && now.milliseconds(since: lastProgress) >= warnMilliseconds
        if isStuck != self.isStuck, machine.phase == .running {
            self.isStuck = isStuck
            source.stuck(isStuck)
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
