// The load's one thread: all sockets, all peers, the replay and the counting.

import CPacketIO
import Glibc
import Media
import RTC
import Synchronization

/// What the load has seen in its window.
struct LoadSnapshot: Sendable {
    var counters = LoadCounters()
    var latency = LatencyHistogram()
    var expected: UInt64 = 0, lost: UInt64 = 0
    var kernelDrops: UInt64 = 0, sendDropped: UInt64 = 0
    var skipped: Int64 = 0
    var threadNanoseconds: Int64 = 0
    var at = MonotonicTime(nanoseconds: 0)
}

/// Where the load stands.
struct LoadState: Sendable, Hashable {
    var publishers = 0, connectedPublishers = 0
    var subscribers = 0, connectedSubscribers = 0, completeSubscribers = 0
    var streams = 0
    var profile = ""
    var failures: [String] = []
}

/// Runs the peers on one thread; everything else talks to it by closures that it runs between two turns.
final class LoadLoop: Sendable {
    /// What is confined to the thread.
    final class Core {
        let recording: Recording
        let ownSockets: Bool, feedsBack: Bool
        let identity: DTLSIdentity
        var sockets: [PeerSocket] = []
        var publishers: [PublishingPeer] = [], subscribers: [SubscribingPeer] = []
        var all: [LoadPeer] = []
        var counters = LoadCounters(), latency = LatencyHistogram()
        var dropsBefore: UInt64 = 0, sendDroppedBefore: UInt64 = 0, skippedBefore: Int64 = 0,
            recoveredBefore: UInt64 = 0
        var threadBefore: Int64 = 0
        fileprivate let epoll: Int32
        fileprivate var turn = 0

        init(recording: Recording, options: LoadOptions, identity: DTLSIdentity) {
            self.recording = recording
            (ownSockets, feedsBack) = (options.ownSockets, options.feedsBack)
            self.identity = identity
            epoll = proscenium_epoll()
        }

        deinit { close(epoll) }
    }

    typealias Work = (Core, MonotonicTime) -> Void

    static let peersPerSocket = 50
    private static let turnMs: Int32 = 4
    private let inbox = Mutex<[@Sendable (Core, MonotonicTime) -> Void]>([])
    private let isStopping = Atomic<Bool>(false)
    private let thread = Mutex<MediaThread?>(nil)

    /// Starts the thread.
    init(recording: Recording, options: LoadOptions) {
        let profiles: [SRTPProfile] =
            switch options.profile {
            case .both: [.aeadAES128GCM, .aes128CMHMACSHA1]
            case .gcm: [.aeadAES128GCM]
            case .cm: [.aes128CMHMACSHA1]
            }
        let started = MediaThread(name: "load") { [self] in
            guard let identity = DTLSIdentity(profiles: profiles) else {
                preconditionFailure("OpenSSL could not make a certificate")
            }
            run(Core(recording: recording, options: options, identity: identity))
        }
        thread.withLock { $0 = started }
    }

    /// Runs a closure on the thread and returns what it gives.
    func ask<Value: Sendable>(_ body: @escaping @Sendable (Core, MonotonicTime) -> Value) async -> Value {
        await withCheckedContinuation { continuation in
            inbox.withLock { $0.append { core, now in continuation.resume(returning: body(core, now)) } }
        }
    }

    /// Says goodbye for all and ends the thread; nothing may be asked any more.
    func stop() {
        guard !isStopping.exchange(true, ordering: .acquiringAndReleasing) else { return }
        thread.withLock { thread in
            thread?.join()
            thread = nil
        }
    }

    private func run(_ core: Core) {
        var ready = [Int32](repeating: -1, count: 64)
        while !isStopping.load(ordering: .acquiring) {
            let work = inbox.withLock { inbox in
                defer { inbox = [] }
                return inbox
            }
            var now = SystemClock.monotonic()
            for body in work { body(core, now) }
            core.play(now: now)
            core.tick(now: now)
            var wait = Self.turnMs
            if let due = core.publishers.lazy.compactMap(\.deadline).min() {
                wait = min(wait, Int32(clamping: max(0, due.nanoseconds(since: now) / 1_000_000)))
            }
            let count = Int(proscenium_epoll_wait_for(core.epoll, &ready, Int32(ready.count), wait))
            guard count > 0 else { continue }
            now = SystemClock.monotonic()
            for descriptor in ready[..<count] { core.read(descriptor) }
        }
        for work in inbox.withLock({ $0 }) { work(core, SystemClock.monotonic()) }
        for peer in core.all {
            peer.transport.close("the load has ended")
            peer.settle()
        }
        for socket in core.sockets { socket.flush() }
    }
}

extension LoadLoop.Core {
    /// A place for a new peer: a socket, and the address that is the peer's own there.
    private func place() throws(LoadError) -> (PeerSocket, UInt32) {
        let limit = ownSockets ? 1 : LoadLoop.peersPerSocket
        let socket: PeerSocket
        if let last = sockets.last, last.peers.count < limit {
            socket = last
        } else {
            socket = try PeerSocket()
            guard proscenium_epoll_add(epoll, socket.descriptor) == 0 else {
                throw LoadError("A UDP socket could not be watched.")
            }
            sockets.append(socket)
        }
        return (socket, ownSockets ? 0 : PeerSocket.firstLocal + UInt32(socket.peers.count))
    }

