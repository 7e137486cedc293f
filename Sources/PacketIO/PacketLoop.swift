// The packet loop: one thread, one socket with the TCP connections beside it, one timer, one mailbox.

import CPacketIO
import Glibc
public import Media
import Synchronization

/// What runs on a loop.
///
/// Every call comes on the loop's thread.
public protocol PacketHandler: AnyObject, SendableMetatype {
    /// What other threads send to it.
    associatedtype Message: Sendable

    /// Takes one datagram, or one packet of a TCP connection; it lies in memory that is used again after the call.
    func receive(_ datagram: UnsafeMutableRawBufferPointer, from source: NetworkAddress, now: MonotonicTime)
    /// Takes one message.
    func receive(_ message: Message, now: MonotonicTime)
    /// Does what is due; returns when it wants to be called next, or nil.
    func handleTimeout(now: MonotonicTime) -> MonotonicTime?
    /// Whether a TCP connection belongs to somebody, asked behind its first packet; one that does not is closed.
    func accepts(stream: NetworkAddress) -> Bool
    /// Is told that a TCP connection has ended by itself.
    func lost(stream: NetworkAddress, now: MonotonicTime)
    /// Is told that what it queued while it took a batch of packets has been handed to the kernel.
    func flushed()
    /// Is told, last of all, that the loop ends, with the messages that nobody answered.
    func stop(_ unread: [Message])
}

extension PacketHandler {
    /// Nothing is to be done who does not count.
    public func flushed() {}
    /// Nobody is known who carries no TCP.
    public func accepts(stream: NetworkAddress) -> Bool { false }
    /// Nothing is to be done who carries no TCP.
    public func lost(stream: NetworkAddress, now: MonotonicTime) {}
}

/// A thread that waits for datagrams, messages and a moment, and hands them to one handler.
///
/// Sends are flushed once per turn, so that a batch of reads becomes a batch of writes.
public final class PacketLoop<Message: Sendable>: Sendable {
    /// Where the socket is bound to.
    public let address: NetworkAddress
    /// The receive buffer that the kernel granted, in bytes.
    public let receiveBufferBytes: Int
    private let mailbox: Mailbox<Message>
    private let stopping: Atomic<Bool>
    private let stopDescriptor: Int32
    private let thread: Mutex<MediaThread?>

    /// Opens the socket and starts the thread.
    ///
    /// - Parameters:
    ///   - name: of the thread, cut to 15 bytes.
    ///   - address: what to bind to; port 0 lets the system choose.
    ///   - segmentRun: from how many equal neighbours on datagrams go as one message, 0 for never.
    ///   - streams: how packets go over TCP; nil for not at all.
    ///   - makeHandler: makes the handler on the loop's thread; the socket is for it alone.
    /// - Throws: `SocketError`.
    public init<Handler: PacketHandler>(
        name: String, address: NetworkAddress, segmentRun: Int = UDPSocket.segmentRun, streams: StreamOptions? = nil,
        makeHandler: @escaping @Sendable (UDPSocket) -> Handler
    ) throws(SocketError) where Handler.Message == Message {
        let socket = try UDPSocket(address, segmentRun: segmentRun, streams: streams)
        self.address = socket.address
        receiveBufferBytes = socket.receiveBufferBytes
        let mailbox = Mailbox<Message>(), stopDescriptor = proscenium_eventfd()
        self.mailbox = mailbox
        self.stopDescriptor = stopDescriptor
        stopping = Atomic(false)
        // The socket is made here, so that errors are thrown, and then belongs to the thread.
        nonisolated(unsafe) let owned = socket
        thread = Mutex(nil)
        let started = MediaThread(name: name) {
            Self.run(owned, mailbox, stopDescriptor, makeHandler(owned))
        }
        thread.withLock { $0 = started }
    }

    deinit {
        stop()
        close(stopDescriptor)
    }

    /// Posts a message to the handler; returns false when the loop has ended or its mailbox is full.
    @discardableResult
    public func post(_ message: Message) -> Bool { mailbox.post(message) }

    /// Ends the loop and waits for its thread; not to be called on that thread.
    public func stop() {
        guard !stopping.exchange(true, ordering: .acquiringAndReleasing) else { return }
        proscenium_eventfd_signal(stopDescriptor)
        thread.withLock { thread in
            thread?.join()
            thread = nil
        }
    }

    private static func run<Handler: PacketHandler>(
        _ socket: UDPSocket, _ mailbox: Mailbox<Message>, _ stopDescriptor: Int32, _ handler: Handler
    ) where Handler.Message == Message {
        let epoll = proscenium_epoll(), timer = proscenium_timerfd()
        defer {
            close(epoll)
            close(timer)
            handler.stop(mailbox.seal())
            socket.flush()
        }
        for descriptor in [socket.descriptor, timer, mailbox.descriptor, stopDescriptor] {
            guard proscenium_epoll_add(epoll, descriptor) == 0 else { return }
        }
        let streams = socket.streams
        if let streams, !streams.attach(epoll: epoll) { return }
        var ready = [Int32](repeating: -1, count: 64)
        var armed = Int64.min
        func rearm(_ deadline: MonotonicTime?) {
            let moment = deadline.map { max(1, $0.nanoseconds) } ?? 0
            guard moment != armed else { return }
            armed = moment
            proscenium_timerfd_set(timer, moment)
        }
        var deadline = handler.handleTimeout(now: SystemClock.monotonic())
        while true {
            if let streams, let sweep = streams.deadline { deadline = deadline.map { min($0, sweep) } ?? sweep }
            rearm(deadline)
            let count = Int(proscenium_epoll_wait(epoll, &ready, Int32(ready.count)))
            guard count >= 0 else { return }
            streams?.now = SystemClock.monotonic()
            for descriptor in ready[..<count] {
                if descriptor == stopDescriptor { return }
                if descriptor == timer { proscenium_timerfd_clear(timer) }
                if descriptor == mailbox.descriptor {
                    let now = SystemClock.monotonic()
                    for message in mailbox.takeAll() { handler.receive(message, now: now) }
                }
                if descriptor == socket.descriptor {
                    // At most four batches in a row, so that a flood can't keep the timer and the mailbox waiting.
                    for _ in 0..<4 {
                        let now = SystemClock.monotonic()
                        let read = socket.receive(now: now) { handler.receive($0, from: $1, now: now) }
                        socket.flush()
                        handler.flushed()
                        if read < UDPSocket.batch { break }
                    }
                } else if let streams, descriptor == streams.listener {
                    streams.accept()
                } else if let streams, streams.owns(descriptor) {
                    let now = SystemClock.monotonic()
                    streams.now = now
                    streams.progress(
                        descriptor, take: { handler.receive($0, from: $1, now: now) },
                        accepts: { handler.accepts(stream: $0) })
                    socket.flush()
                    handler.flushed()
                }
            }
            if let streams {
                streams.now = SystemClock.monotonic()
                streams.sweep()
                for address in streams.takeLost() { handler.lost(stream: address, now: streams.now) }
            }
            deadline = handler.handleTimeout(now: SystemClock.monotonic())
            socket.flush()
        }
    }
}
