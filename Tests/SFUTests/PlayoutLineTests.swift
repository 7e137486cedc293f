// What a browser shows over lines that lose a tenth or a fifth of the packets both ways.

import Control
import Media
import RTC
import Testing

@testable import SFU

@Suite("Lines that lose both ways")
struct PlayoutLineTests {
    /// Thirty seconds of what a browser shows of a camera in a small window, over a line that takes all of it.
    private struct Run {
        var frozenMs: [Double] = [], freezes: [Int] = [], latePercent: [Double] = [], paused = 0
    }

    private static func run(lossPercent: Int, delayMs: Double) throws -> Run {
        var run = Run()
        for seed in UInt64(1)...10 {
            var simulation = try LineSimulation(
                .init(
                    link: LinkModel(bitrate: 20_000_000, delayMs: 1, seed: seed), smallestRate: 190_000,
                    largerRates: [350_000, 750_000], size: LayerSize(width: 640, height: 360),
                    asksLikeBrowsers: true, seed: seed))
            simulation.run(to: 20_000)
            #expect(simulation.consumer.forwarder.current == 1)
            simulation.link.delayMs = delayMs
            simulation.link.loss = .each(percent: Double(lossPercent))
            simulation.backLossPercent = lossPercent
            simulation.playout.restart()
            simulation.run(to: 50_000)
            let playout = simulation.playout
            run.frozenMs.append(playout.frozenMs)
            run.freezes.append(playout.freezes)
            run.latePercent.append(100 * Double(playout.late) / Double(max(1, playout.shown)))
            if simulation.layers.contains(where: { $0.at > 20_000 && $0.layer == nil }) { run.paused += 1 }
        }
        return run
    }

    @Test(
        "a way that becomes longer and loses as much both ways does not take the picture away",
        arguments: [(0, 0.0), (5, 1500), (10, 2000), (20, 9000)])
    func becomesLossy(percent: Int, mostFrozenMs: Double) throws {
        let delayMs = 50.0, run = try Self.run(lossPercent: percent, delayMs: delayMs)
        let frozen = run.frozenMs.sorted(), late = run.latePercent.sorted()
        print(
            "| \(percent) %, \(Int(delayMs)) ms | \(Int(frozen[5])) / \(Int(frozen[9])) ms | \(run.freezes.sorted()) "
                + "| \(Int(late[5])) / \(Int(late[9])) % | paused \(run.paused) |")
        #expect(run.paused == 0 && frozen[9] <= mostFrozenMs && frozen[5] <= mostFrozenMs / 2)
    }

    @Test("pictures wait where a line loses some of them by itself, and nowhere else", arguments: AdaptationTests.cases)
    func noLosses(_ item: AdaptationTests.Case) throws {
        var told: [Int] = []
        for seed in UInt64(1)...5 {
            var line = try LineSimulation(.init(link: item.link(seed), seed: seed))
            line.run(to: 60_000)
            told.append(line.waitsTold)
            if item.loss == .none { #expect(line.consumer.playoutMs == nil, "seed \(seed)") }
        }
        print("| \(item.name) | \(told) |")
        switch item.loss {
        // What a line of 300 kbit/s loses while it is taken for one of 1 Mbit/s looks like its own for a moment.
        case .none: #expect(item.bitrate < 500_000 || told.allSatisfy { $0 == 0 })
        case .each(let percent), .bursts(let percent, _): #expect(percent < 2 || told.allSatisfy { $0 > 1000 })
        }
    }

    @Test("who has not agreed to hear how long pictures are to wait is not told", arguments: [true, false])
    func notAgreed(takesWaits: Bool) throws {
        var line = try LineSimulation(
            .init(
                link: LinkModel(bitrate: 5_000_000, loss: .each(percent: 10), seed: 1), asksLikeBrowsers: true,
                takesWaits: takesWaits, seed: 1))
        line.run(to: 20_000)
        #expect(line.session.downlink.playoutMs ?? 0 >= 200)
        #expect((line.waitsTold > 0) == takesWaits)
        #expect((line.consumer.nextWait() != nil) == takesWaits)
        // A track with another codec may come in its place, without repeats of their own.
        line.consumer.extensions.playoutDelay = 0
        #expect(line.consumer.nextWait() == nil)
    }
}