    /// Adds a publisher; returns its number and its offer.
    func addPublisher() -> Result<(number: Int, offer: String), LoadError> {
        do throws(LoadError) {
            let (socket, local) = try place()
            let peer = PublishingPeer(
                number: all.count, socket: socket, local: local, identity: identity, recording: recording)
            socket.peers.append(peer)
            publishers.append(peer)
            all.append(peer)
            return .success((peer.number, peer.offer()))
        } catch {
            return .failure(error)
        }
    }

    /// Adds a subscriber; returns its number.
    func addSubscriber() -> Result<Int, LoadError> {
        do throws(LoadError) {
            let (socket, local) = try place()
            let peer = SubscribingPeer(
                number: all.count, socket: socket, local: local, identity: identity, feedsBack: feedsBack)
            socket.peers.append(peer)
            subscribers.append(peer)
            all.append(peer)
            return .success(peer.number)
        } catch {
            return .failure(error)
        }
    }

    /// Gives a publisher the server's answer.
    func accept(answer: String, for number: Int, now: MonotonicTime) -> Result<Void, LoadError> {
        guard all.indices.contains(number), let peer = all[number] as? PublishingPeer else {
            return .failure(LoadError("There is no publisher \(number)."))
        }
        do throws(SDPError) {
            return .success(try peer.accept(answer: answer, now: now))
        } catch {
            return .failure(LoadError("The server's answer can't be used: \(error.description)"))
        }
    }

    /// Gives a subscriber the server's offer; returns the answer.
    func accept(offer: String, for number: Int, now: MonotonicTime) -> Result<String, LoadError> {
        guard all.indices.contains(number), let peer = all[number] as? SubscribingPeer else {
            return .failure(LoadError("There is no subscriber \(number)."))
        }
        do throws(SDPError) {
            return .success(try peer.accept(offer: offer, now: now))
        } catch {
            return .failure(LoadError("The server's offer can't be used: \(error.description)"))
        }
    }

    /// Where everybody stands.
    var state: LoadState {
        var state = LoadState()
        state.publishers = publishers.count
        state.connectedPublishers = publishers.count(where: \.isConnected)
        state.subscribers = subscribers.count
        state.connectedSubscribers = subscribers.count(where: \.isConnected)
        state.completeSubscribers = subscribers.count(where: \.hasAll)
        state.streams = subscribers.reduce(0) { $0 + $1.streams.count }
        state.failures = Array(all.lazy.compactMap(\.failure).prefix(3))
        if let profile = all.lazy.compactMap({ $0.transport.sender?.profile }).first {
            state.profile = profile == .aeadAES128GCM ? "AEAD_AES_128_GCM" : "AES_CM_128_HMAC_SHA1_80"
        }
        return state
    }

    private var kernelDrops: UInt64 { sockets.reduce(0) { $0 + $1.kernelDrops } }
    private var sendDropped: UInt64 { sockets.reduce(0) { $0 + $1.sendDropped } }
    private var skipped: Int64 { publishers.reduce(0) { $0 + $1.skipped } }
    private var recovered: UInt64 { subscribers.reduce(0) { $0 + $1.recovered } }

    /// Begins to count.
    func beginWindow() {
        counters = LoadCounters()
        latency.reset()
        for peer in subscribers { peer.beginWindow() }
        (dropsBefore, sendDroppedBefore) = (kernelDrops, sendDropped)
        (skippedBefore, recoveredBefore) = (skipped, recovered)
        threadBefore = SystemClock.threadNanoseconds()
    }

    /// What was counted.
    func snapshot(now: MonotonicTime) -> LoadSnapshot {
        var snapshot = LoadSnapshot()
        snapshot.counters = counters
        snapshot.counters.packetsRecovered = recovered &- recoveredBefore
        snapshot.latency = latency
        for peer in subscribers {
            for stream in peer.streams {
                let window = stream.window
                snapshot.expected &+= window.expected
                snapshot.lost &+= window.lost
            }
        }
        snapshot.kernelDrops = kernelDrops &- dropsBefore
        snapshot.sendDropped = sendDropped &- sendDroppedBefore
        snapshot.skipped = skipped &- skippedBefore
        snapshot.threadNanoseconds = SystemClock.threadNanoseconds() &- threadBefore
        snapshot.at = now
        return snapshot
    }

    fileprivate func play(now: MonotonicTime) {
        for peer in publishers {
            guard peer.deadline.map({ $0 <= now }) ?? peer.isConnected else { continue }
            peer.play(now: now, counters: &counters)
        }
        for socket in sockets { socket.flush() }
    }

    /// Looks after a share of the peers in each turn, so that everybody's turn comes about each 20 ms.
    fileprivate func tick(now: MonotonicTime) {
        turn = (turn + 1) % 5
        var index = turn
        while index < all.count {
            all[index].tick(now: now, counters: &counters)
            index += 5
        }
        for socket in sockets { socket.flush() }
    }

    fileprivate func read(_ descriptor: Int32) {
        guard let socket = sockets.first(where: { $0.descriptor == descriptor }) else { return }
        for _ in 0..<4 {
            let now = SystemClock.monotonic()
            let read = socket.receive { datagram, arrival in
                let place = ownSockets ? 0 : Int(arrival.local &- PeerSocket.firstLocal)
                guard socket.peers.indices.contains(place) else { return counters.dropped &+= 1 }
                socket.peers[place].receive(datagram, arrival, now: now, counters: &counters, latency: &latency)
            }
            socket.flush()
            if read < PeerSocket.batch { break }
        }
    }
}
