// The TCP connections of a loop: who is let in, how long they may be silent, and what is for whom.

import CPacketIO
import Glibc
import Media

/// All TCP connections beside one UDP socket; confined to the thread of its loop.
final class StreamTable {
    private struct Host: Hashable {
        let high: UInt64, low: UInt64
        init(_ address: NetworkAddress) { (high, low) = (address.high, address.isIPv4 ? address.low : 0) }
    }

    static let sweepMs: Int64 = 500, redialMs: Int64 = 1000, maximumDialled = 32
    private static let scratchBytes = StreamDeframer.keptCapacity + (64 << 10)

    let options: StreamOptions
    let listener: Int32
    /// The time of the loop's turn.
    var now: MonotonicTime
    private(set) var statistics = StreamStatistics()
    private let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: scratchBytes, alignment: 16)
    private var epoll: Int32 = -1
    private var byDescriptor: [Int32: StreamConnection] = [:], byAddress: [NetworkAddress: StreamConnection] = [:]
    private var ofHost: [Host: Int] = [:]
    private var unproven: [StreamConnection] = []
    /// Those that something was queued for since they were last written to.
    private var listed: [StreamConnection] = []
    private var refusedDials: [NetworkAddress: MonotonicTime] = [:]
    /// Connections that have ended by themselves and of which the handler does not know yet.
    private var lost: [NetworkAddress] = []
    private var nextSweep: MonotonicTime?, isPaused = false

    /// Opens the listener where one is wanted.
    ///
    /// - Throws: `SocketError` when the port can't be had.
    init(_ address: NetworkAddress, options: StreamOptions) throws(SocketError) {
        self.options = options
        now = SystemClock.monotonic()
        if options.listens {
            listener = proscenium_tcp_listen(
                proscenium_address(high: address.high, low: address.low, port: address.port))
            guard listener >= 0 else { throw SocketError(code: -listener, address: address.by(.tcp)) }
        } else {
            listener = -1
        }
    }

    deinit {
        for descriptor in byDescriptor.keys { close(descriptor) }
        if listener >= 0 { close(listener) }
        scratch.deallocate()
    }

    func attach(epoll: Int32) -> Bool {
        self.epoll = epoll
        return listener < 0 || proscenium_epoll_add(epoll, listener) == 0
    }

    /// When `sweep` wants to be called.
    var deadline: MonotonicTime? { byDescriptor.isEmpty && !isPaused ? nil : nextSweep ?? now }

    // MARK: - Coming and going

    /// Takes who waits at the door, a few at a time.
    func accept() {
        for _ in 0..<16 {
            var peer = proscenium_address()
            let descriptor = proscenium_tcp_accept(listener, &peer)
            guard descriptor >= 0 else {
                // Without descriptors the listener would wake the loop for ever; the next sweep tries again.
                if -descriptor == EMFILE || -descriptor == ENFILE || -descriptor == ENOBUFS || -descriptor == ENOMEM {
                    isPaused = true
                    proscenium_epoll_change(epoll, listener, 0, 0)
                }
                return
            }
            let address = NetworkAddress(high: peer.high, low: peer.low, port: peer.port, transport: .tcp)
            let host = Host(address)
            makeRoom(of: host)
            guard byDescriptor.count < options.maximumConnections, ofHost[host] ?? 0 < options.maximumOfHost,
                byAddress[address] == nil
            else {
                statistics.refused &+= 1
                Glibc.close(descriptor)
                continue
            }
            let connection = StreamConnection(
                descriptor: descriptor, address: address, isProven: false, options: options, now: now)
            guard add(connection) else { continue }
            statistics.accepted &+= 1
            unproven.append(connection)
        }
    }

    /// Closes the oldest that has not shown whose it is, where there are too many of those, or no room beside them.
    private func makeRoom(of host: Host) {
        let same = unproven.filter { Host($0.address) == host }
        let isHostFull = same.count >= options.maximumUnprovenOfHost || ofHost[host] ?? 0 >= options.maximumOfHost
        let isFull =
            unproven.count >= options.maximumUnproven || byDescriptor.count >= options.maximumConnections
        guard let oldest = isHostFull ? same.first : isFull ? unproven.first : nil else { return }
        statistics.unproven &+= 1
        drop(oldest)
    }

    private func add(_ connection: StreamConnection) -> Bool {
        guard proscenium_epoll_add(epoll, connection.descriptor) == 0 else {
            Glibc.close(connection.descriptor)
            return false
        }
        byDescriptor[connection.descriptor] = connection
        byAddress[connection.address] = connection
        ofHost[Host(connection.address), default: 0] += 1
        statistics.open = byDescriptor.count
        return true
    }

    private func drop(_ connection: StreamConnection, tells: Bool = false) {
        guard !connection.isClosed else { return }
        connection.isClosed = true
        statistics.goneDropped &+= UInt64(connection.packets)
        Glibc.close(connection.descriptor)
        byDescriptor[connection.descriptor] = nil
        byAddress[connection.address] = nil
        let host = Host(connection.address), count = (ofHost[host] ?? 1) - 1
        ofHost[host] = count > 0 ? count : nil
        if !connection.isProven { unproven.removeAll { $0 === connection } }
        statistics.open = byDescriptor.count
        if tells { lost.append(connection.address) }
    }

    /// Ends a connection once what waits for it has left.
    func end(_ address: NetworkAddress) {
        guard let connection = byAddress[address] else { return }
        if connection.isEmpty { drop(connection) } else { connection.closesWhenEmpty = true }
    }

    /// The connections that have ended by themselves since the last call.
    func takeLost() -> [NetworkAddress] {
        guard !lost.isEmpty else { return [] }
        defer { lost.removeAll(keepingCapacity: true) }
        return lost
    }

    private func dial(_ address: NetworkAddress) -> StreamConnection? {
        guard options.dials, byDescriptor.count < Self.maximumDialled else { return nil }
        if let last = refusedDials[address], now.milliseconds(since: last) < Self.redialMs { return nil }
        if refusedDials.count > 64 { refusedDials.removeAll() }
        refusedDials[address] = now
        let descriptor = proscenium_tcp_dial(
            proscenium_address(high: address.high, low: address.low, port: address.port))
        guard descriptor >= 0 else { return nil }
        let connection = StreamConnection(
            descriptor: descriptor, address: address, isProven: true, options: options, now: now)
        return add(connection) ? connection : nil
    }

    /// Closes what has been silent for too long.
    func sweep() {
        if let due = nextSweep, now < due { return }
        nextSweep = now.advanced(byMilliseconds: Self.sweepMs)
        if isPaused {
            isPaused = false
            proscenium_epoll_change(epoll, listener, 1, 0)
        }
        while let first = unproven.first, now.milliseconds(since: first.since) >= options.proofMs {
            statistics.unproven &+= 1
            drop(first)
        }
        for connection in Array(byDescriptor.values)
        where now.milliseconds(since: connection.lastHeard) >= options.idleMs {
            drop(connection, tells: true)
        }
    }

    // MARK: - Packets

    /// Whether a descriptor is one of ours.
    func owns(_ descriptor: Int32) -> Bool { byDescriptor[descriptor] != nil }

    /// Writes and reads what can be written and read.
    ///
    /// - Parameters:
    ///   - take: gets each packet, which it may change, with its source.
    ///   - accepts: whether a connection belongs to somebody, asked behind the packets of one that has not shown it yet.
    func progress(
        _ descriptor: Int32, take: (UnsafeMutableRawBufferPointer, NetworkAddress) -> Void,
        accepts: (NetworkAddress) -> Bool
    ) {
        guard let connection = byDescriptor[descriptor] else { return }
        if connection.awaitsRoom { write(connection) }
        // At most four times in a row, so that nobody keeps the others waiting.
        for _ in 0..<4 where !connection.isClosed {
            let kept = connection.deframer.restore(to: scratch), room = Self.scratchBytes - kept
            guard let base = scratch.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return }
            let read = Int(proscenium_tcp_read(descriptor, base + kept, Int32(room)))
            if read == -Int(EAGAIN) || read == -Int(EWOULDBLOCK) { return }
            guard read > 0 else { return drop(connection, tells: true) }
            connection.lastHeard = now
            let bytes = UnsafeMutableRawBufferPointer(rebasing: scratch[..<(kept + read)])
            let outcome = connection.deframer.cut(bytes) { packet in
                statistics.received &+= 1
                take(packet, connection.address)
                if !connection.isProven, !connection.isClosed {
                    guard accepts(connection.address) else {
                        statistics.unproven &+= 1
                        // The answer to its check, which says what is wrong with it, still leaves.
                        write(connection)
                        drop(connection)
                        return false
                    }
                    connection.isProven = true
                    unproven.removeAll { $0 === connection }
                }
                return !connection.isClosed
            }
            if outcome == .oversize {
                statistics.malformed &+= 1
                return drop(connection, tells: true)
            }
            if outcome == .stopped || read < room { return }
        }
    }

    /// Queues a packet.
    @inline(never)
    func send(_ packet: UnsafeRawBufferPointer, to target: NetworkAddress, isVideo: Bool) {
        guard let connection = byAddress[target] ?? dial(target), !connection.closesWhenEmpty else {
            statistics.goneDropped &+= 1
            return
        }
        guard connection.queue(packet, isVideo: isVideo, waitMs: options.waitMs, now: now) else {
            if isVideo { statistics.videoDropped &+= 1 } else { statistics.otherDropped &+= 1 }
            return
        }
        guard !connection.isListed else { return }
        connection.isListed = true
        listed.append(connection)
    }

    /// Whether something was queued since the last flush.
    @inline(__always)
    var isDirty: Bool { !listed.isEmpty }

    /// Writes what was queued.
    func flush() {
        for connection in listed {
            connection.isListed = false
            // The kernel tells when there is room again.
            if !connection.isClosed, !connection.awaitsRoom { write(connection) }
        }
        listed.removeAll(keepingCapacity: true)
    }

    private func write(_ connection: StreamConnection) {
        let stale = now.nanoseconds - 2 * options.waitMs * 1_000_000
        switch connection.write(discardingBefore: stale, &statistics) {
        case .empty:
            if connection.closesWhenEmpty { return drop(connection) }
            guard connection.awaitsRoom else { return }
            connection.awaitsRoom = false
            proscenium_epoll_change(epoll, connection.descriptor, 1, 0)
        case .blocked:
            guard !connection.awaitsRoom else { return }
            connection.awaitsRoom = true
            proscenium_epoll_change(epoll, connection.descriptor, 1, 1)
        case .failed: drop(connection, tells: true)
        }
    }
}
