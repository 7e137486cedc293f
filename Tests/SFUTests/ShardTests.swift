// Clients join a shard over real sockets: frames arrive as they were sent, loss is repaired, bad input is refused.

import Control
import Media
import PacketIO
import RTC
import RTCClient
import Synchronization
import Testing

@testable import SFU

private let camera = LocalTrack(name: "camera", codec: .vp8), microphone = LocalTrack(name: "microphone", codec: .opus)

@Suite("Shard", .serialized)
struct ShardTests {
    /// Sends frames in step with their arrival; returns the numbers that arrived, each compared with what was sent.
    ///
    /// What stays lost for half a second is given up, as on a machine that stands still for so long; a keyframe follows.
    private func run(
        _ publisher: RTCClient, _ publisherLog: ClientLog, _ subscriberLog: ClientLog, count: Int, sizes: (Int) -> Int
    ) -> [Int] {
        var sent: [Int: [UInt8]] = [:], got: [Int] = [], keyframes = -1
        func take(_ milliseconds: Int64) -> Bool {
            guard let (_, frame) = subscriberLog.frame(.vp8, milliseconds: milliseconds) else { return false }
            let number = TestFrames.number(frame)
            #expect(sent[number] == frame.frame.payload.array, "frame \(number) was changed on its way")
            #expect(number > got.last ?? -1)
            #expect(number == (got.last ?? -1) + 1 || frame.frame.isKeyframe, "a hole before \(number)")
            got.append(number)
            return true
        }
        for index in 0..<count {
            let asked = publisherLog.keyframes.load(ordering: .relaxed)
            let frame = TestFrames.vp8(index, isKeyframe: asked != keyframes, size: sizes(index))
            keyframes = asked
            sent[index] = frame.payload.array
            publisher.send(frame, on: "camera")
            while got.last ?? -1 < index, take(15) {}
        }
        while got.last ?? -1 < count - 1, take(5000) {}
        return got
    }

    @Test("pictures and sound go from a publisher through the shard to two subscribers, byte for byte")
    func forward() async throws {
        let harness = try Harness()
        _ = try await harness.shard.send(.createRoom(room: "room"))
        let (early, earlyLog) = try await harness.subscriber("early")
        let (publisher, publisherLog) = try await harness.publisher("anna", tracks: [camera, microphone])
        #expect(publisherLog.waitConnected())
        #expect(earlyLog.waitConnected())
        let (late, lateLog) = try await harness.subscriber("late")
        #expect(lateLog.waitConnected())
        let got = run(publisher, publisherLog, earlyLog, count: 60) { 100 + $0 * 150 }
        #expect(got.count >= 50)
        #expect(got == Array((60 - got.count)..<60), "frames came in order and without a hole")
        // The other one has them too, once it began.
        var others: [Int] = []
        while others.last != 59, let (_, frame) = lateLog.frame(.vp8, milliseconds: 20_000) {
            others.append(TestFrames.number(frame))
        }
        #expect(others.last == 59 && zip(others, others.dropFirst()).allSatisfy { $1 == $0 + 1 })
        for index in 0..<50 {
            publisher.send(TestFrames.opus(index), on: "microphone")
            let (track, frame) = try #require(earlyLog.frame(.opus, milliseconds: 20_000))
            #expect(frame.frame.payload.array == TestFrames.opus(index).payload.array)
            #expect(track.participant == "anna" && track.source == "microphone" && track.id == "microphone.anna-up.1")
        }
        let statistics = try await harness.statistics()
        #expect(statistics.sessions == 3 && statistics.producers == 2 && statistics.consumers == 4)
        #expect(statistics.packetsForwarded > 300 && statistics.sendDropped == 0)
        for client in [publisher, early, late] { client.stop() }
        harness.shard.stop()
    }

    @Test("a tenth of all packets lost on both ways is repaired by NACK", arguments: [1, 2])
    func lossIsRepaired(seed: Int) async throws {
        let harness = try Harness()
        _ = try await harness.shard.send(.createRoom(room: "room"))
        let (publisher, publisherLog) = try await harness.publisher(
            "anna", tracks: [camera], loss: LossModel(seed: UInt64(seed), outgoingPercent: 10))
        #expect(publisherLog.waitConnected())
        #expect(harness.wait { if case .published = $0 { true } else { false } } != nil)
        let (subscriber, subscriberLog) = try await harness.subscriber(
            "ben", loss: LossModel(seed: UInt64(seed + 100), incomingPercent: 10))
        #expect(subscriberLog.waitConnected())
        let got = run(publisher, publisherLog, subscriberLog, count: 150) { 2000 + $0 * 20 }
        let first = try #require(got.first)
        #expect(first < 40)
        // All but the last frames, which no later packet shows to be lost. Without repair hardly half of them would be whole.
        let known = got.filter { $0 < 140 }
        #expect(known.count >= 9 * (140 - first) / 10, "\(known)")
        let upstream = await publisher.statistics(), downstream = await subscriber.statistics()
        let statistics = try await harness.statistics()
        #expect(upstream.packetsLostOnPurpose > 20 && downstream.packetsLostOnPurpose > 20)
        #expect(statistics.packetsRecovered > 20 && statistics.packetsRetransmitted > 20)
        #expect(downstream.packetsRecovered > 20)
        publisher.stop()
        subscriber.stop()
        harness.shard.stop()
    }

