// By what peers reach a shard: TCP alone, IPv6, both families at once, and strangers who come that way.

import Control
import Glibc
import Media
import PacketIO
import RTC
import RTCClient
import Synchronization
import Testing

@testable import SFU

private let camera = LocalTrack(name: "camera", codec: .vp8), microphone = LocalTrack(name: "microphone", codec: .opus)

@Suite("Ways to a shard", .serialized)
struct ReachTests {
    /// Publishes pictures and sound until so many of each have arrived; whether they were what was sent.
    private func carries(_ publisher: RTCClient, _ keyframes: ClientLog, to log: ClientLog, count: Int = 40) -> Bool {
        var sent: [Int: [UInt8]] = [:], pictures = 0, sounds = 0, asked = -1, index = 0
        let end = SystemClock.monotonic().advanced(byMilliseconds: 60_000)
        while pictures < count || sounds < count, SystemClock.monotonic() < end {
            let wanted = keyframes.keyframes.load(ordering: .relaxed)
            let frame = TestFrames.vp8(index, isKeyframe: wanted != asked, size: 3000)
            asked = wanted
            sent[index] = frame.payload.array
            publisher.send(frame, on: "camera")
            publisher.send(TestFrames.opus(index), on: "microphone")
            index += 1
            let turn = SystemClock.monotonic().advanced(byMilliseconds: 10)
            while let event = log.events.pop(until: turn) {
                guard case .frame(let track, let frame) = event else { continue }
                if track.codec == .opus {
                    sounds += 1
                } else {
                    guard sent[TestFrames.number(frame)] == frame.frame.payload.array else { return false }
                    pictures += 1
                }
            }
        }
        return pictures >= count && sounds >= count
    }

