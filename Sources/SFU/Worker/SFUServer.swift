// The SFU as a process: a shard, and Studio's commands to it.

public import Control
public import Foundation
public import Logging
import Media
import NIOCore
import NIOPosix
import PacketIO
import ServiceLifecycle
import Synchronization
import UnixSignals

/// How an SFU worker runs.
public struct SFUConfiguration: Sendable {
    /// Studio's internal listener.
    public var studio: URL
    /// The worker's token.
    public var token: String
    /// Where this machine is.
    public var place: String
    /// What is bound, and what peers are told.
    public var addresses: MediaAddresses
    /// From how many equal datagrams to one peer on a run goes as one message; 0 for never.
    public var segmentRun = UDPSocket.segmentRun
    /// How many voices of a room its speakers get: the loudest; 0 for all.
    public var loudestSpeakers = 6

    /// Creates a configuration.
    public init(
        studio: URL, token: String, place: String, addresses: MediaAddresses
    ) {
        self.studio = studio
        self.token = token
        self.place = place
        self.addresses = addresses
    }
}

/// Runs an SFU worker.
public enum SFUServer {
    /// Runs until SIGTERM or SIGINT.
    ///
    /// - Throws: `SocketError` when the port can't be had.
    public static func run(_ configuration: SFUConfiguration, logger: Logger) async throws {
        let addresses = configuration.addresses, link = Link()
        for warning in addresses.warnings { logger.warning("\(warning)") }
        for address in try ReachCheck.unreached(addresses.announced, bind: addresses.bind) {
            logger.warning(
                "an address that speakers are told does not lead here, or the router in front leads nothing back from inside",
                metadata: ["address": "\(address)", "setting": "media-address"])
        }
        var settings = ShardConfiguration(bind: addresses.bind, announced: addresses.announced)
        settings.segmentRun = configuration.segmentRun
        settings.loudestSpeakers = configuration.loudestSpeakers
        let shard = try Shard(settings) { link.report(.sfu($0)) }
        if shard.receiveBufferBytes < 5 << 20 {
            logger.warning(
                "the UDP receive buffer is small; bursts may be lost",
                metadata: ["bytes": "\(shard.receiveBufferBytes)", "hint": "net.core.rmem_max"])
        }
        let registration = WorkerRegistration(
            id: HandedOverToken.subject(of: configuration.token) ?? "sfu", role: .sfu, place: configuration.place,
            capacity: 1, addresses: ["media": Self.told(addresses, port: shard.port)], version: "1")
        let usage = ProcessorUsage(), counters = ShardCounters(shard: shard)
        let connection = WorkerConnection(
            WorkerConnection.Configuration(
                studio: configuration.studio, token: configuration.token, registration: { registration },
                load: { (usage.cores(), counters.latest()) },
                handle: { command in
                    guard case .sfu(let command) = command else { return .failed("an SFU only forwards speakers") }
                    do throws(SFUError) {
                        return .sfu(try await shard.send(command))
                    } catch {
                        return .refused(error)
                    }
                },
                // A Studio from which we were cut off has given the rooms up, and its pages join again. Another Studio asks for them.
                onRegistered: { connection in
                    if !connection.hasNewStudio { shard.send(.closeRooms) { _ in } }
                }), group: MultiThreadedEventLoopGroup.singleton,
            logger: logger)
        link.connection = connection
        let services = ServiceGroup(
            services: [connection], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        try await services.run()
        shard.stop()
    }

    /// The addresses that peers are told, for whoever looks at the registry.
    private static func told(_ addresses: MediaAddresses, port: UInt16) -> String {
        addresses.announced.map { address in
            var address = address
            if address.port == 0 { address.port = port }
            return address.description
        }.joined(separator: ",")
    }

    /// Ties the shard's events to the connection, which is made after it.
    private final class Link: Sendable {
        private let box = Mutex<WorkerConnection?>(nil)
        var connection: WorkerConnection? {
            get { box.withLock { $0 } }
            set { box.withLock { $0 = newValue } }
        }

        func report(_ report: Report) { connection?.report(report) }
    }
}

/// The shard's counters by Prometheus name, one question old, because the shard answers on its own thread.
private final class ShardCounters: Sendable {
    private let shard: Shard
    private let last = Mutex<[String: Double]>([:])

    init(shard: Shard) { self.shard = shard }

    func latest() -> [String: Double] {
        shard.send(.statistics) { [self] result in
            guard case .success(.statistics(let counted)) = result else { return }
            var values = [
                "proscenium_sfu_rooms": Double(counted.rooms), "proscenium_sfu_sessions": Double(counted.sessions),
                "proscenium_sfu_subscriptions_without_codec": Double(counted.consumersWithoutCodec),
                "proscenium_sfu_subscriptions_limited": Double(counted.consumersLimited),
                "proscenium_sfu_subscriptions_paused": Double(counted.consumersPaused),
                "proscenium_sfu_lines_measured": Double(counted.linesMeasured),
                "proscenium_sfu_lines_bits_per_second": Double(counted.linesBitrate),
                "proscenium_sfu_packets_in_total": Double(counted.packetsIn),
                "proscenium_sfu_packets_forwarded_total": Double(counted.packetsForwarded),
                "proscenium_sfu_packets_retransmitted_total": Double(counted.packetsRetransmitted),
                "proscenium_sfu_packets_recovered_total": Double(counted.packetsRecovered),
                "proscenium_sfu_keyframe_requests_total": Double(counted.keyframeRequests),
                "proscenium_sfu_groups_replayed_total": Double(counted.groupsReplayed),
                "proscenium_sfu_send_dropped_total": Double(counted.sendDropped),
                "proscenium_sfu_sessions_away": Double(counted.sessionsAway),
                "proscenium_sfu_sessions_replaced_total": Double(counted.sessionsReplaced),
                "proscenium_sfu_descriptors_refused_total": Double(counted.descriptorsRefused),
                "proscenium_sfu_viewers": Double(counted.viewers),
                "proscenium_sfu_path_moves": Double(counted.pathMoves),
                "proscenium_sfu_tcp_connections": Double(counted.streams),
                "proscenium_sfu_tcp_accepted_total": Double(counted.streamsAccepted),
                "proscenium_sfu_tcp_refused_total": Double(counted.streamsRefused),
                "proscenium_sfu_tcp_unproven_total": Double(counted.streamsUnproven),
                "proscenium_sfu_tcp_malformed_total": Double(counted.streamsMalformed),
            ]
            values.merge(
                ForwardingLatency.series(
                    counted.latencyCounts, nanoseconds: counted.latencyNanoseconds,
                    name: "proscenium_sfu_forwarding_latency")
            ) { $1 }
            for (reason, count) in counted.drops {
                values["proscenium_sfu_dropped_\(reason.map { $0.isLetter ? String($0) : "_" }.joined())_total"] =
                    Double(count)
            }
            last.withLock { $0 = values }
        }
        return last.withLock { $0 }
    }
}