    @Test("a screen is told from a camera, mute holds a track back, leaving ends it")
    func tracks() async throws {
        let harness = try Harness()
        _ = try await harness.shard.send(.createRoom(room: "room"))
        let (subscriber, log) = try await harness.subscriber("ben")
        let (publisher, publisherLog) = try await harness.publisher(
            "anna", tracks: [microphone, camera, LocalTrack(name: "screen", codec: .vp8)])
        #expect(publisherLog.waitConnected())
        var sources: [TrackSource] = []
        for _ in 0..<3 {
            guard case .published(_, let track) = harness.wait({ if case .published = $0 { true } else { false } })
            else { break }
            sources.append(track.source)
        }
        #expect(sources == [.microphone, .camera, .screen])
        #expect(log.waitConnected())
        publisher.send(TestFrames.opus(0), on: "microphone")
        #expect(log.frame(.opus, milliseconds: 20_000) != nil)
        _ = try await harness.shard.send(.setMuted(track: "microphone.anna-up.0", muted: true))
        for index in 1..<10 { publisher.send(TestFrames.opus(index), on: "microphone") }
        // Statistics of the client come after its frames, so those are on their way; the shard has seen them when it counts them.
        var muted: UInt64 = 0
        let deadline = SystemClock.monotonic().advanced(byMilliseconds: 20_000)
        while muted < 9, SystemClock.monotonic() < deadline {
            muted = try await harness.statistics().drops["muted"] ?? 0
        }
        #expect(muted == 9)
        _ = try await harness.shard.send(.setMuted(track: "microphone.anna-up.0", muted: false))
        publisher.send(TestFrames.opus(10), on: "microphone")
        #expect(log.frame(.opus, milliseconds: 20_000)?.1.frame.payload.array == TestFrames.opus(10).payload.array)
        _ = try await harness.shard.send(.leave(session: "anna-up"))
        #expect(harness.wait { if case .left(_, "anna", _, _) = $0 { true } else { false } } != nil)
        #expect(publisherLog.wait { if case .closed = $0 { true } else { false } } != nil)
        #expect(log.wait { if case .trackEnded = $0 { true } else { false } } != nil)
        publisher.stop()
        subscriber.stop()
        harness.shard.stop()
    }

    @Test("the capture clock reaches the subscriber within a second and a half")
    func captureClock() async throws {
        let harness = try Harness()
        _ = try await harness.shard.send(.createRoom(room: "room"))
        let (publisher, publisherLog) = try await harness.publisher("anna", tracks: [microphone])
        #expect(publisherLog.waitConnected())
        #expect(harness.wait { if case .published = $0 { true } else { false } } != nil)
        let (subscriber, log) = try await harness.subscriber("ben")
        #expect(log.waitConnected())
        let start = SystemClock.monotonic()
        var error: Int64?, sent: [Int: Int64] = [:]
        while error == nil, SystemClock.monotonic().milliseconds(since: start) < 20_000 {
            let index = Int(SystemClock.monotonic().milliseconds(since: start) / 20)
            sent[index] = sent[index] ?? SystemClock.wallMilliseconds()
            publisher.send(TestFrames.opus(index), on: "microphone")
            guard let (_, frame) = log.frame(.opus, milliseconds: 20) else { continue }
            if let capture = frame.captureUnixNanoseconds {
                // It was captured between when it was sent and now, however long it was under way.
                let bytes = frame.frame.payload.array, number = Int(bytes[1]) << 8 | Int(bytes[2])
                let captured = capture / 1_000_000
                error = max((sent[number] ?? .max) - captured, captured - SystemClock.wallMilliseconds())
            }
            _ = log.wait(milliseconds: 15) { _ in false }
        }
        #expect(try #require(error) < 150)
        publisher.stop()
        subscriber.stop()
        harness.shard.stop()
    }

