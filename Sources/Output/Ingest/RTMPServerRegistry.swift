// What the connections of one server share: who is there, who publishes what, and the counters.

import Media
import NIOCore
import NIOSSL
import Synchronization

/// The shared state of a server's connections; every call is short and from any event loop.
final class RTMPServerRegistry: Sendable {
    /// A publisher as its successor sees it.
    struct Publisher: Sendable {
        let id: ObjectIdentifier
        let channel: any Channel
        /// Succeeds when the publisher's last event has been delivered.
        let ended: EventLoopFuture<Void>
    }

    private struct State {
        var counters = RTMPServerCounters()
        var channels: [ObjectIdentifier: any Channel] = [:]
        var perAddress: [String: Int] = [:]
        var publishers: [String: Publisher] = [:]
        var relays: [String: PlayRelay] = [:]
        var tls: NIOSSLContext?
        var isShutDown = false
    }

    let limits: RTMPServerLimits
    private let state: Mutex<State>

    init(limits: RTMPServerLimits, tls: NIOSSLContext?) {
        self.limits = limits
        var state = State()
        state.tls = tls
        self.state = Mutex(state)
    }

    var tls: NIOSSLContext? { state.withLock { $0.tls } }
    func setTLS(_ context: NIOSSLContext) { state.withLock { $0.tls = context } }

    var counters: RTMPServerCounters { state.withLock { $0.counters } }
    func count(_ change: (inout RTMPServerCounters) -> Void) { state.withLock { change(&$0.counters) } }

    /// Lets a connection in, or returns the reason why not.
    func admit(_ channel: any Channel) -> String? {
        let key = NetworkAddress.network(of: channel.remoteAddress?.ipAddress ?? "")
        return state.withLock { state in
            state.counters.accepted += 1
            let reason: String? =
                if state.isShutDown {
                    "shutdown"
                } else if state.channels.count >= limits.maximumConnections {
                    "too-many-connections"
                } else if state.perAddress[key, default: 0] >= limits.maximumConnectionsPerAddress {
                    "too-many-of-address"
                } else {
                    nil
                }
            if let reason {
                state.counters.rejected[reason, default: 0] += 1
                return reason
            }
            state.channels[ObjectIdentifier(channel)] = channel
            state.perAddress[key, default: 0] += 1
            state.counters.open = state.channels.count
            return nil
        }
    }

    /// Forgets a connection that was let in.
    func leave(_ channel: any Channel, address: SocketAddress?) {
        let key = NetworkAddress.network(of: address?.ipAddress ?? "")
        state.withLock { state in
            guard state.channels.removeValue(forKey: ObjectIdentifier(channel)) != nil else { return }
            let left = (state.perAddress[key] ?? 1) - 1
            state.perAddress[key] = left > 0 ? left : nil
            state.counters.open = state.channels.count
        }
    }

    /// Closes the door and returns the connections that are still inside.
    func closeDoor() -> [any Channel] {
        state.withLock { state in
            state.isShutDown = true
            return Array(state.channels.values)
        }
    }

    /// Makes a connection the publisher of an ingest and returns the one before it.
    func replacePublisher(of ingestID: String, with publisher: Publisher) -> Publisher? {
        state.withLock { state in
            let old = state.publishers.updateValue(publisher, forKey: ingestID)
            state.counters.publishing = state.publishers.count
            return old
        }
    }

    /// The publisher of an ingest, if there is one.
    func publisher(of ingestID: String) -> Publisher? { state.withLock { $0.publishers[ingestID] } }

    /// Takes a connection off an ingest, unless another one has replaced it.
    func removePublisher(of ingestID: String, id: ObjectIdentifier) {
        state.withLock { state in
            guard state.publishers[ingestID]?.id == id else { return }
            state.publishers[ingestID] = nil
            state.counters.publishing = state.publishers.count
            if state.relays[ingestID]?.isEmpty == true { state.relays[ingestID] = nil }
        }
    }

    /// The relay from an ingest's publisher to its players.
    func relay(of ingestID: String) -> PlayRelay {
        state.withLock { state in
            if let relay = state.relays[ingestID] { return relay }
            let relay = PlayRelay(backlog: limits.maximumPlayerBacklog)
            state.relays[ingestID] = relay
            return relay
        }
    }

    /// Drops the relay of an ingest that has neither a publisher nor players.
    func tidyRelay(of ingestID: String) {
        state.withLock { state in
            guard state.publishers[ingestID] == nil, state.relays[ingestID]?.isEmpty == true else { return }
            state.relays[ingestID] = nil
        }
    }
}
