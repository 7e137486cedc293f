// The last group of pictures for those who come later: what is kept, how it is sent, and that nobody else is asked for anything.

import Control
import Media
import RTC
import RTCClient
import Synchronization
import Testing

@testable import SFU

@Suite("The last group of pictures")
struct GroupOfPicturesTests {
    private static let begin = MonotonicTime(nanoseconds: 1_000_000_000)

    /// A layer that gets pictures of so many packets each, one every 33 ms.
    private struct Stream {
        let store = PacketStore(capacity: 1024)
        var group = GroupOfPictures(), sequence: Int64 = 100, timestamp: UInt32 = 0xFFFF_F000
        var now = GroupOfPicturesTests.begin

        func entry(_ sequence: Int64, isKey: Bool = false, size: Int = 1000) -> PacketStore.Entry {
            var entry = PacketStore.Entry()
            entry.sequence = sequence
            entry.header = RTPHeader(
                payloadType: 96, sequenceNumber: UInt16(truncatingIfNeeded: sequence), timestamp: timestamp, ssrc: 1)
            (entry.payloadOffset, entry.payloadLength, entry.startsKeyframe) = (12, size, isKey)
            return entry
        }

        mutating func insert(_ entry: PacketStore.Entry) {
            let bytes = [UInt8](repeating: 7, count: 12 + entry.payloadLength)
            if bytes.withUnsafeBytes({ store.insert($0, entry) }) { group.note(entry, now: now) }
        }

        mutating func picture(packets: Int, isKey: Bool = false, losing lost: Int? = nil, size: Int = 1000) {
            for index in 0..<packets {
                if index != lost { insert(entry(sequence, isKey: isKey && index == 0, size: size)) }
                sequence += 1
            }
            timestamp &+= 3000
            now = now.advanced(byMilliseconds: 33)
        }

        func replay() -> GroupReplay? { group.replay(of: 0, upTo: sequence - 1, in: store, now: now) }
    }

    /// What goes out, round by round: numbers and timestamps.
    private func rounds(_ stream: Stream) throws -> [[(number: Int64, timestamp: UInt32)]] {
        var replay = try #require(stream.replay()), rounds: [[(number: Int64, timestamp: UInt32)]] = [[]], sent = 0
        while replay.next < stream.sequence {
            let entry = try #require(stream.store.entry(replay.next))
            if !replay.mayGoOn(after: sent, entry) {
                rounds.append([])
                sent = 0
                continue
            }
            sent += entry.payloadLength
            rounds[rounds.count - 1].append((entry.sequence, entry.header.timestamp &+ replay.take(entry)))
        }
        return rounds
    }

    @Test(
        "begins with the last key frame and has all that followed; the last picture keeps its time, the others come close before"
    )
    func whole() throws {
        var stream = Stream()
        stream.picture(packets: 3)
        stream.picture(packets: 10, isKey: true)
        let key = stream.sequence - 10
        for _ in 0..<30 { stream.picture(packets: 4) }
        let sent = try rounds(stream).flatMap { $0 }
        #expect(sent.map(\.number) == Array(key..<stream.sequence))
        let last = stream.timestamp &- 3000
        #expect(sent.last?.timestamp == last, "what comes live goes on from there")
        #expect(sent.first?.timestamp == last &- 30 * GroupReplay.step)
        for (one, next) in zip(sent, sent.dropFirst()) {
            let step = next.timestamp &- one.timestamp
            let isSame =
                stream.store.entry(one.number)?.header.timestamp == stream.store.entry(next.number)?.header.timestamp
            #expect(step == (isSame ? 0 : GroupReplay.step))
        }
    }

    @Test("goes out in rounds, eight times as fast as it came, and its key frame in the first of them")
    func pace() throws {
        var stream = Stream()
        stream.picture(packets: 60, isKey: true)
        for _ in 0..<48 { stream.picture(packets: 4) }
        let rounds = try self.rounds(stream)
        #expect(rounds[0].count == 60, "the key frame, and nothing behind it")
        // 1.6 s at eight times the speed, of which one round is 20 ms; the key frame stood for more than its share.
        #expect((5...10).contains(rounds.count), "\(rounds.count) rounds")
        #expect(rounds.dropFirst().dropLast().allSatisfy { (25...27).contains($0.count) }, "\(rounds.map(\.count))")
    }

    @Test("is not there without a key frame, with a hole, or when it is too old, too long or too large")
    func refusals() {
        var none = Stream()
        none.picture(packets: 4)
        #expect(none.replay() == nil)
        var hole = Stream()
        hole.picture(packets: 4, isKey: true)
        hole.picture(packets: 4, losing: 2)
        #expect(hole.replay() == nil)
        let missing = hole.sequence - 2
        hole.timestamp &-= 3000
        hole.insert(hole.entry(missing))
        #expect(hole.replay() != nil, "the publisher has sent it again")
        var old = Stream()
        old.picture(packets: 1, isKey: true)
        for _ in 0..<88 { old.picture(packets: 1) }
        #expect(old.replay() != nil)
        for _ in 0..<4 { old.picture(packets: 1) }
        #expect(old.replay() == nil)
        var long = Stream()
        long.picture(packets: 500, isKey: true, size: 100)
        #expect(long.replay() != nil)
        long.picture(packets: 13, size: 100)
        #expect(long.replay() == nil)
        var large = Stream()
        large.picture(packets: 400, isKey: true, size: 1400)
        #expect(large.replay() != nil)
        large.picture(packets: 40, size: 1400)
        #expect(large.replay() == nil)
        var held = Stream()
        held.picture(packets: 4, isKey: true)
        held.group.forget()
        held.picture(packets: 4)
        #expect(held.replay() == nil, "nobody sees later what was sent while it was muted")
    }

