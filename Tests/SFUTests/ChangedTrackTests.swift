// A subscriber's stream goes on with another publication of its track: behind what was sent, and at its own time.

import Media
import RTC
import Testing

@testable import SFU

@Suite("Another publication of a track")
struct ChangedTrackTests {
    private let begin = MonotonicTime(nanoseconds: 1_000_000_000_000)

    private func at(_ milliseconds: Int64) -> MonotonicTime { begin.advanced(byMilliseconds: milliseconds) }

    private func entry(_ sequence: Int64, _ timestamp: UInt32, isKey: Bool = false) -> PacketStore.Entry {
        var entry = PacketStore.Entry()
        (entry.sequence, entry.startsKeyframe) = (sequence, isKey)
        (entry.header.timestamp, entry.header.marker) = (timestamp, true)
        return entry
    }

    /// One layer whose timestamp was this one at that time of the publisher.
    private func table(_ timestamp: UInt32, at milliseconds: Int64?, upTo highest: Int64) -> LayerTable {
        var table = LayerTable(count: 1)
        table.note(0, sequence: highest)
        table.note(0, now: begin)
        if let milliseconds { table.note(0, reportNanoseconds: milliseconds * 1_000_000, timestamp: timestamp) }
        return table
    }

    private func sent(_ result: Result<LayerForwarder.Outgoing, DropReasonError>) -> LayerForwarder.Outgoing? {
        if case .success(let out) = result { out } else { nil }
    }

    /// Ten packets of sound, 20 ms each, of which the first was taken at 1000 ms; the first outgoing timestamp is 0.
    private func sound(_ former: LayerTable) throws -> LayerForwarder {
        var forwarder = LayerForwarder(isVideo: false, clockRate: 48_000, next: 7, timestampDelta: 0 &- 5000)
        for index in Int64(0)..<10 {
            let out = sent(
                forwarder.forward(
                    entry(100 + index, 5000 + 960 * UInt32(index)), of: 0, former, now: at(20 * index)))
            #expect(try #require(out).number == 7 + index)
        }
        return forwarder
    }

    @Test("sound goes on with the packet behind what was sent, at its own time, however late it comes")
    func soundGoesOn() throws {
        let former = table(5000, at: 1000, upTo: 109), next = table(90_000, at: 1010, upTo: 800)
        for lateMs in [Int64(0), 15, 60] {
            var forwarder = try sound(former), numbers: [Int64] = [], times: [UInt32] = []
            forwarder.changeTrack(from: former)
            // Taken at 1110 ms and so on, between those of before.
            for index in Int64(5)..<14 {
                let packet = entry(700 + index, 90_000 + 960 * UInt32(index))
                guard let out = sent(forwarder.forward(packet, of: 0, next, now: at(20 * index + 90 + lateMs))) else {
                    continue
                }
                numbers.append(out.number)
                times.append(packet.header.timestamp &+ out.timestampDelta)
            }
            let first: UInt32 = 960 * 9 + 480
            let expected: [UInt32] = [first, first + 960, first + 1920, first + 2880, first + 3840]
            #expect(numbers == [17, 18, 19, 20, 21])
            #expect(times == expected)
        }
    }

    @Test("without a word of both clocks it goes on by the time that has passed")
    func unknownClocks() throws {
        let former = table(5000, at: 1000, upTo: 109), next = table(0, at: nil, upTo: 700)
        var forwarder = try sound(former)
        forwarder.changeTrack(from: former)
        let packet = entry(700, 123_456)
        // In the same moment as the last one, whose 20 ms are its own; and later.
        for (time, timestamp) in [(Int64(180), UInt32(960 * 10)), (200, 960 * 10), (240, 960 * 12)] {
            var changed = forwarder
            let out = try #require(sent(changed.forward(packet, of: 0, next, now: at(time))))
            #expect(out.number == 17 && packet.header.timestamp &+ out.timestampDelta == timestamp)
        }
    }