    @Test("commands that can't be carried out are refused with a reason")
    func refusals() async throws {
        let harness = try Harness()
        func code(_ command: SFUCommand) async -> SFUError.Code? {
            do throws(SFUError) {
                _ = try await harness.shard.send(command)
                return nil
            } catch { return error.code }
        }
        #expect(await code(.closeRoom(room: "none")) == .notFound)
        #expect(await code(.createRoom(room: "a b")) == .badRequest)
        #expect(await code(.createRoom(room: "room")) == nil)
        for (offer, expected) in [
            ("", SFUError.Code.malformed), ("garbage", .malformed), (String(repeating: "x", count: 70_000), .malformed),
            ("v=0", .badRequest), ("v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n", .badRequest),
        ] {
            #expect(
                await code(.publish(room: "room", participant: "p", session: "s", offer: offer, sources: [:]))
                    == expected)
        }
        #expect(
            await code(.publish(room: "other", participant: "p", session: "s", offer: "v=0", sources: [:])) == .notFound
        )
        #expect(await code(.answer(session: "s", answer: "v=0")) == .notFound)
        #expect(await code(.leave(session: "s")) == .notFound)
        #expect(await code(.subscribe(room: "room", participant: "p", session: "s")) == nil)
        #expect(await code(.subscribe(room: "room", participant: "p", session: "s")) == .conflict)
        #expect(await code(.answer(session: "s", answer: "v=0")) == .conflict)
        #expect(await code(.requestKeyframe(track: "t")) == .notFound)
        let statistics = try await harness.statistics()
        #expect(statistics.sessions == 1 && statistics.rooms == 1)
        harness.shard.stop()
        #expect(await code(.statistics) == .stopped)
    }

    @Test("damaged offers and answers never bring the shard down")
    func hostileDescriptions() async throws {
        let harness = try Harness()
        _ = try await harness.shard.send(.createRoom(room: "room"))
        let client = try RTCClient(name: "hostile", bind: Harness.loopback) { _ in }
        let offer = try await client.offer([microphone, camera], stream: "anna")
        let lines = offer.split { $0 == "\r\n" }.map(String.init)
        var seed: UInt64 = 3, taken = 0, refused = 0
        func random(_ bound: Int) -> Int {
            seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(seed >> 33) % max(1, bound)
        }
        for round in 0..<1500 {
            var changed = lines
            for _ in 0...random(4) {
                let index = random(changed.count)
                switch random(4) {
                case 0: changed.remove(at: index)
                case 1: changed.insert(lines[random(lines.count)], at: index)
                case 2: changed[index] = String(changed[index].prefix(random(14)))
                default: changed[index] += "\(random(1_000_000))"
                }
            }
            let text = changed.joined(separator: "\r\n") + "\r\n"
            let command: SFUCommand =
                round % 3 == 2
                ? .answer(session: "s\(random(3))", answer: text)
                : .publish(
                    room: "room", participant: "p", session: "s\(random(3))", offer: text, sources: ["0": .screen])
            do throws(SFUError) {
                _ = try await harness.shard.send(command)
                taken += 1
            } catch {
                #expect([.malformed, .badRequest, .notFound, .conflict].contains(error.code), "\(error)")
                refused += 1
            }
            if round % 100 == 99 { _ = try? await harness.shard.send(.leave(session: "s\(random(3))")) }
        }
        #expect(taken > 50 && refused > 100)
        _ = try await harness.shard.send(.closeRoom(room: "room"))
        #expect(try await harness.statistics().sessions == 0)
        client.stop()
        harness.shard.stop()
    }

    @Test("noise on the port is dropped and counted, and disturbs nobody")
    func noise() async throws {
        let harness = try Harness()
        _ = try await harness.shard.send(.createRoom(room: "room"))
        let (subscriber, log) = try await harness.subscriber("ben")
        let (publisher, publisherLog) = try await harness.publisher("anna", tracks: [microphone])
        #expect(publisherLog.waitConnected() && log.waitConnected())
        let socket = try UDPSocket(Harness.loopback)
        let target = NetworkAddress(ipv4: 0x7F00_0001, port: harness.shard.port)
        var seed: UInt64 = 5
        for index in 0..<500 {
            let bytes = (0..<(index % 200)).map { _ -> UInt8 in
                seed = seed &* 6_364_136_223_846_793_005 &+ 1
                return UInt8(truncatingIfNeeded: seed >> 40)
            }
            let first: [UInt8] = [0x00, 0x16, 0x80, 0xFF, 0x41]
            socket.send([first[index % 5]] + bytes, to: target)
            if index % 50 == 0 { socket.flush() }
        }
        socket.flush()
        var dropped: UInt64 = 0
        let deadline = SystemClock.monotonic().advanced(byMilliseconds: 20_000)
        while dropped < 500, SystemClock.monotonic() < deadline {
            let drops = try await harness.statistics().drops
            dropped = ["noise", "malformedSTUN", "unauthenticatedSTUN", "unknownPeer"].reduce(0) {
                $0 + (drops[$1] ?? 0)
            }
        }
        #expect(dropped == 500)
        publisher.send(TestFrames.opus(1), on: "microphone")
        #expect(log.frame(.opus, milliseconds: 20_000) != nil)
        publisher.stop()
        subscriber.stop()
        harness.shard.stop()
    }
}
