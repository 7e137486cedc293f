// A shard with clients on the loopback interface, and the signalling between them.

import Control
import Dispatch
import Media
import PacketIO
import RTC
import RTCClient
import Synchronization
import Testing

@testable import SFU

/// What a client has seen.
final class ClientLog: Sendable {
    let events = BoundedQueue<RTCClientEvent>(capacity: 100_000)
    let keyframes = Atomic<Int>(0)
}

/// Runs tasks beside the pool: tests block the pool's threads while they wait, and two of them at once would hold all.
private final class OwnThread: TaskExecutor {
    static let shared = OwnThread()
    private let queue = DispatchQueue(label: "harness")

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}

/// A shard, its events, and the clients that subscribe; answers go back by themselves.
final class Harness: Sendable {
    static let loopback = NetworkAddress(ipv4: 0x7F00_0001, port: 0)

    let shard: Shard
    let events: BoundedQueue<SFUEvent>
    /// Events that a test keeps to look at later.
    let kept = Mutex<[SFUEvent]>([])
    private let subscribers: Mutex<[String: (client: RTCClient, without: String?)]>

    private final class Box: Sendable {
        let harness = Mutex<(@Sendable (SFUEvent) -> Void)?>(nil)
    }

    /// - Parameters:
    ///   - bind: what the shard is bound to, and what clients bind to.
    ///   - announced: what they are told; nil for where it is bound.
    ///   - editing: the shard's other settings.
    init(
        bind: NetworkAddress = loopback, announced: [NetworkAddress]? = nil,
        editing: (inout ShardConfiguration) -> Void = { _ in }
    ) throws {
        let events = BoundedQueue<SFUEvent>(capacity: 10_000), box = Box()
        self.events = events
        subscribers = Mutex([:])
        var configuration = ShardConfiguration(bind: bind, announced: announced ?? [bind])
        editing(&configuration)
        shard = try Shard(configuration) { event in
            events.push(event)
            box.harness.withLock { $0 }?(event)
        }
        box.harness.withLock { slot in
            slot = { [weak self] event in
                guard case .offer(let session, let offer) = event else { return }
                self?.renegotiate(session, offer)
            }
        }
    }

    private func renegotiate(_ session: String, _ offer: String) {
        let known = subscribers.withLock { $0[session] }
        Task(executorPreference: OwnThread.shared) { [shard] in
            guard let (client, without) = known,
                let answer = try? await client.accept(offer: Self.strip(without, offer))
            else { return }
            _ = try? await shard.send(.answer(session: session, answer: answer))
        }
    }

    /// An offer as somebody reads it who has never heard of a codec.
    private static func strip(_ codec: String?, _ offer: String) -> String {
        codec.map { offer.replacing("\($0)/90000", with: "unheard-of/90000") } ?? offer
    }

    func publisher(
        _ participant: String, tracks: [LocalTrack], loss: LossModel = LossModel(seed: 0),
        reach: RTCClientReach = .any, from address: NetworkAddress = loopback,
        editing: (String) -> String = { $0 }
    ) async throws -> (RTCClient, ClientLog) {
        let log = ClientLog()
        let client = try RTCClient(name: "pub-\(participant)", bind: address, loss: loss, reach: reach) { event in
            if case .keyframeRequested = event { log.keyframes.add(1, ordering: .relaxed) }
            log.events.push(event)
        }
        let offer = editing(try await client.offer(tracks, stream: participant))
        let reply = try await shard.send(
            .publish(room: "room", participant: participant, session: "\(participant)-up", offer: offer, sources: [:]))
        guard case .answer(let answer) = reply else { throw RTCTestError() }
        try await client.accept(answer: answer)
        return (client, log)
    }

    func subscriber(
        _ participant: String, without codec: String? = nil, hearsEverybody: Bool = false,
        loss: LossModel = LossModel(seed: 0), reach: RTCClientReach = .any, feedsBack: Bool = false,
        from address: NetworkAddress = loopback,
        editing: (String) -> String = { $0 }
    ) async throws -> (RTCClient, ClientLog) {
        let log = ClientLog(), session = "\(participant)-down"
        let client = try RTCClient(
            name: "sub-\(participant)", bind: address, loss: loss, reach: reach, feedsBack: feedsBack
        ) {
            log.events.push($0)
        }
        subscribers.withLock { $0[session] = (client, codec) }
        let reply = try await shard.send(
            .subscribe(room: "room", participant: participant, session: session, hearsEverybody: hearsEverybody))
        guard case .offer(let offer) = reply else { throw RTCTestError() }
        if let offer {
            let answer = editing(try await client.accept(offer: Self.strip(codec, offer)))
            _ = try await shard.send(.answer(session: session, answer: answer))
        }
        return (client, log)
    }

    func statistics() async throws -> SFUStatistics {
        guard case .statistics(let statistics) = try await shard.send(.statistics) else { throw RTCTestError() }
        return statistics
    }

