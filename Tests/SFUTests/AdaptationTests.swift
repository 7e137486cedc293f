// What a subscriber gets over lines of every kind: the right layer soon, few freezes, and little more than the line carries.

import Control
import Media
import RTC
import Testing

@testable import SFU

@Suite("Adaptation to lines")
struct AdaptationTests {
    /// A line, what its subscriber should get in the end, and what is accepted over all seeds.
    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var bitrate: Int
        var delayMs = 25.0, jitterMs = 0.0, reorderPercent = 0.0
        var loss = LinkModel.Loss.none
        /// The layers that fit: one, or two where the line lies at the edge of one.
        var right: Set<Int>
        var freezesMs = 0

        var testDescription: String { name }
        func link(_ seed: UInt64) -> LinkModel {
            var link = LinkModel(bitrate: bitrate, delayMs: delayMs, loss: loss, seed: seed)
            link.jitterMs = jitterMs
            link.reorderPercent = reorderPercent
            return link
        }
    }

    static let cases: [Case] = [
        .init(name: "5 Mbit/s, 50 ms", bitrate: 5_000_000, right: [2]),
        .init(name: "2.5 Mbit/s, 50 ms", bitrate: 2_500_000, right: [2]),
        .init(name: "1 Mbit/s, 50 ms", bitrate: 1_000_000, right: [1]),
        .init(name: "600 kbit/s, 50 ms", bitrate: 600_000, right: [1]),
        .init(name: "300 kbit/s, 50 ms", bitrate: 300_000, right: [0], freezesMs: 1500),
        .init(name: "300 kbit/s, 300 ms", bitrate: 300_000, delayMs: 150, right: [0], freezesMs: 2000),
        .init(name: "1 Mbit/s, 300 ms", bitrate: 1_000_000, delayMs: 150, right: [1]),
        .init(name: "5 Mbit/s, 300 ms", bitrate: 5_000_000, delayMs: 150, right: [2]),
        .init(name: "5 Mbit/s, 150 ms, jitter 20 ms", bitrate: 5_000_000, delayMs: 75, jitterMs: 20, right: [2]),
        .init(name: "5 Mbit/s, 2 % overtaken", bitrate: 5_000_000, reorderPercent: 2, right: [2]),
        .init(name: "5 Mbit/s, 1 % lost", bitrate: 5_000_000, loss: .each(percent: 1), right: [2]),
        .init(name: "5 Mbit/s, 5 % lost", bitrate: 5_000_000, loss: .each(percent: 5), right: [2], freezesMs: 600),
        .init(name: "5 Mbit/s, 10 % lost", bitrate: 5_000_000, loss: .each(percent: 10), right: [2], freezesMs: 2000),
        .init(name: "5 Mbit/s, 20 % lost", bitrate: 5_000_000, loss: .each(percent: 20), right: [2], freezesMs: 12_000),
        .init(
            name: "2 Mbit/s, 150 ms, 10 % lost", bitrate: 2_000_000, delayMs: 75, loss: .each(percent: 10),
            right: [2, 1], freezesMs: 6000),
        .init(name: "1 Mbit/s, 8 % lost", bitrate: 1_000_000, loss: .each(percent: 8), right: [1], freezesMs: 1000),
        .init(
            name: "5 Mbit/s, 5 % lost in bursts of 8", bitrate: 5_000_000, loss: .bursts(percent: 5, length: 8),
            right: [2], freezesMs: 1000),
        .init(
            name: "1 Mbit/s, 5 % lost in bursts of 8", bitrate: 1_000_000, loss: .bursts(percent: 5, length: 8),
            right: [1], freezesMs: 1000),
    ]

    /// What the runs of one line have shown, the worst of them last.
    private struct Runs {
        var settled: [Int] = [], changes: [Int] = [], frozen: [Int] = [], freezes: [Int] = [], over: [Double] = []
        var padding: [Int] = [], shown: [Int] = []

        func row(_ name: String) -> String {
            func pair(_ values: [Int]) -> String {
                let sorted = values.sorted()
                return "\(sorted[sorted.count / 2]) / \(sorted.last ?? 0)"
            }
            let over = "\(Int((self.over.max() ?? 0) * 1000)) ‰"
            return
                "| \(name) | \(pair(settled)) ms | \(pair(changes)) | \(pair(freezes)), \(pair(frozen)) ms | \(over) "
                + "| \(shown.min() ?? 0) | \(pair(padding)) kbit/s |"
        }
    }

    @Test(
        "the right layer comes soon and stays, pictures hardly stop, and little more is sent than the line carries",
        arguments: cases)
    func lines(_ item: Case) throws {
        var runs = Runs()
        let end = 60_000
        for seed in UInt64(1)...10 {
            var simulation = try LineSimulation(.init(link: item.link(seed), seed: seed))
            simulation.run(to: end)
            let settled = simulation.settled(on: item.right, from: 0, to: end)
            #expect(settled.map { $0 <= 10_000 } ?? false, "seed \(seed): \(simulation.layers)")
            let changes = simulation.changes(from: max(settled ?? 0, 10_000), to: end)
            #expect(changes <= 2, "seed \(seed): \(simulation.layers)")
            let over = simulation.overuse(from: 0, to: end, bitrate: item.bitrate)
            #expect(over < 0.1, "seed \(seed)")
            let frozen = simulation.frozenMs(from: 0, to: end)
            #expect(frozen <= item.freezesMs, "seed \(seed): \(simulation.freezes)")
            // The voice loses nothing but what the line loses by itself.
            let lost = 1 - Double(simulation.voiceArrived) / Double(simulation.voiceSent)
            let own: Double =
                switch item.loss {
                case .none: 0
                case .each(let percent): percent / 100
                case .bursts(let percent, _): percent / 100
                }
            #expect(lost < own + 0.04, "seed \(seed): \(lost)")
            runs.settled.append(settled ?? end)
            runs.changes.append(changes)
            runs.frozen.append(frozen)
            runs.freezes.append(simulation.freezes.count)
            runs.over.append(over)
            runs.padding.append(simulation.paddingBytes * 8 / end)
            runs.shown.append(simulation.shown * 1000 / end)
        }
        print(runs.row(item.name))
    }

    @Test("losses that no rate avoids take no layer away, whatever their chance is", arguments: [5, 8, 10])
    func randomLosses(percent: Int) throws {
        var kept = 0
        for seed in UInt64(100)..<150 {
            let link = LinkModel(bitrate: 5_000_000, loss: .each(percent: Double(percent)), seed: seed)
            var simulation = try LineSimulation(.init(link: link, seed: seed))
            simulation.run(to: 40_000)
            #expect(simulation.settled(on: [2], from: 0, to: 40_000).map { $0 <= 10_000 } ?? false, "seed \(seed)")
            #expect(
                simulation.estimates.dropFirst(5).allSatisfy { $0 > 600_000 }, "seed \(seed): \(simulation.estimates)")
            #expect(simulation.layers.dropFirst().allSatisfy { $0.layer != nil }, "seed \(seed): \(simulation.layers)")
            if simulation.changes(from: 10_000, to: 40_000) == 0 { kept += 1 }
        }
        #expect(kept >= 48, "\(kept) of 50")
    }

    @Test(
        "a line that becomes thin is followed at once, and one that becomes wide again within ten seconds",
        arguments: [700_000, 500_000, 400_000, 300_000, 250_000])
    func recovery(bitrate: Int) throws {
        let right = bitrate == 700_000 ? 1 : 0
        for seed in UInt64(1)...10 {
            var simulation = try LineSimulation(.init(link: LinkModel(bitrate: 5_000_000, seed: seed), seed: seed))
            let spell = simulation.spell(right: [right]) { $0.bitrate = bitrate }
            simulation.expectRecovery(spell, bitrate: bitrate, overuse: 0.06, seed)
        }
    }

    @Test(
        "a way that becomes longer is no queue, whatever it loses and however it trembles",
        arguments: [(0.0, 0.0), (0, 40), (1, 0), (5, 0), (10, 0), (20, 0)])
    func longerWay(percent: Double, jitterMs: Double) throws {
        for seed in UInt64(1)...10 {
            var simulation = try LineSimulation(
                .init(link: LinkModel(bitrate: 5_000_000, delayMs: 1, seed: seed), seed: seed))
            let spell = simulation.spell(right: [2]) { link in
                (link.delayMs, link.jitterMs) = (50, jitterMs)
                link.loss = percent > 0 ? .each(percent: percent) : .none
            }
            let there = spell.there ?? .max, back = spell.back ?? .max
            let frozen = simulation.frozenMs(from: 20_000, to: 50_000)
            print("| 1 → 50 ms, \(percent) %, \(jitterMs) ms | \(there) | \(back) | \(frozen) |")
            #expect(there < 10_000 && back < 10_000, "seed \(seed): \(simulation.layers) \(simulation.estimates)")
        }
    }

    @Test("where not even the smallest layer fits the picture stops and the voice goes on, until there is room again")
    func voiceFirst() throws {
        var simulation = try LineSimulation(.init(link: LinkModel(bitrate: 5_000_000, seed: 6)))
        simulation.run(to: 10_000)
        simulation.link.bitrate = 90_000
        simulation.run(to: 40_000)
        #expect(
            simulation.consumer.grant.isPaused && simulation.consumer.forwarder.current == nil, "\(simulation.layers)")
        #expect(simulation.consumer.grant.limit == .paused)
        let (sent, arrived) = (simulation.voiceSent, simulation.voiceArrived)
        simulation.run(to: 50_000)
        #expect(simulation.voiceArrived - arrived >= (simulation.voiceSent - sent) * 97 / 100)
        simulation.link.bitrate = 5_000_000
        simulation.run(to: 75_000)
        let back = simulation.settled(on: [2], from: 50_000, to: 75_000)
        print("| 90 → 5000 kbit/s | \(back ?? -1) ms | \(simulation.estimates.dropFirst(48))")
        #expect(back.map { $0 < 10_000 } ?? false, "\(simulation.layers) \(simulation.estimates)")
        #expect(simulation.consumer.grant.limit == nil)
    }

    @Test(
        "over a line that is too thin for the smallest layer, or hardly wide enough, the picture does not come and go",
        arguments: Array(stride(from: 180_000, through: 300_000, by: 20_000)))
    func flapping(bitrate: Int) throws {
        var changes: [Int] = [], back: [Int] = []
        for seed in UInt64(1)...10 {
            let link = LinkModel(bitrate: bitrate, seed: seed)
            var simulation = try LineSimulation(.init(link: link, smallestRate: 200_000, seed: seed))
            simulation.run(to: 70_000)
            changes.append(simulation.changes(from: 10_000, to: 70_000))
            simulation.link.bitrate = 5_000_000
            simulation.run(to: 90_000)
            let settled = simulation.settled(on: [2], from: 70_000, to: 90_000)
            back.append(settled ?? 20_000)
            #expect(changes[changes.count - 1] <= 6, "seed \(seed): \(simulation.layers)")
            #expect(settled.map { $0 < 10_000 } ?? false, "seed \(seed): \(simulation.layers)")
        }
        print("| \(bitrate / 1000) kbit/s | \(changes.sorted()[5]) / \(changes.max() ?? 0) | \(back.max() ?? 0) ms |")
    }

    @Test("who tells nothing of single packets is bounded by the losses that it reports, and not at all without any")
    func reports() throws {
        var wide = try LineSimulation(.init(link: LinkModel(bitrate: 5_000_000, seed: 7), feedsBack: false))
        wide.run(to: 30_000)
        #expect(wide.session.downlink.bitrate == nil && wide.consumer.grant.isWhole)
        #expect(wide.settled(on: [2], from: 0, to: 30_000).map { $0 < 3000 } ?? false, "\(wide.layers)")
        #expect(wide.paddingBytes == 0)
        var thin = try LineSimulation(.init(link: LinkModel(bitrate: 700_000, seed: 8), feedsBack: false))
        thin.run(to: 60_000)
        let settled = thin.settled(on: [1, 0], from: 0, to: 60_000)
        #expect(settled.map { $0 < 10_000 } ?? false, "\(thin.layers) \(thin.estimates)")
    }

    /// The way to who tells nothing but what they have lost.
    private struct Reported {
        let downlink = Downlink()

        /// A second in which so much is sent each 20 ms, and the report on it.
        func second(_ index: Int, bytes: Int, lost: UInt8) {
            for time in stride(from: index * 1000, to: index * 1000 + 1000, by: 20) {
                let moment = LineSimulation.moment(time)
                if bytes > 0 { downlink.note(size: bytes, isNumbered: false, isVideo: true, now: moment) }
                downlink.look([], speaker: nil, now: moment) { _, _ in }
            }
            downlink.take(
                RTCPReportBlock(
                    ssrc: 1, fractionLost: lost, totalLost: 0, highestSequence: 0, jitter: 0, lastSenderReport: 0,
                    delaySinceLastSenderReport: 0))
        }
    }

    @Test("who has reported that all is lost gets more again")
    func reportsOfAll() {
        let way = Reported(), downlink = way.downlink
        for index in 0..<5 { way.second(index, bytes: 2500, lost: 0) }
        // All is lost, and less of less.
        for index in 5..<9 { way.second(index, bytes: 2500, lost: 255) }
        #expect(downlink.bitrate.map { $0 < 100_000 } ?? false)
        for index in 9..<80 { way.second(index, bytes: 600, lost: 0) }
        #expect(downlink.bitrate.map { $0 > 400_000 } ?? true, "\(downlink.bitrate ?? -1)")
    }

    @Test("what is told of losses while nothing is sent does not count as the path's own")
    func reportsOfNothing() {
        let way = Reported()
        for index in 0..<5 { way.second(index, bytes: 2500, lost: 0) }
        for index in 5..<14 { way.second(index, bytes: 0, lost: 200) }
        #expect(way.downlink.bitrate == nil)
        var isBounded = false
        for index in 14..<20 {
            way.second(index, bytes: 2500, lost: 128)
            if way.downlink.bitrate != nil { isBounded = true }
        }
        #expect(isBounded)
    }

    @Test("what arrives of nothing does not hold the rate at nothing")
    func lossOfAll() {
        var control = LossControl(), now = 0
        func update(lost: Int, current: Double, delivered: Double) {
            control.note(lost: lost, of: 50)
            control.update(current: current, sent: current, delivered: delivered, now: LineSimulation.moment(now))
            now += 600
        }
        for _ in 0..<5 { update(lost: 50, current: 1e6, delivered: 0) }
        #expect(control.rate.isFinite && control.rate >= Double(BandwidthEstimator.minimumBitrate))
        for _ in 0..<100 { update(lost: 0, current: min(1e6, control.rate), delivered: min(1e6, control.rate)) }
        #expect(control.rate > 900_000, "\(control.rate)")
    }

    @Test(
        "a line that breaks down while it is tried whether less loses less is found again, though nobody speaks",
        arguments: Array(stride(from: 500, through: 4000, by: 250)))
    func brokenTrial(afterMs: Int) throws {
        for seed in UInt64(1)...3 {
            let link = LinkModel(bitrate: 5_000_000, seed: seed)
            var simulation = try LineSimulation(.init(link: link, hasVoice: false, seed: seed))
            simulation.run(to: 20_000)
            simulation.link.loss = .each(percent: 25)
            simulation.run(to: 20_000 + afterMs)
            simulation.link.bitrate = 40_000
            simulation.run(to: 30_000 + afterMs)
            (simulation.link.bitrate, simulation.link.loss) = (5_000_000, .none)
            simulation.run(to: 60_000)
            #expect(
                simulation.consumer.forwarder.current == 2,
                "seed \(seed): \(simulation.layers) \(simulation.estimates)")
        }
    }

    @Test("who has agreed to tell and never does is treated like one that has not agreed")
    func silentSubscriber() throws {
        var simulation = try LineSimulation(.init(link: LinkModel(bitrate: 5_000_000, seed: 10), feedsBack: false))
        simulation.session.downlink.agree()
        simulation.run(to: 1)
        simulation.session.downlink.note(size: 100, isNumbered: true, isVideo: true, now: LineSimulation.moment(1))
        simulation.run(to: 8000)
        #expect(simulation.session.downlink.bitrate == nil && simulation.consumer.forwarder.current == 2)
    }
}