    @Test("of a key frame in several packets begins with its first, in whichever order they came")
    func order() throws {
        var stream = Stream()
        stream.picture(packets: 2, isKey: true)
        let first = stream.sequence
        // The parameter sets lie in two packets, and the second came first; both say that decoding begins there.
        stream.insert(stream.entry(first + 1, isKey: true))
        stream.insert(stream.entry(first, isKey: true))
        stream.insert(stream.entry(first + 2))
        stream.sequence = first + 3
        #expect(stream.replay()?.next == first)
        // An older key frame that comes late begins nothing.
        stream.timestamp &-= 6000
        stream.group.note(stream.entry(50, isKey: true), now: stream.now)
        #expect(stream.replay()?.next == first)
    }

    @Test("costs nothing per layer beyond a few words")
    func memory() { #expect(MemoryLayout<GroupOfPictures>.stride <= 64 && MemoryLayout<GroupReplay>.stride <= 64) }
}

@Suite("Joiners", .serialized)
struct JoinerTests {
    private static let camera = LocalTrack(name: "camera", codec: .vp8)

    @Test("see pictures at once while the publisher makes no key frame, and go on without a hole")
    func late() async throws {
        let harness = try Harness()
        _ = try await harness.shard.send(.createRoom(room: "room"))
        let (publisher, log) = try await harness.publisher("anna", tracks: [Self.camera])
        #expect(log.waitConnected())
        #expect(harness.wait { if case .published = $0 { true } else { false } } != nil)
        // A key frame before each joiner, and none because somebody asks.
        var index = 0
        func send(isKeyframe: Bool = false) {
            publisher.send(TestFrames.vp8(index, isKeyframe: isKeyframe, size: 2500), on: "camera")
            index += 1
        }
        let asked = try await harness.statistics().keyframeRequests
        var clients: [RTCClient] = []
        for name in ["ben", "cleo", "dan"] {
            let first = index, before = try await harness.statistics().packetsIn
            send(isKeyframe: true)
            for _ in 0..<19 { send() }
            var seen = before
            while seen < before + 40 { seen = try await harness.statistics().packetsIn }
            let (subscriber, frames) = try await harness.subscriber(name)
            clients.append(subscriber)
            #expect(frames.waitConnected())
            var got: [Int] = []
            for _ in 0..<20 {
                send()
                while got.last ?? -1 < index - 1, let (_, frame) = frames.frame(.vp8, milliseconds: 40) {
                    got.append(TestFrames.number(frame))
                }
            }
            while got.last ?? -1 < index - 1, let (_, frame) = frames.frame(.vp8, milliseconds: 5000) {
                got.append(TestFrames.number(frame))
            }
            #expect(got == Array(first..<index), "\(name): \(got)")
        }
        let statistics = try await harness.statistics()
        #expect(statistics.groupsReplayed == 3 && statistics.keyframeRequests == asked)
        for client in clients + [publisher] { client.stop() }
        harness.shard.stop()
    }

    @Test("are shown nothing of what was sent while it was muted")
    func muted() async throws {
        let harness = try Harness()
        _ = try await harness.shard.send(.createRoom(room: "room"))
        let (publisher, log) = try await harness.publisher("anna", tracks: [Self.camera])
        #expect(log.waitConnected())
        let event = harness.wait { if case .published = $0 { true } else { false } }
        guard case .published(_, let track)? = event else { throw RTCTestError() }
        _ = try await harness.shard.send(.setMuted(track: track.id, muted: true))
        for index in 0..<10 { publisher.send(TestFrames.vp8(index, isKeyframe: index == 0, size: 500), on: "camera") }
        var seen = try await harness.statistics()
        while seen.drops["muted"] ?? 0 < 10 { seen = try await harness.statistics() }
        _ = try await harness.shard.send(.setMuted(track: track.id, muted: false))
        let (subscriber, frames) = try await harness.subscriber("ben")
        #expect(frames.waitConnected())
        var first: Int?
        for index in 100..<400 where first == nil {
            let isAsked = log.keyframes.load(ordering: .relaxed) > 0
            publisher.send(TestFrames.vp8(index, isKeyframe: isAsked, size: 500), on: "camera")
            if let (_, frame) = frames.frame(.vp8, milliseconds: 20) { first = TestFrames.number(frame) }
        }
        #expect(try #require(first) >= 100)
        #expect(try await harness.statistics().groupsReplayed == 0)
        for client in [publisher, subscriber] { client.stop() }
        harness.shard.stop()
    }
}