    @Test("what goes back before anything was sent goes on as if nothing had been")
    func backAgain() throws {
        let former = table(5000, at: 1000, upTo: 109), next = table(90_000, at: 1010, upTo: 700)
        var forwarder = try sound(former)
        forwarder.changeTrack(from: former)
        forwarder.changeTrack(from: next)
        let packet = entry(110, 5000 + 9600)
        let out = try #require(sent(forwarder.forward(packet, of: 0, former, now: at(230))))
        #expect(out.number == 17 && packet.header.timestamp &+ out.timestampDelta == 9600)
    }

    @Test("a picture goes on with a key frame, at the time at which it was taken")
    func picture() throws {
        let former = table(5000, at: 1000, upTo: 102), next = table(90_000, at: 1500, upTo: 700)
        var forwarder = LayerForwarder(isVideo: true, clockRate: 90_000, next: 7, timestampDelta: 0 &- 5000)
        for index in Int64(0)..<3 {
            let packet = entry(100 + index, 5000 + 3000 * UInt32(index), isKey: index == 0)
            _ = try #require(sent(forwarder.forward(packet, of: 0, former, now: at(33 * index))))
        }
        forwarder.changeTrack(from: former)
        #expect(sent(forwarder.forward(entry(699, 87_000), of: 0, next, now: at(400))) == nil)
        // Taken half a second behind the first one, and 50 ms longer on the way.
        let packet = entry(700, 90_000, isKey: true)
        let out = try #require(sent(forwarder.forward(packet, of: 0, next, now: at(550))))
        #expect(out.number == 10 && packet.header.timestamp &+ out.timestampDelta == 45_000)
    }

    @Test("a key frame that was taken long before what was sent is not gone on with, unless it comes again and again")
    func tooFarBack() throws {
        let former = table(5000, at: 1000, upTo: 102), next = table(90_000, at: 1500, upTo: 700)
        var forwarder = LayerForwarder(isVideo: true, clockRate: 90_000, next: 7, timestampDelta: 0 &- 5000)
        _ = try #require(sent(forwarder.forward(entry(102, 5000 + 45_000, isKey: true), of: 0, former, now: at(500))))
        // Taken 200 ms before.
        let packet = entry(700, 90_000 - 18_000, isKey: true)
        for _ in 0..<2 {
            let mayChange = forwarder.mayChangeTrack(from: former, with: packet, of: 0, next, now: at(550))
            #expect(!mayChange && forwarder.current == 0)
        }
        let mayChange = forwarder.mayChangeTrack(from: former, with: packet, of: 0, next, now: at(550))
        #expect(mayChange)
        forwarder.changeTrack(from: former)
        let out = try #require(sent(forwarder.forward(packet, of: 0, next, now: at(550))))
        #expect(out.number == 8 && packet.header.timestamp &+ out.timestampDelta == 45_001)
    }

    @Test("numbers that were given away stay so, and nothing is sent again under them")
    func numbers() throws {
        let run = try SpatialSimulation(seed: 11), consumer = run.consumer, layer = run.producer.layers[0]
        let bytes = [UInt8](repeating: 1, count: 100)
        for number in Int64(5)..<9 {
            var stored = entry(number + 100, 0)
            (stored.payloadOffset, stored.payloadLength) = (12, 88)
            run.producer.table.note(0, sequence: stored.sequence)
            #expect(bytes.withUnsafeBytes { layer.store.insert($0, stored) })
            consumer.note(
                .init(
                    number: number, entry: stored, layer: 0, timestampDelta: 0, shift: VP8Shift(), transportNumber: 0,
                    marks: true))
        }
        #expect((Int64(5)..<9).allSatisfy { consumer.takeWaiting($0) != nil && !consumer.isFresh($0) })
        consumer.move(to: run.producer)
        #expect((Int64(5)..<9).allSatisfy { consumer.takeWaiting($0) == nil && !consumer.isFresh($0) })
        #expect(consumer.isFresh(9))
    }
}
