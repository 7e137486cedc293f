// What a publisher's packets say of their layers is a stranger's word: no number goes out twice for it, and nobody is told without end.

import Control
import Media
import RTC
import Testing

@testable import SFU

@Suite("Layers that lie")
struct HostileLayerTests {
    /// The first bytes of a VP9 payload without picture numbers: a layer's whole frame.
    private static func payload(spatial: UInt8, temporal: UInt8, isKey: Bool) -> [UInt8] {
        [isKey ? 0x2C : 0x6C, temporal << 5 | spatial << 1, 0, 0xAA]
    }

    private func entry(
        _ sequence: Int64, _ timestamp: UInt32, spatial: UInt8 = 0, temporal: UInt8 = 0, isKey: Bool = false
    ) throws -> PacketStore.Entry {
        let told = Self.payload(spatial: spatial, temporal: temporal, isKey: isKey).withUnsafeBytes {
            VideoPayload($0, codec: .vp9)
        }
        var entry = PacketStore.Entry()
        entry.sequence = sequence
        entry.header.timestamp = timestamp
        entry.place = try #require(told).place
        try #require(entry.place.isLayered && entry.place.spatial == spatial && entry.place.temporal == temporal)
        return entry
    }

    @Test("a key frame that says that it is of a rate nobody wants has its number all the same")
    func keyFrameOfAHigherRate() throws {
        let limits = LayerLimits(spatial: 7, temporal: 0)
        let first = try entry(100, 9000, temporal: 1, isKey: true)
        var forwarder = SpatialForwarder(from: first, limits)
        forwarder.begun(with: first)
        // The first one went out as 100: what follows can't be 100 too.
        let next = forwarder.take(try entry(101, 9000)) { limits }
        #expect(next == .sent(101, marks: false))
    }

    @Test("a stream that names layers only in what comes late takes nothing out of what went before")
    func lateLayers() throws {
        // 100 to 110 went out under their own numbers, without 105 and 106.
        var forwarder = SpatialForwarder(from: try entry(105, 9000), .all, first: 111), numbers: [Int64] = []
        let small = LayerLimits(spatial: 0, temporal: 0)
        let late = [try entry(105, 9000), try entry(106, 12_000, spatial: 1), try entry(111, 15_000)]
        for packet in late {
            switch forwarder.take(packet, wanted: { small }) {
            case .sent(let number, _), .filled(let number): numbers.append(number)
            case .gone, .late: break
            }
        }
        #expect(numbers == [105, 106, 111])
    }

    @Test("a number that was sent is known as such for as long as anybody counts")
    func freshNumbers() throws {
        let consumer = try SpatialSimulation(seed: 6).consumer
        func note(_ number: Int64) throws {
            consumer.note(
                .init(
                    number: number, entry: try entry(number, 0), layer: 0, timestampDelta: 0, shift: VP8Shift(),
                    transportNumber: 0, marks: false))
        }
        func fresh(_ numbers: Int64...) -> [Bool] { numbers.map { consumer.isFresh($0) } }
        #expect(fresh(5) == [true])
        try note(5)
        #expect(fresh(5, 4, 5 + 1024) == [false, true, true])
        try note(5 + 1024)
        #expect(fresh(5, 5 + 1024, 5 + 2048) == [false, false, true])
        let wrap = Int64(UInt32.max) - 3
        for number in wrap..<(wrap + 1024) { try note(number) }
        #expect(fresh(wrap, wrap + 1023, wrap + 1024) == [false, false, true])
    }

    @Test("another number of layers is told once, however often it is said")
    func changes() throws {
        let run = try SpatialSimulation(seed: 5), producer = run.producer
        _ = producer.takeChange()
        for round in 0..<100 {
            let bytes = Self.payload(spatial: UInt8(3 + round % 3), temporal: 0, isKey: false)
            let told = try #require(bytes.withUnsafeBytes { VideoPayload($0, codec: .vp9) })
            let now = MonotonicTime(milliseconds: Int64(round))
            bytes.withUnsafeBytes { producer.noteLayers(told, $0, isRepeat: false, now: now) }
        }
        #expect(producer.takeChange() && !producer.takeChange())
    }

    @Test("a receiver's clock that stands still adds up, and breaks nothing")
    func standingClock() {
        var meter = RateMeter(windowMs: 100)
        for moment in Int64(0)...10 { meter.note(1 << 40, at: moment * 10_000_000) }
        for _ in 0..<100_000 { meter.note(1 << 40, at: 100_000_000) }
        let rate = meter.bitrate(at: 100_000_000) ?? 0
        #expect(rate > 1_000_000_000)
    }
}
