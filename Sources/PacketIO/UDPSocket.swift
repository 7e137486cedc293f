// A UDP socket that reads and writes batches, over memory that is taken once; packets to TCP peers go by their connections.

import CPacketIO
import Glibc
public import Media

/// Why a socket could not be opened.
public struct SocketError: Error, CustomStringConvertible, Sendable {
    /// The number of the system's error.
    public let code: Int32
    /// The address that was asked for.
    public let address: NetworkAddress

    /// One sentence for logs.
    public var description: String {
        let protocolName = address.transport == .tcp ? "TCP" : "UDP"
        return "\(protocolName) \(address.by(.udp)) could not be opened: \(String(cString: strerror(code)))"
    }
}

/// What a socket has done.
public struct SocketStatistics: Sendable, Hashable {
    /// Datagrams.
    public var received: UInt64 = 0, sent: UInt64 = 0
    /// Datagrams that the kernel threw away because nobody read the ones before them, as far as a datagram behind them has told.
    public var receiveDropped: UInt64 = 0
    /// Datagrams that the kernel did not take, or that did not fit into the arena.
    public var sendDropped: UInt64 = 0
    /// Calls of sendmmsg.
    public var sendCalls: UInt64 = 0
    /// Datagrams that left in a message with others.
    public var segmented: UInt64 = 0
}

/// A non-blocking UDP socket; confined to the thread of its loop.
public final class UDPSocket {
    static let slotSize = 2048, batch = 64, arenaSlots = 2048, arenaSlotSize = 1536

    let descriptor: Int32
    /// Where the socket is bound to.
    public let address: NetworkAddress
    /// The buffers that the kernel granted, in bytes.
    public let receiveBufferBytes: Int, sendBufferBytes: Int
    /// What happened so far.
    public private(set) var statistics = SocketStatistics()
    /// The TCP connections beside it, where the loop carries any.
    let streams: StreamTable?
    /// What happened so far on TCP.
    public var streamStatistics: StreamStatistics { streams?.statistics ?? StreamStatistics() }
    private let slots: UnsafeMutablePointer<UInt8>, arena: UnsafeMutablePointer<UInt8>
    private let lengths: UnsafeMutablePointer<Int32>, sources: UnsafeMutablePointer<proscenium_address>
    private let datagrams: UnsafeMutablePointer<proscenium_datagram>
    private let stamps: UnsafeMutablePointer<Int64>
    private var clockOffset: Int64 = 0
    /// What the kernel has counted of the datagrams that it threw away; it wraps.
    private var kernelDropped: UInt32 = 0
    /// When the kernel took the datagram that is being read, where it says; on a machine that is short of time that is long before.
    public private(set) var arrivedAt: MonotonicTime?
    private var queued = 0
    /// From how many equal neighbours on a run goes as one message where nothing else is said: two are cheaper so already.
    public static let segmentRun = 2
    private var segmentRun: Int32

    /// Opens and binds a socket.
    ///
    /// - Parameters:
    ///   - address: port 0 lets the system choose; the IPv6 wildcard takes IPv4 too.
    ///   - bufferBytes: what the kernel is asked for, for each direction; it may grant less.
    ///   - segmentRun: from how many equal neighbours on a run goes as one message, 0 for never.
    ///   - streams: how packets go over TCP, on the same port where that is listened on; nil for not at all.
    /// - Throws: `SocketError`.
    public init(
        _ address: NetworkAddress, bufferBytes: Int = 16 << 20, segmentRun: Int = UDPSocket.segmentRun,
        streams: StreamOptions? = nil
    ) throws(SocketError) {
        let opened = try Self.open(address, bufferBytes: bufferBytes, streams: streams)
        descriptor = opened.descriptor
        self.streams = opened.streams
        self.address = opened.address
        receiveBufferBytes = opened.receiveBytes
        sendBufferBytes = opened.sendBytes
        self.segmentRun = segmentRun > 1 ? Int32(clamping: segmentRun) : 0
        slots = .allocate(capacity: Self.slotSize * Self.batch)
        arena = .allocate(capacity: Self.arenaSlots * Self.arenaSlotSize)
        lengths = .allocate(capacity: Self.batch)
        sources = .allocate(capacity: Self.batch)
        stamps = .allocate(capacity: Self.batch)
        datagrams = .allocate(capacity: Self.arenaSlots)
    }

    private struct Opened {
        let descriptor: Int32, address: NetworkAddress, receiveBytes: Int, sendBytes: Int, streams: StreamTable?
    }

