// One socket for many peers, over memory that is taken once.

import CPacketIO
import Glibc
import Media

/// A socket that each of its peers uses under a loopback address of its own; confined to the load's thread.
///
/// A server tells peers apart by address and port, and a system call for each datagram of each peer would make the load as dear
/// as the server. So up to 200 peers share a port and differ by address: all of 127.0.0.0/8 is this machine's.
final class PeerSocket {
    static let slotSize = 2048, batch = 64, arenaSlots = 256, arenaSlotSize = 1536
    /// The address of a socket's first peer, 127.64.0.1.
    static let firstLocal: UInt32 = 0x7F40_0001

    let descriptor: Int32
    let port: UInt16
    let receiveBufferBytes: Int
    /// The peers by the place of their address.
    var peers: [LoadPeer] = []
    private let slots: UnsafeMutablePointer<UInt8>, arena: UnsafeMutablePointer<UInt8>
    private let arrivals: UnsafeMutablePointer<proscenium_arrival>
    private let departures: UnsafeMutablePointer<proscenium_departure>
    private var queued = 0
    private(set) var sendDropped: UInt64 = 0

    /// Opens a socket on a free port.
    ///
    /// - Throws: `LoadError`.
    init(bufferBytes: Int = 8 << 20, stamps: Bool = true) throws(LoadError) {
        var port: UInt16 = 0, size: Int32 = 0
        let descriptor = proscenium_peers_open(Int32(clamping: bufferBytes), stamps ? 1 : 0, &port, &size)
        guard descriptor >= 0 else {
            throw LoadError("A UDP socket could not be opened: \(String(cString: strerror(-descriptor))).")
        }
        self.descriptor = descriptor
        self.port = port
        receiveBufferBytes = Int(size)
        slots = .allocate(capacity: Self.slotSize * Self.batch)
        arena = .allocate(capacity: Self.arenaSlots * Self.arenaSlotSize)
        arrivals = .allocate(capacity: Self.batch)
        departures = .allocate(capacity: Self.arenaSlots)
    }

    deinit {
        close(descriptor)
        slots.deallocate()
        arena.deallocate()
        arrivals.deallocate()
        departures.deallocate()
    }

    /// Datagrams that the kernel had no room for.
    var kernelDrops: UInt64 { proscenium_peers_drops(descriptor) }

    /// Reads one batch; returns how many there were.
    @inline(__always)
    func receive(_ take: (UnsafeMutableRawBufferPointer, proscenium_arrival) -> Void) -> Int {
        let count = Int(
            proscenium_peers_receive(descriptor, slots, Int32(Self.slotSize), arrivals, Int32(Self.batch)))
        guard count > 0 else { return 0 }
        for index in 0..<count {
            let arrival = arrivals[index]
            take(
                UnsafeMutableRawBufferPointer(start: slots + index * Self.slotSize, count: Int(arrival.length)), arrival
            )
        }
        return count
    }

    /// Room for the next datagram, valid until `commit`.
    @inline(__always)
    func reserve() -> UnsafeMutableRawBufferPointer {
        if queued == Self.arenaSlots { flush() }
        return UnsafeMutableRawBufferPointer(start: arena + queued * Self.arenaSlotSize, count: Self.arenaSlotSize)
    }

    /// Queues the first `length` bytes of what was reserved.
    @inline(__always)
    func commit(_ length: Int, from local: UInt32, to target: NetworkAddress) {
        guard length > 0, length <= Self.arenaSlotSize else { return }
        departures[queued] = proscenium_departure(
            offset: UInt32(queued * Self.arenaSlotSize), length: UInt32(length), local: local,
            target: proscenium_address(high: target.high, low: target.low, port: target.port))
        queued += 1
    }

    /// Queues a copy of a datagram.
    func send(_ bytes: [UInt8], from local: UInt32, to target: NetworkAddress) {
        let room = reserve()
        guard bytes.count <= room.count else { return }
        room.copyBytes(from: bytes)
        commit(bytes.count, from: local, to: target)
    }

    /// Hands what is queued to the kernel.
    func flush() {
        guard queued > 0 else { return }
        let taken = proscenium_peers_send(descriptor, arena, departures, Int32(queued))
        sendDropped &+= UInt64(queued - Int(taken))
        queued = 0
    }
}