    @Test("two clients in networks without UDP see and hear each other by TCP")
    func tcpOnly() async throws {
        let harness = try Harness()
        _ = try await harness.shard.send(.createRoom(room: "room"))
        let (publisher, publisherLog) = try await harness.publisher(
            "anna", tracks: [camera, microphone], reach: .tcpOnly)
        #expect(publisherLog.waitConnected())
        #expect(harness.wait { if case .published = $0 { true } else { false } } != nil)
        let (subscriber, log) = try await harness.subscriber("ben", reach: .tcpOnly)
        #expect(log.waitConnected())
        #expect(carries(publisher, publisherLog, to: log))
        let statistics = try await harness.statistics()
        #expect(statistics.streams == 2 && statistics.streamsAccepted == 2 && statistics.streamsRefused == 0)
        _ = try await harness.shard.send(.leave(session: "anna-up"))
        #expect(
            publisherLog.wait { if case .closed = $0 { true } else { false } } != nil, "its goodbye comes by TCP too")
        subscriber.stop()
        publisher.stop()
        harness.shard.stop()
    }

    @Test("who can use UDP does, though TCP is offered beside it")
    func datagramsFirst() async throws {
        let harness = try Harness()
        _ = try await harness.shard.send(.createRoom(room: "room"))
        let (publisher, log) = try await harness.publisher("anna", tracks: [camera]) { offer in offer }
        #expect(log.waitConnected())
        #expect(try await harness.statistics().streamsAccepted == 0)
        publisher.stop()
        harness.shard.stop()
    }

    @Test("by IPv6, by UDP and by TCP", arguments: [RTCClientReach.any, .tcpOnly])
    func six(reach: RTCClientReach) async throws {
        let loopback = try #require(NetworkAddress(ip: "::1", port: 0))
        let harness = try Harness(bind: loopback)
        _ = try await harness.shard.send(.createRoom(room: "room"))
        let (publisher, publisherLog) = try await harness.publisher(
            "anna", tracks: [camera, microphone], reach: reach, from: loopback)
        #expect(publisherLog.waitConnected())
        #expect(harness.wait { if case .published = $0 { true } else { false } } != nil)
        let (subscriber, log) = try await harness.subscriber("ben", reach: reach, from: loopback)
        #expect(log.waitConnected())
        #expect(carries(publisher, publisherLog, to: log))
        for client in [publisher, subscriber] { client.stop() }
        harness.shard.stop()
    }

    @Test("a shard on both families carries somebody with IPv4 alone to somebody with IPv6 alone")
    func dualStack() async throws {
        let four = Harness.loopback, six = try #require(NetworkAddress(ip: "::1", port: 0))
        let harness = try Harness(bind: NetworkAddress(high: 0, low: 0, port: 0), announced: [four, six])
        _ = try await harness.shard.send(.createRoom(room: "room"))
        let (publisher, publisherLog) = try await harness.publisher("anna", tracks: [camera, microphone], from: four)
        #expect(publisherLog.waitConnected())
        #expect(harness.wait { if case .published = $0 { true } else { false } } != nil)
        let (subscriber, log) = try await harness.subscriber("ben", from: six)
        #expect(log.waitConnected())
        #expect(carries(publisher, publisherLog, to: log))
        for client in [publisher, subscriber] { client.stop() }
        harness.shard.stop()
    }

    @Test("candidates name every address by UDP and then by TCP, with the shard's port where none is told")
    func candidates() throws {
        var configuration = ShardConfiguration(
            bind: Harness.loopback,
            announced: [
                try #require(NetworkAddress(ip: "192.0.2.1", port: 0)),
                try #require(NetworkAddress(ip: "2001:db8::1", port: 9000)),
            ])
        let texts = ShardCore.candidates(configuration, port: 7882).map(\.text)
        #expect(
            texts.map { $0.split(separator: " ").filter { Int($0) ?? 0 < 100_000 }.joined(separator: " ") } == [
                "1 1 udp 192.0.2.1 7882 typ host", "2 1 udp 2001:db8::1 9000 typ host",
                "3 1 tcp 192.0.2.1 7882 typ host tcptype passive", "4 1 tcp 2001:db8::1 9000 typ host tcptype passive",
            ])
        let priorities = ShardCore.candidates(configuration, port: 7882).map(\.priority)
        #expect(priorities == priorities.sorted(by: >) && Set(priorities).count == 4)
        configuration.streams.listens = false
        #expect(ShardCore.candidates(configuration, port: 7882).count == 2)
    }

    @Test("a TCP connection that shows no session's credential is closed and counted")
    func strangers() async throws {
        let harness = try Harness()
        _ = try await harness.shard.send(.createRoom(room: "room"))
        var check = STUNBuilder(.request, transaction: .random())
        check.username("nobody12:peer")
        let unknown = check.finish(password: "passwordpasswordpasswor")
        for packet in [unknown, [22, 254, 253, 0, 0], [0x80, 96, 0, 0], [1]] {
            let stream = try #require(Self.dial(harness.shard.port))
            let bytes = [UInt8(packet.count >> 8), UInt8(packet.count & 255)] + packet
            _ = send(stream, bytes, bytes.count, 0)
            var byte: UInt8 = 0
            #expect(recv(stream, &byte, 1, 0) <= 0, "answered or kept: \(packet.prefix(4))")
            close(stream)
        }
        // One more says that a packet is larger than any.
        let stream = try #require(Self.dial(harness.shard.port))
        _ = send(stream, [0xFF, 0xFF, 0x80, 96], 4, 0)
        var byte: UInt8 = 0
        #expect(recv(stream, &byte, 1, 0) <= 0)
        close(stream)
        let statistics = try await harness.statistics()
        #expect(statistics.streamsUnproven == 4 && statistics.streamsMalformed == 1 && statistics.streamsRefused == 0)
        harness.shard.stop()
    }

    private static func dial(_ port: UInt16) -> Int32? {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var timeout = timeval(tv_sec: 30, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        return result == 0 ? descriptor : nil
    }
}