    private static func open(
        _ address: NetworkAddress, bufferBytes: Int, streams options: StreamOptions?, attempt: Int = 1
    ) throws(SocketError) -> Opened {
        let raw = proscenium_address(high: address.high, low: address.low, port: address.port)
        let descriptor = proscenium_udp_open(raw, Int32(clamping: bufferBytes))
        guard descriptor >= 0 else { throw SocketError(code: -descriptor, address: address) }
        var name = proscenium_address(), receive: Int32 = 0, send: Int32 = 0
        proscenium_udp_name(descriptor, &name, &receive, &send)
        let bound = NetworkAddress(high: name.high, low: name.low, port: name.port)
        do throws(SocketError) {
            let streams: StreamTable? = if let options { try StreamTable(bound, options: options) } else { nil }
            return Opened(
                descriptor: descriptor, address: bound, receiveBytes: Int(receive), sendBytes: Int(send),
                streams: streams)
        } catch {
            close(descriptor)
            // A port that the system has chosen may be taken on TCP: another one is as good.
            guard address.port == 0, attempt < 16 else { throw error }
            return try open(address, bufferBytes: bufferBytes, streams: options, attempt: attempt + 1)
        }
    }

    deinit {
        close(descriptor)
        slots.deallocate()
        arena.deallocate()
        lengths.deallocate()
        sources.deallocate()
        stamps.deallocate()
        datagrams.deallocate()
    }

    /// Reads one batch.
    ///
    /// - Parameters:
    ///   - now: a moment before.
    ///   - take: gets each datagram, which it may change, with its source.
    /// - Returns: how many were read.
    @inline(__always)
    func receive(now: MonotonicTime, _ take: (UnsafeMutableRawBufferPointer, NetworkAddress) -> Void) -> Int {
        let before = kernelDropped
        let count = Int(
            proscenium_udp_receive(
                descriptor, slots, Int32(Self.slotSize), Int32(Self.batch), lengths, sources, stamps, &kernelDropped))
        statistics.receiveDropped &+= UInt64(kernelDropped &- before)
        guard count > 0 else { return 0 }
        clockOffset = proscenium_clock_offset(clockOffset)
        defer { arrivedAt = nil }
        statistics.received &+= UInt64(count)
        for index in 0..<count {
            let source = sources[index]
            arrivedAt = arrival(stamps[index], now)
            take(
                UnsafeMutableRawBufferPointer(start: slots + index * Self.slotSize, count: Int(lengths[index])),
                NetworkAddress(high: source.high, low: source.low, port: source.port))
        }
        return count
    }

    /// A stamp on the monotonic clock; one that lies far from now is of a wall clock that was set meanwhile.
    @inline(__always)
    private func arrival(_ stamp: Int64, _ now: MonotonicTime) -> MonotonicTime? {
        guard stamp > 0, clockOffset != 0 else { return nil }
        let moment = stamp &+ clockOffset
        return (moment &- now.nanoseconds).magnitude < 1_000_000_000 ? MonotonicTime(nanoseconds: moment) : nil
    }

    /// Room for the next datagram, valid until `commit`; a full arena is flushed first.
    @inline(__always)
    public func reserve() -> UnsafeMutableRawBufferPointer {
        if queued == Self.arenaSlots { flush() }
        return UnsafeMutableRawBufferPointer(start: arena + queued * Self.arenaSlotSize, count: Self.arenaSlotSize)
    }

    /// Queues the first `length` bytes of what was reserved.
    ///
    /// - Parameters:
    ///   - target: by UDP, or by the TCP connection of this address.
    ///   - isVideo: whether a TCP reader that is too slow has to do without it before anything else.
    @inline(__always)
    public func commit(_ length: Int, to target: NetworkAddress, isVideo: Bool = false) {
        guard length > 0, length <= Self.arenaSlotSize else { return }
        guard target.transport == .udp else {
            streams?.send(
                UnsafeRawBufferPointer(start: arena + queued * Self.arenaSlotSize, count: length), to: target,
                isVideo: isVideo)
            return
        }
        datagrams[queued] = proscenium_datagram(
            offset: UInt32(queued * Self.arenaSlotSize), length: UInt32(length),
            target: proscenium_address(high: target.high, low: target.low, port: target.port))
        queued += 1
    }

    /// Queues a copy of a datagram.
    public func send(_ bytes: [UInt8], to target: NetworkAddress) {
        let room = reserve()
        guard bytes.count <= room.count else {
            statistics.sendDropped &+= 1
            return
        }
        room.copyBytes(from: bytes)
        commit(bytes.count, to: target)
    }

    /// Ends a TCP connection once what waits for it has left; one that is gone is no error.
    public func endStream(_ address: NetworkAddress) { streams?.end(address) }

    /// Hands what is queued to the kernel; what it does not take is dropped and counted.
    public func flush() {
        if let streams, streams.isDirty { streams.flush() }
        guard queued > 0 else { return }
        var result = proscenium_send_result()
        proscenium_udp_send(descriptor, address.isIPv4 ? 1 : 0, arena, datagrams, Int32(queued), &segmentRun, &result)
        queued = 0
        statistics.sent &+= result.sent
        statistics.sendDropped &+= result.dropped
        statistics.sendCalls &+= result.system_calls
        statistics.segmented &+= result.segmented
    }
}
