// What publishers and subscribers of the load have in common: a transport behind one address.

import CPacketIO
import Media
import PacketIO
import RTC

/// What the load has counted since the last `reset`.
struct LoadCounters: Sendable {
    /// RTP packets.
    var packetsSent: UInt64 = 0, packetsReceived: UInt64 = 0, bytesReceived: UInt64 = 0
    /// Packets sent again because the server asked, and packets that came because the load asked.
    var packetsRepeated: UInt64 = 0, packetsRecovered: UInt64 = 0
    /// What the load asked for: packets, and key frames.
    var nacks: UInt64 = 0, keyframeRequests: UInt64 = 0
    /// Messages on when packets came (transport-wide feedback): of subscribers, and of the server to publishers.
    var feedbackSent: UInt64 = 0, feedbackReceived: UInt64 = 0
    /// Key frames that the server asked of publishers.
    var keyframesWanted: UInt64 = 0
    /// Whole pictures that arrived, and pauses between two of a track that were longer than `freezeNanoseconds`.
    var pictures: UInt64 = 0, freezes: UInt64 = 0
    /// Datagrams that are of no use here.
    var dropped: UInt64 = 0
}

/// A peer of the load; confined to its thread.
class LoadPeer {
    static let freezeNanoseconds: Int64 = 300_000_000

    let number: Int
    let socket: PeerSocket
    /// The loopback address that it uses, 0 for whatever the route gives.
    let local: UInt32
    let transport: PeerTransport
    var isConnected = false
    private(set) var failure: String?
    private var hasRemote = false

    init(number: Int, socket: PeerSocket, local: UInt32, identity: DTLSIdentity) {
        self.number = number
        self.socket = socket
        self.local = local
        transport = PeerTransport(identity: identity, isServer: false)
    }

    /// What it is called in descriptions; its address is known, and stands there for servers that want one.
    var description: LocalTransport {
        let host = NetworkAddress(ipv4: local == 0 ? 0x7F00_0001 : local, port: socket.port)
        return transport.local(candidates: [ICECandidate(host: host)])
    }

    func connect(_ remote: RemoteTransport, now: MonotonicTime) {
        guard !hasRemote else { return }
        hasRemote = true
        transport.connect(remote, role: remote.setup == .active ? .server : .client, now: now)
        settle()
    }

    /// Follows the transport and sends what it has queued.
    func settle() {
        for (target, bytes) in transport.takeOutgoing() where target.isIPv4 {
            socket.send(bytes, from: local, to: target)
        }
        switch transport.state {
        case .connected: isConnected = true
        case .closed:
            isConnected = false
            failure = transport.closeReason
        case .new: break
        }
    }

    /// Does what is due; called about each 20 ms.
    func tick(now: MonotonicTime, counters: inout LoadCounters) {
        guard hasRemote, failure == nil else { return }
        transport.handleTimeout(now: now)
        settle()
    }

    /// Takes a datagram.
    final func receive(
        _ datagram: UnsafeMutableRawBufferPointer, _ arrival: proscenium_arrival, now: MonotonicTime,
        counters: inout LoadCounters, latency: inout LatencyHistogram
    ) {
        guard datagram.count > 0 else { return counters.dropped &+= 1 }
        let source = NetworkAddress(high: arrival.source.high, low: arrival.source.low, port: arrival.source.port)
        switch transport.receive(datagram, from: source, now: now) {
        case .handled: settle()
        case .rtp(let header, let length, _):
            media(
                header, UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(datagram)[..<length]),
                arrivedAt: arrival.nanoseconds, now: now, counters: &counters, latency: &latency)
        case .rtcp(let packets):
            for packet in packets { control(packet, now: now, counters: &counters) }
            settle()
        case .dropped: counters.dropped &+= 1
        }
    }

    func media(
        _ header: RTPHeader, _ packet: UnsafeRawBufferPointer, arrivedAt: Int64, now: MonotonicTime,
        counters: inout LoadCounters, latency: inout LatencyHistogram
    ) { counters.dropped &+= 1 }

    func control(_ packet: RTCPPacket, now: MonotonicTime, counters: inout LoadCounters) {}
}