    func wait(_ matches: (SFUEvent) -> Bool) -> SFUEvent? {
        let deadline = SystemClock.monotonic().advanced(byMilliseconds: 30_000)
        while let event = events.pop(until: deadline) { if matches(event) { return event } }
        return nil
    }
}

struct RTCTestError: Error {}

extension ClientLog {
    func wait(milliseconds: Int64 = 30_000, _ matches: (RTCClientEvent) -> Bool) -> RTCClientEvent? {
        let deadline = SystemClock.monotonic().advanced(byMilliseconds: milliseconds)
        while let event = events.pop(until: deadline) { if matches(event) { return event } }
        return nil
    }

    /// The next frame of a codec.
    func frame(_ codec: Codec, milliseconds: Int64) -> (RemoteTrack, ReceivedFrame)? {
        let event = wait(milliseconds: milliseconds) {
            if case .frame(let track, _) = $0 { track.codec == codec } else { false }
        }
        guard case .frame(let track, let frame) = event else { return nil }
        return (track, frame)
    }

    func waitConnected() -> Bool { wait { if case .connected = $0 { true } else { false } } != nil }
}

/// Frames whose bytes tell their number.
enum TestFrames {
    static func vp8(_ index: Int, isKeyframe: Bool, size: Int) -> EncodedFrame {
        let head: [UInt8] = isKeyframe ? [0x10, 0, 0, 0x9D, 0x01, 0x2A, 0x80, 0x02, 0x68, 0x01] : [0x11, 0, 0]
        let number = (0..<4).map { UInt8(truncatingIfNeeded: index >> (24 - $0 * 8)) }
        let bytes = head + number + (0..<max(0, size)).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ index) }
        return EncodedFrame(
            codec: .vp8, pts: Int64(index) * 33, dts: Int64(index) * 33, timescale: 1000, isKeyframe: isKeyframe,
            payload: ByteBlock(bytes))
    }

    /// A frame whose last four bytes tell its number.
    static func numbered(_ codec: Codec, _ index: Int, isKeyframe: Bool, size: Int) -> EncodedFrame {
        let body = (0..<max(0, size)).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ index) & 0x3F }
        let number = (0..<4).map { UInt8(truncatingIfNeeded: index >> (18 - $0 * 6)) & 0x3F }
        let bytes: [UInt8]
        switch codec {
        case .h264:
            let sets: [[UInt8]] = isKeyframe ? [[0x67, 0x42, 0xC0, 0x1F, 0x95, 0xA0], [0x68, 0xCE, 0x3C, 0x80]] : []
            let units = sets + [[isKeyframe ? 0x65 : 0x61] + body + number]
            bytes = units.flatMap { unit in
                (0..<4).map { UInt8(truncatingIfNeeded: unit.count >> (24 - 8 * $0)) } + unit
            }
        case .vp9:
            let head: [UInt8] =
                isKeyframe ? [0x82, 0x49, 0x83, 0x42, 0x00, 0x27, 0xF0, 0x16, 0x70] : [0x86, 0x00, 0x40, 0x92, 0x00]
            bytes = head + body + number
        default:
            bytes = vp8(index, isKeyframe: isKeyframe, size: 0).payload.array + body + number
        }
        return EncodedFrame(
            codec: codec, pts: Int64(index) * 33, dts: Int64(index) * 33, timescale: 1000, isKeyframe: isKeyframe,
            payload: ByteBlock(bytes))
    }

    /// The number that a frame of any codec ends with.
    static func lastNumber(_ frame: ReceivedFrame) -> Int {
        frame.frame.payload.array.suffix(4).reduce(0) { $0 << 6 | Int($1) }
    }

    static func opus(_ index: Int) -> EncodedFrame {
        EncodedFrame(
            codec: .opus, pts: Int64(index) * 960, dts: Int64(index) * 960, timescale: 48_000, isKeyframe: true,
            payload: ByteBlock([0xFC, UInt8(truncatingIfNeeded: index >> 8), UInt8(truncatingIfNeeded: index), 7, 7, 7])
        )
    }

    static func number(_ frame: ReceivedFrame) -> Int {
        let bytes = frame.frame.payload.array
        let offset = frame.frame.isKeyframe ? 10 : 3
        guard bytes.count >= offset + 4 else { return -1 }
        return bytes[offset..<offset + 4].reduce(0) { $0 << 8 | Int($1) }
    }
}

extension ShardCore {
    /// A shard's state without its thread, on the loopback interface.
    static func onLoopback(_ identity: DTLSIdentity? = DTLSIdentity()) throws -> ShardCore {
        ShardCore(
            socket: try UDPSocket(Harness.loopback), identity: try #require(identity),
            configuration: ShardConfiguration(bind: Harness.loopback, announced: [Harness.loopback])
        ) { _ in }
    }

    /// Does what Studio says; what is refused is an issue of the test.
    func run(_ command: SFUCommand, now: MonotonicTime) {
        receive(
            ShardMessage(command: command) { result in
                if case .failure(let error) = result { Issue.record("\(error)") }
            }, now: now)
    }
}
