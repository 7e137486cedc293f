// The shard's TCP connections (RFC 6544): whose they are, and what is told of them.

import Control
import Media
import PacketIO
import RTC

extension ShardCore {
    /// Where peers reach the shard: each address by UDP, and behind all of those by TCP.
    static func candidates(_ configuration: ShardConfiguration, port: UInt16) -> [ICECandidate] {
        let transports: [NetworkAddress.Transport] = configuration.streams.listens ? [.udp, .tcp] : [.udp]
        return transports.flatMap { transport in
            configuration.announced.enumerated().map { index, address in
                var place = address.by(transport)
                if place.port == 0 { place.port = port }
                return ICECandidate(host: place, localPreference: UInt16.max - UInt16(index & 255))
            }
        }
    }

    /// A connection belongs to the session whose credential its checks have shown.
    func accepts(stream: NetworkAddress) -> Bool { byAddress[stream] != nil }

    func lost(stream: NetworkAddress, now: MonotonicTime) {
        guard let session = byAddress[stream] else { return }
        session.transport.lost(stream, now: now)
        settle(session, now: now)
    }

    /// Closes the connections that led to a session and do not any more.
    func endStreams(of session: Session, but kept: [NetworkAddress]) {
        for address in session.addresses
        where address.transport == .tcp && !kept.contains(address) && byAddress[address] == nil {
            socket.endStream(address)
        }
    }

    /// What the kernel threw away; it knows no packets, so the shard has counted none of it.
    func addKernelDrops(to result: inout SFUStatistics) {
        let kernel = socket.statistics
        if kernel.receiveDropped > 0 { result.drops[DropReason.receiveBufferFull.name] = kernel.receiveDropped }
        if kernel.sendDropped > 0 { result.drops[DropReason.kernelRefused.name] = kernel.sendDropped }
    }

    func addStreams(to result: inout SFUStatistics) {
        let streams = socket.streamStatistics
        result.streams = streams.open
        result.streamsAccepted = streams.accepted
        result.streamsRefused = streams.refused
        result.streamsUnproven = streams.unproven
        result.streamsMalformed = streams.malformed
        let full = streams.videoDropped &+ streams.otherDropped
        if full > 0 { result.drops[DropReason.streamFull.name] = full }
        if streams.goneDropped > 0 { result.drops[DropReason.streamGone.name] = streams.goneDropped }
    }
}
