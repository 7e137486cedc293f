// No packet goes without a word: what is not forwarded is counted, once for each subscriber, with its reason.

import Control
import Media
import PacketIO
import RTC
import RTCClient
import Synchronization
import Testing

@testable import SFU

@Suite("Drop reasons", .serialized)
struct DropReasonTests {
    private static let tracks = [
        LocalTrack(name: "microphone", codec: .opus), LocalTrack(name: "camera", codec: .vp9),
    ]
    /// Those that are counted for each subscriber.
    private static let ofSubscribers: [DropReason] = [
        .unanswered, .lacksCodec, .notConnected, .notWanted, .awaitingKeyframe, .otherLayer, .late, .noConsent,
        .sendBufferFull, .notLoudest,
    ]

    private func eventually(_ holds: () async throws -> Bool) async throws -> Bool {
        let deadline = SystemClock.monotonic().advanced(byMilliseconds: 20_000)
        while SystemClock.monotonic() < deadline {
            if try await holds() { return true }
            try await Task.sleep(for: .milliseconds(10))
        }
        return false
    }

    @Test("packets times subscribers is what was forwarded and what was dropped, whatever keeps a subscriber from it")
    func nothingIsLostSilently() async throws {
        let harness = try Harness()
        _ = try await harness.shard.send(.createRoom(room: "room"))
        let (publisher, publisherLog) = try await harness.publisher("anna", tracks: Self.tracks)
        #expect(publisherLog.waitConnected())
        for _ in 0..<2 { #expect(harness.wait { if case .published = $0 { true } else { false } } != nil) }
        // Nobody is there yet.
        for index in 0..<10 { publisher.send(TestFrames.opus(index), on: "microphone") }
        #expect(try await eventually { try await harness.statistics().drops["noSubscriber"] == 10 })
        let (whole, wholeLog) = try await harness.subscriber("whole")
        let (poor, poorLog) = try await harness.subscriber("poor", without: "VP9")
        let (blind, blindLog) = try await harness.subscriber("blind")
        // One who looks for the server where it is not.
        let stuck = try RTCClient(name: "stuck", bind: Harness.loopback) { _ in }
        guard
            case .offer(let offer?) = try await harness.shard.send(
                .subscribe(room: "room", participant: "stuck", session: "stuck-down"))
        else { throw RTCTestError() }
        let elsewhere = offer.replacing(" \(harness.shard.port) typ host", with: " 9 typ host")
        #expect(elsewhere != offer)
        let answer = try await stuck.accept(offer: elsewhere)
        _ = try await harness.shard.send(.answer(session: "stuck-down", answer: answer))
        // One who never answers.
        _ = try await harness.shard.send(.subscribe(room: "room", participant: "mute", session: "mute-down"))
        for log in [wholeLog, poorLog, blindLog] { #expect(log.waitConnected()) }
        _ = try await harness.shard.send(
            .setSizes(session: "blind-down", sizes: ["camera.anna-up.1": LayerSize(width: 0, height: 0)]))
        let before = try await harness.statistics(), sentBefore = await publisher.statistics().packetsSent
        for index in 10..<110 {
            publisher.send(TestFrames.opus(index), on: "microphone")
            publisher.send(TestFrames.numbered(.vp9, index, isKeyframe: index % 25 == 10, size: 2500), on: "camera")
        }
        let expected = (await publisher.statistics().packetsSent - sentBefore) * 5
        func accounted(_ now: SFUStatistics) -> UInt64 {
            Self.ofSubscribers.reduce(now.packetsForwarded - before.packetsForwarded) {
                $0 + (now.drops[$1.name] ?? 0) - (before.drops[$1.name] ?? 0)
            }
        }
        #expect(try await eventually { accounted(try await harness.statistics()) >= expected })
        let after = try await harness.statistics()
        #expect(accounted(after) == expected)
        let perTrack = (sound: UInt64(100), picture: expected / 5 - 100)
        #expect(after.drops["lacksCodec"] == perTrack.picture)
        #expect(after.drops["notWanted"] == perTrack.picture)
        #expect(after.drops["unanswered"] == perTrack.sound + perTrack.picture)
        #expect(after.drops["notConnected"] == perTrack.sound + perTrack.picture)
        _ = try await harness.shard.send(.setMuted(track: "microphone.anna-up.0", muted: true))
        for index in 110..<120 { publisher.send(TestFrames.opus(index), on: "microphone") }
        #expect(try await eventually { try await harness.statistics().drops["muted"] == 10 })
        for client in [publisher, whole, poor, blind, stuck] { client.stop() }
        harness.shard.stop()
    }

    @Test("what the kernel does not take has its reason beside what was forwarded")
    func refusedByTheKernel() throws {
        let counted = Mutex<SFUStatistics?>(nil)
        let core = try ShardCore.onLoopback()
        func drops() throws -> [String: UInt64] {
            core.receive(
                ShardMessage(command: .statistics) { result in
                    guard case .success(.statistics(let statistics)) = result else { return }
                    counted.withLock { $0 = statistics }
                }, now: SystemClock.monotonic())
            return try #require(counted.withLock { $0 }).drops
        }
        #expect(try drops().isEmpty)
        // There is no port 0.
        for _ in 0..<3 { core.socket.send([1, 2, 3], to: NetworkAddress(ipv4: 0x7F00_0001, port: 0)) }
        core.socket.flush()
        #expect(try drops() == ["kernelRefused": 3])
    }

    @Test("answers for whom too many wait are counted, and those that fit leave")
    func queue() throws {
        let identity = try #require(DTLSIdentity())
        let transport = PeerTransport(identity: identity, isServer: true)
        let source = NetworkAddress(ipv4: 0x7F00_0001, port: 9), now = MonotonicTime(nanoseconds: 0)
        for number in 0..<300 {
            // Without a name a check is refused, and the refusal is said.
            var check = STUNBuilder(.request, transaction: STUNTransaction(high: UInt64(number), low: 1))
                .finish(password: nil)
            let input = check.withUnsafeMutableBytes { transport.receive($0, from: source, now: now) }
            guard case .dropped(.unauthenticatedSTUN) = input else {
                Issue.record("not refused: \(input)")
                return
            }
        }
        #expect(transport.takeOutgoing().count == 256)
        #expect(transport.takeUnsent() == 44)
        #expect(transport.takeUnsent() == 0)
    }

    @Test("datagrams of a handshake that nobody takes are bounded, and those beyond are counted")
    func handshake() throws {
        let identity = try #require(DTLSIdentity())
        let fingerprint = identity.fingerprint
        var now = MonotonicTime(nanoseconds: 0)
        let client = DTLSEndpoint(identity: identity, role: .client, remoteFingerprint: fingerprint)
        let server = DTLSEndpoint(identity: identity, role: .server, remoteFingerprint: fingerprint, capacity: 2)
        client.start(now: now)
        for hello in client.takeOutgoing() { hello.withUnsafeBytes { server.receive($0, now: now) } }
        // It sends its flight again and again, and the loop has no turn to take it.
        for _ in 0..<5 {
            now = now.advanced(byMilliseconds: 5000)
            server.handleTimeout(now: now)
        }
        #expect(server.state == .handshaking)
        #expect(server.takeOutgoing().count == 2)
        #expect(server.takeUnsent() >= 4)
        #expect(server.takeUnsent() == 0)
    }
}
