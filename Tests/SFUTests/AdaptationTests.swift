// What a subscriber gets over lines of every kind: the right layer soon, few freezes, and little more than the line carries.

import Control
import Media
import RTC
import Testing

@testable import SFU

@Suite("Adaptation to lines")
struct AdaptationTests {
    /// A line, what its subscriber should get in the end, and what is accepted.
    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var bitrate: Int
        var delayMs = 25.0, jitterMs = 0.0, reorderPercent = 0.0
        var loss = LinkModel.Loss.none
        var accepted: Set<Int>
        var freezesMs = 1000
        /// Whether the layer stays; where it does not yet, the decision on lines (014) says so.
        var settles = true

        var testDescription: String { name }
        func link(_ seed: UInt64) -> LinkModel {
            var link = LinkModel(bitrate: bitrate, delayMs: delayMs, loss: loss, seed: seed)
            link.jitterMs = jitterMs
            link.reorderPercent = reorderPercent
            return link
        }
    }

    static let cases: [Case] = [
        .init(name: "5 Mbit/s, 50 ms", bitrate: 5_000_000, accepted: [2]),
        .init(name: "2.5 Mbit/s, 50 ms", bitrate: 2_500_000, accepted: [2]),
        .init(name: "1 Mbit/s, 50 ms", bitrate: 1_000_000, accepted: [1], settles: false),
        .init(name: "600 kbit/s, 50 ms", bitrate: 600_000, accepted: [1, 0]),
        .init(name: "300 kbit/s, 50 ms", bitrate: 300_000, accepted: [0], freezesMs: 2500),
        .init(name: "300 kbit/s, 300 ms", bitrate: 300_000, delayMs: 150, accepted: [0], freezesMs: 4000),
        .init(
            name: "1 Mbit/s, 300 ms", bitrate: 1_000_000, delayMs: 150, accepted: [1], freezesMs: 2500, settles: false),
        .init(name: "5 Mbit/s, 300 ms", bitrate: 5_000_000, delayMs: 150, accepted: [2]),
        .init(name: "5 Mbit/s, 150 ms, jitter 20 ms", bitrate: 5_000_000, delayMs: 75, jitterMs: 20, accepted: [2]),
        .init(name: "5 Mbit/s, 2 % overtaken", bitrate: 5_000_000, reorderPercent: 2, accepted: [2], settles: false),
        .init(name: "5 Mbit/s, 1 % lost", bitrate: 5_000_000, loss: .each(percent: 1), accepted: [2]),
        .init(name: "5 Mbit/s, 5 % lost", bitrate: 5_000_000, loss: .each(percent: 5), accepted: [2], freezesMs: 2000),
        .init(
            name: "5 Mbit/s, 10 % lost", bitrate: 5_000_000, loss: .each(percent: 10), accepted: [2, 1], freezesMs: 3000
        ),
        .init(
            name: "5 Mbit/s, 20 % lost", bitrate: 5_000_000, loss: .each(percent: 20), accepted: [2, 1],
            freezesMs: 12_000, settles: false),
        .init(
            name: "2 Mbit/s, 150 ms, 10 % lost", bitrate: 2_000_000, delayMs: 75, loss: .each(percent: 10),
            accepted: [2, 1], freezesMs: 6000),
        .init(
            name: "5 Mbit/s, 5 % lost in bursts of 8", bitrate: 5_000_000, loss: .bursts(percent: 5, length: 8),
            accepted: [2, 1], freezesMs: 4000, settles: false),
        .init(
            name: "1 Mbit/s, 5 % lost in bursts of 8", bitrate: 1_000_000, loss: .bursts(percent: 5, length: 8),
            accepted: [1, 0], freezesMs: 5000),
    ]

    private static func pad(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }

    @Test(
        "the right layer comes soon and stays, pictures hardly stop, and little more is sent than the line carries",
        arguments: cases)
    func lines(_ item: Case) throws {
        var simulation = try LineSimulation(.init(link: item.link(11)))
        let end = 60_000
        simulation.run(to: end)
        let settled = simulation.settled(on: item.accepted, from: 0, to: end)
        let over = simulation.overuse(from: 0, to: end, bitrate: item.bitrate)
        let frozen = simulation.frozenMs(from: 0, to: end)
        let padding = simulation.paddingBytes * 8 / (end / 1000)
        print(
            "| \(Self.pad(item.name, 34)) | \(Self.pad(settled.map { "\($0) ms" } ?? "never", 9)) | \(simulation.freezes.count), \(frozen) ms | \(Int(over * 1000)) ‰ | \(simulation.shown * 10 / (end / 1000)) | \(padding) | \(simulation.session.downlink.bitrate ?? 0) | \(simulation.layers.count)"
        )
        if item.settles { #expect(settled.map { $0 < 10_000 } ?? false, "\(simulation.layers)") }
        #expect(over < 0.1)
        #expect(frozen <= item.freezesMs, "\(simulation.freezes)")
        // The voice loses nothing but what the line loses by itself.
        let lost = 1 - Double(simulation.voiceArrived) / Double(simulation.voiceSent)
        let own: Double =
            switch item.loss {
            case .none: 0
            case .each(let percent): percent / 100
            case .bursts(let percent, _): percent / 100
            }
        #expect(lost < own + 0.04, "\(lost)")
    }

    @Test("a line that becomes thin is followed at once, and one that becomes wide again within ten seconds")
    func recovery() throws {
        var simulation = try LineSimulation(.init(link: LinkModel(bitrate: 5_000_000, seed: 5)))
        simulation.run(to: 20_000)
        #expect(simulation.consumer.forwarder.current == 2)
        simulation.link.bitrate = 700_000
        simulation.run(to: 50_000)
        let down = simulation.settled(on: [1, 0], from: 20_000, to: 50_000)
        let over = simulation.overuse(from: 20_000, to: 50_000, bitrate: 700_000)
        simulation.link.bitrate = 5_000_000
        simulation.run(to: 80_000)
        let up = simulation.settled(on: [2], from: 50_000, to: 80_000)
        print(
            "| 5 → 0.7 → 5 Mbit/s | down \(down ?? -1) ms | up \(up ?? -1) ms | over-use \(Int(over * 1000)) ‰ | \(simulation.freezes)"
        )
        #expect(down.map { $0 < 2000 } ?? false, "\(simulation.layers)")
        #expect(up.map { $0 < 10_000 } ?? false, "\(simulation.layers) \(simulation.estimates)")
        #expect(over < 0.1)
        #expect(simulation.frozenMs(from: 20_000, to: 80_000) < 3000, "\(simulation.freezes)")
    }

    @Test("where not even the smallest layer fits the picture stops and the voice goes on, until there is room again")
    func voiceFirst() throws {
        var simulation = try LineSimulation(.init(link: LinkModel(bitrate: 5_000_000, seed: 6)))
        simulation.run(to: 10_000)
        simulation.link.bitrate = 90_000
        simulation.run(to: 40_000)
        #expect(
            simulation.consumer.grant.isPaused && simulation.consumer.forwarder.current == nil, "\(simulation.layers)")
        let (sent, arrived) = (simulation.voiceSent, simulation.voiceArrived)
        simulation.run(to: 50_000)
        #expect(simulation.voiceArrived - arrived >= (simulation.voiceSent - sent) * 97 / 100)
        simulation.link.bitrate = 5_000_000
        simulation.run(to: 75_000)
        #expect(simulation.consumer.forwarder.current == 2, "\(simulation.layers) \(simulation.estimates)")
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

    @Test("a subscriber's own estimate is a bound where it gives nothing better")
    func receiverEstimate() throws {
        var simulation = try LineSimulation(.init(link: LinkModel(bitrate: 5_000_000, seed: 9), feedsBack: false))
        for second in 1...20 {
            simulation.run(to: second * 1000)
            simulation.session.downlink.take(
                .init(sender: 1, bitsPerSecond: 600_000, sources: [1]), now: LineSimulation.moment(second * 1000))
        }
        #expect(simulation.consumer.forwarder.current == 1)
        #expect(simulation.session.downlink.bitrate == 600_000)
        simulation.run(to: 40_000)
        #expect(simulation.consumer.forwarder.current == 2, "an old estimate says nothing")
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
