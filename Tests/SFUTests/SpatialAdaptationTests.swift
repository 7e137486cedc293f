// What a subscriber gets of a stream that carries its layers together, over lines of every kind.

import Control
import Media
import RTC
import Testing

@testable import SFU

@Suite("Adaptation of layers within a stream")
struct SpatialAdaptationTests {
    private static let names: Set<String> = [
        "5 Mbit/s, 50 ms", "2.5 Mbit/s, 50 ms", "1 Mbit/s, 50 ms", "600 kbit/s, 50 ms", "300 kbit/s, 50 ms",
        "1 Mbit/s, 300 ms", "5 Mbit/s, 150 ms, jitter 20 ms", "5 Mbit/s, 5 % lost", "1 Mbit/s, 8 % lost",
    ]

    private func simulation(_ link: LinkModel, _ seed: UInt64) throws -> LineSimulation {
        try LineSimulation(.init(link: link, isSpatial: true, seed: seed))
    }

    @Test(
        "the spatial layers that a line carries are sent, as soon and as steadily as layers of their own",
        arguments: AdaptationTests.cases.filter { names.contains($0.name) })
    func lines(_ item: AdaptationTests.Case) throws {
        let end = 60_000
        var shown = Int.max, slowest = 0, frozen = 0, over = 0.0
        for seed in UInt64(1)...10 {
            var run = try simulation(item.link(seed), seed)
            run.run(to: end)
            let settled = run.settled(on: item.right, from: 0, to: end)
            #expect(settled.map { $0 <= 10_000 } ?? false, "seed \(seed): \(run.layers)")
            #expect(run.changes(from: max(settled ?? 0, 10_000), to: end) <= 2, "seed \(seed): \(run.layers)")
            #expect(run.overuse(from: 0, to: end, bitrate: item.bitrate) < 0.1, "seed \(seed)")
            #expect(run.frozenMs(from: 0, to: end) <= item.freezesMs, "seed \(seed): \(run.freezes)")
            slowest = max(slowest, settled ?? end)
            frozen = max(frozen, run.frozenMs(from: 0, to: end))
            over = max(over, run.overuse(from: 0, to: end, bitrate: item.bitrate))
            shown = min(shown, run.shown * 1000 / end)
        }
        print("| \(item.name) | \(slowest) ms | \(frozen) ms | \(Int(over * 1000)) ‰ | \(shown) |")
    }

    @Test(
        "a line that becomes thin gets fewer layers at once, and all of them again within ten seconds of being wide",
        arguments: [700_000, 300_000])
    func recovery(bitrate: Int) throws {
        let right = bitrate == 700_000 ? 1 : 0
        for seed in UInt64(1)...10 {
            var run = try simulation(LinkModel(bitrate: 5_000_000, seed: seed), seed)
            let spell = run.spell(right: [right]) { $0.bitrate = bitrate }
            run.expectRecovery(spell, bitrate: bitrate, overuse: 0.08, seed)
        }
    }

    @Test("where not even the lowest layer fits the picture stops, and all layers come again when there is room")
    func pauses() throws {
        for seed in UInt64(1)...10 {
            var run = try simulation(LinkModel(bitrate: 5_000_000, seed: seed), seed)
            run.run(to: 10_000)
            run.link.bitrate = 90_000
            run.run(to: 40_000)
            #expect(
                run.consumer.grant.limit == .paused && run.consumer.shownLayer == nil, "seed \(seed): \(run.layers)")
            run.link.bitrate = 5_000_000
            run.run(to: 75_000)
            #expect(run.consumer.shownLayer == 2 && run.consumer.grant.limit == nil, "seed \(seed): \(run.layers)")
        }
    }

    @Test("no more layers are sent than are shown, however wide the line is, and fewer where it is thin")
    func wishes() throws {
        var run = try simulation(LinkModel(bitrate: 5_000_000, seed: 3), 3)
        run.run(to: 5000)
        run.consumer.forwarder.setWish(.fill(PictureSize(width: 640, height: 360)))
        run.run(to: 10_000)
        #expect(run.consumer.shownLayer == 1 && run.consumer.grant.limit == nil)
        run.link.bitrate = 300_000
        run.run(to: 20_000)
        #expect(run.consumer.shownLayer == 0 && run.consumer.grant.limit == .smaller)
        run.consumer.forwarder.setWish(.fill(PictureSize(width: 320, height: 180)))
        run.run(to: 21_000)
        #expect(run.consumer.shownLayer == 0 && run.consumer.grant.limit == nil, "all that is asked for")
    }

    @Test("of more layers than can be divided the smallest and the largest ones can be chosen")
    func manyLayers() throws {
        let producer = try SpatialSimulation(seed: 1).producer
        for moment in stride(from: Int64(0), to: 3000, by: 30) {
            let now = MonotonicTime(milliseconds: moment)
            for layer in 0..<5 {
                let bytes = LayerBytes.payload(
                    spatial: layer, temporal: 0, isPredicted: moment > 0, usesLower: layer > 0, first: true, last: true,
                    sizes: [])
                let picture = try #require(bytes.withUnsafeBytes { VideoPayload($0, codec: .vp9) })
                bytes.withUnsafeBytes { producer.noteLayers(picture, $0, isRepeat: false, now: now) }
                producer.spatial?.carry(375 << layer, of: UInt8(layer), now: now)
            }
        }
        var order: [Int] = []
        producer.order(.top, into: &order)
        #expect(order == [0, 3, 4])
        let now = MonotonicTime(milliseconds: 2999)
        let rates = order.compactMap { producer.bitrate(of: $0, now: now) }
        #expect(rates.count == 3)
        for (rate, share) in zip(rates, [1, 15, 31]) { #expect(abs(rate - share * 100_000) < share * 5000, "\(rates)") }
        #expect(producer.hasSpatialLayers)
    }
}
