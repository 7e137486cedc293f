// One connection of the server: the state machine's hands on a channel.

import Logging
import Media
import NIOCore
import NIOSSL
import RTMP

/// Feeds bytes to the machine and does what it says; confined to the channel's event loop.
///
/// Reading stops while the sink has no room, while the key is checked, and while the peer does not read.
final class RTMPServerHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let registry: RTMPServerRegistry
    private let authorizer: any IngestAuthorizer
    private let logger: Logger
    private let remoteAddress: String
    private let ended: EventLoopPromise<Void>
    private var machine: RTMPServerConnection
    private var context: ChannelHandlerContext?
    private var grant: IngestGrant?
    private var predecessorEnded: EventLoopFuture<Void>?
    private var relay: PlayRelay?
    private var player: PlayerView?
    private var held: StreamEvent?
    private var isDraining = false
    private var isPumping = false
    private var hasStarted = false
    private var hasTLSFailed = false
    private var ingestID = ""
    private var hasPendingRead = false
    private var timer: (task: Scheduled<Void>, due: MonotonicTime)?

    init(
        registry: RTMPServerRegistry, authorizer: any IngestAuthorizer, logger: Logger, channel: any Channel,
        now: MonotonicTime
    ) {
        self.registry = registry
        self.authorizer = authorizer
        self.logger = logger
        remoteAddress = channel.remoteAddress?.ipAddress ?? ""
        ended = channel.eventLoop.makePromise()
        var generator = SystemRandomNumberGenerator()
        machine = RTMPServerConnection(limits: registry.limits.connection, using: &generator, now: now)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        schedule()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        connectionClosed()
        self.context = nil
    }

    func channelInactive(context: ChannelHandlerContext) {
        connectionClosed()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = unwrapInboundIn(data)
        registry.count { $0.bytesReceived += UInt64(buffer.readableBytes) }
        buffer.withUnsafeReadableBytes { machine.receive($0, now: SystemClock.monotonic()) }
        pump()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        resumeReading()
        context.fireChannelWritabilityChanged()
    }

    func read(context: ChannelHandlerContext) {
        if isHoldingReads { hasPendingRead = true } else { context.read() }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        logger.debug("RTMP connection failed", metadata: ["peer.address": "\(remoteAddress)", "error": "\(error)"])
        hasTLSFailed =
            hasTLSFailed || (machine.phase == .handshake && (error is NIOSSLError || error is BoringSSLError))
        context.close(promise: nil)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard let signal = event as? RTMPServerSignal else {
            context.fireUserInboundEventTriggered(event)
            return
        }
        let now = SystemClock.monotonic()
        switch signal {
        case .granted(let grant): publish(grant)
        case .grantedPlay(let ingestID): play(ingestID)
        case .refused: machine.reject(.unauthorized, now: now)
        case .predecessorEnded: accept(now: now)
        case .room: break
        case .replaced: drain(.replaced)
        case .shutdown: drain(.shutdown)
        case .media(let event):
            if player?.admits(event, isWritable: context.channel.isWritable) == true {
                machine.send(event)
            } else {
                registry.count { $0.droppedForPlayers += 1 }
            }
        }
        pump()
    }

    // MARK: Actions

    private func pump() {
        guard !isPumping, let context else { return }
        isPumping = true
        let now = SystemClock.monotonic()
        while true {
            if let event = held {
                guard deliver(event) else { break }
                held = nil
            }
            guard let action = machine.nextAction(now: now) else { break }
            switch action {
            case .send(let bytes):
                registry.count { $0.bytesSent += UInt64(bytes.count) }
                context.writeAndFlush(wrapOutboundOut(context.channel.allocator.buffer(bytes: bytes)), promise: nil)
            case .authorize(let request): authorize(request, channel: context.channel)
            case .event(let event): held = event
            case .close(let reason): close(reason, context: context)
            }
        }
        machine.setPaused(held != nil, now: now)
        isPumping = false
        resumeReading()
        schedule()
    }

    /// Offers an event; true when it is done with.
    private func deliver(_ event: StreamEvent) -> Bool {
        guard let grant else { return true }
        let isTaken = grant.sink.offer(event)
        if case .ended = event {
            _ = relay?.publish(event)
            releaseIngest()
            return true
        }
        guard isTaken || isDraining || machine.phase == .closed else {
            registry.count { $0.sinkStalls += 1 }
            return false
        }
        if isTaken {
            let lost = relay?.publish(event) ?? 0
            if lost > 0 { registry.count { $0.droppedForPlayers += UInt64(lost) } }
        } else {
            registry.count { $0.droppedAtEnd += 1 }
        }
        return true
    }

    private func authorize(_ request: RTMPStreamRequest, channel: any Channel) {
        let (authorizer, address, delay) = (authorizer, remoteAddress, registry.limits.refusalDelayMilliseconds)
        Task {
            let signal: RTMPServerSignal
            switch request.purpose {
            case .publish:
                let grant = await authorizer.authorize(
                    app: request.app, streamName: request.streamName, remoteAddress: address)
                signal = grant.map { .granted($0) } ?? .refused
            case .play:
                let ingestID = await authorizer.authorizePlay(
                    app: request.app, streamName: request.streamName, remoteAddress: address)
                signal = ingestID.map { .grantedPlay(ingestID: $0) } ?? .refused
            }
            let send: @Sendable () -> Void = { channel.pipeline.fireUserInboundEventTriggered(signal) }
            if case .refused = signal {
                channel.eventLoop.scheduleTask(in: .milliseconds(delay), send)
            } else {
                channel.eventLoop.execute(send)
            }
        }
    }

    private func publish(_ grant: IngestGrant) {
        guard machine.phase == .authorizing, let context else { return }
        // Who is granted no more must not replace anybody.
        guard grant.isValid() else { return machine.reject(.unauthorized, now: SystemClock.monotonic()) }
        let channel = context.channel
        self.grant = grant
        ingestID = grant.ingestID
        let old = registry.replacePublisher(
            of: grant.ingestID,
            with: .init(id: ObjectIdentifier(self), channel: channel, ended: ended.futureResult))
        // A connection that publishes again after an unpublish comes after itself.
        guard let old, old.id != ObjectIdentifier(self) else {
            accept(now: SystemClock.monotonic())
            return
        }
        predecessorEnded = old.ended
        old.channel.eventLoop.execute {
            old.channel.pipeline.fireUserInboundEventTriggered(RTMPServerSignal.replaced)
        }
        old.ended.whenComplete { _ in
            channel.eventLoop.execute {
                channel.pipeline.fireUserInboundEventTriggered(RTMPServerSignal.predecessorEnded)
            }
        }
    }

    private func accept(now: MonotonicTime) {
        guard machine.phase == .authorizing, let grant, let channel = context?.channel else { return }
        predecessorEnded = nil
        // From here on `disconnect` finds this publisher; what was taken back before must be seen here.
        guard grant.isValid() else { return machine.reject(.unauthorized, now: now) }
        hasStarted = true
        relay = registry.relay(of: grant.ingestID)
        grant.sink.onRoom {
            channel.eventLoop.execute { channel.pipeline.fireUserInboundEventTriggered(RTMPServerSignal.room) }
        }
        machine.accept(now: now)
        logger.info(
            "Publisher started",
            metadata: ["ingest.id": "\(grant.ingestID)", "peer.address": "\(remoteAddress)"])
    }

    private func play(_ ingestID: String) {
        guard machine.phase == .authorizing, let context else { return }
        hasStarted = true
        machine.accept(now: SystemClock.monotonic())
        let slot = PlayerSlot(channel: context.channel)
        player = PlayerView(ingestID: ingestID, slot: slot)
        registry.count { $0.playing += 1 }
        registry.relay(of: ingestID).join(slot)
    }

    // MARK: The end

    private func drain(_ reason: RTMPCloseReason) {
        isDraining = true
        machine.end(reason)
    }

    private func connectionClosed() {
        isDraining = true
        machine.connectionClosed()
        pump()
        timer?.task.cancel()
        timer = nil
    }

    /// Gives the ingest back; the connection may publish another one afterwards.
    private func releaseIngest() {
        if let grant { registry.removePublisher(of: grant.ingestID, id: ObjectIdentifier(self)) }
        grant = nil
        relay = nil
    }

    private func close(_ reason: RTMPCloseReason, context: ChannelHandlerContext) {
        let label = hasTLSFailed ? "tls" : reason.rawValue
        registry.count { counters in
            if hasStarted {
                counters.ended[label, default: 0] += 1
            } else {
                counters.rejected[label, default: 0] += 1
            }
        }
        if hasStarted || reason != .closedByPeer {
            let fault = machine.fault.map { "\($0)" } ?? ""
            logger.info(
                "RTMP connection ends",
                metadata: [
                    "reason": "\(label)", "fault": "\(fault)", "ingest.id": "\(ingestID)",
                    "peer.address": "\(remoteAddress)",
                ])
        }
        releaseIngest()
        if let player {
            let relay = registry.relay(of: player.ingestID)
            relay.leave(player.slot)
            registry.tidyRelay(of: player.ingestID)
            registry.count { $0.playing -= 1 }
        }
        player = nil
        // Who comes after us waits for whom we were waiting for, too.
        if let predecessorEnded { predecessorEnded.cascade(to: ended) } else { ended.succeed() }
        // A close with unread bytes resets the connection and takes the last status with it (hence the wait); the peer
        // closes when it has read that.
        let channel = context.channel
        let linger = reason == .protocolError || reason == .closedByPeer ? 0 : registry.limits.lingerMilliseconds
        let empty = wrapOutboundOut(channel.allocator.buffer(capacity: 0))
        let flushed = channel.eventLoop.makePromise(of: Void.self)
        context.writeAndFlush(empty, promise: flushed)
        if linger == 0 { flushed.futureResult.whenComplete { _ in channel.close(promise: nil) } }
        channel.eventLoop.scheduleTask(in: .milliseconds(max(linger, 100))) { channel.close(promise: nil) }
    }

    // MARK: Reading and time

    private var isHoldingReads: Bool {
        guard machine.phase != .closed, let context else { return false }
        return held != nil || machine.phase == .authorizing || !context.channel.isWritable
    }

    private func resumeReading() {
        guard hasPendingRead, !isHoldingReads, let context else { return }
        hasPendingRead = false
        context.read()
    }

    private func schedule() {
        guard let context, let due = machine.nextDeadline else { return }
        // A deadline that moved on is looked at when the old one comes: no timer per packet.
        if let timer {
            guard due < timer.due else { return }
            timer.task.cancel()
        }
        let wait = max(0, due.nanoseconds(since: SystemClock.monotonic()))
        let task = context.eventLoop.assumeIsolated().scheduleTask(in: .nanoseconds(wait)) {
            self.timer = nil
            self.machine.handleTimeout(now: SystemClock.monotonic())
            self.isDraining = self.isDraining || self.machine.phase == .closed
            self.pump()
        }
        timer = (task, due)
    }
}
